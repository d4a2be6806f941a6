//! Placement in the emulated system's memory: the driver's sections, objects, pool,
//! requests, modules and page tables.

use scanner_core::Module;

use crate::address::{PAGE, to_usize};
use crate::image::LoadedImage;
use crate::machine::{Machine, MemoryKind, Rights};
use crate::offset::Offsets;
use crate::resource_audit::Resources;
use crate::watch::WatchedModule;
use crate::world::{Paging, World};

/// An address range for allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arena {
    Objects,
    Pool,
    Requests,
}

/// Maps the driver with its sections' rights; discardable sections are mapped at
/// each start.
pub(crate) fn map_driver(memory: &mut Machine, image: &LoadedImage) {
    let headers = &image.memory[..to_usize(PAGE)];
    memory.map(image.base, 1, MemoryKind::Constants, Rights::Read, headers);
    for section in &image.sections {
        let (kind, rights) = match section {
            _ if section.is_discardable() => continue,
            _ if section.is_code() => (MemoryKind::Code, Rights::Execute),
            _ if section.is_writable() => (MemoryKind::Data, Rights::Write),
            _ => (MemoryKind::Constants, Rights::Read),
        };
        let at = to_usize(section.rva.into());
        let length = u64::from(section.virtual_size).next_multiple_of(PAGE);
        let bytes = &image.memory[at..at + to_usize(length)];
        let start = image.base + u64::from(section.rva);
        memory.map(start, length / PAGE, kind, rights, bytes);
        if kind == MemoryKind::Code {
            let bits = u32::try_from(memory.pointer_size() * 8).expect("32 or 64");
            let bytes = &bytes[..to_usize(section.virtual_size.into())];
            memory.watch().set_code(start, bytes, bits);
        }
    }
}

/// Allocates the driver object of an image, in a page of its own.
pub(crate) fn driver_object(
    memory: &mut Machine,
    next: &mut [u64; 3],
    (base, size): (u64, u32),
) -> u64 {
    let offsets = Offsets::of(memory.arch());
    let object = allocate(
        memory,
        next,
        Arena::Objects,
        offsets.driver.size,
        Rights::Read,
    );
    memory.write_pointer(object + offsets.driver.start, base);
    memory.write(object + offsets.driver.length, &size.to_le_bytes());
    object
}

/// Allocates memory that ends at the end of a page, with nothing mapped behind it,
/// aligned like NT's pool.
pub(crate) fn allocate(
    memory: &mut Machine,
    next: &mut [u64; 3],
    arena: Arena,
    bytes: u64,
    rights: Rights,
) -> u64 {
    let (next, kind) = match arena {
        Arena::Objects => (&mut next[0], MemoryKind::Object),
        Arena::Pool => (&mut next[1], MemoryKind::Pool),
        Arena::Requests => (&mut next[2], MemoryKind::Request),
    };
    let align = memory.pointer_size() * 2;
    let length = bytes
        .next_multiple_of(align)
        .next_multiple_of(PAGE)
        .max(PAGE);
    let start = *next;
    *next += length + PAGE;
    let garbage = vec![0xCC; to_usize(length)];
    memory.map(start, length / PAGE, kind, rights, &garbage);
    let address = start + length - bytes.next_multiple_of(align);
    let zero = vec![0; to_usize(bytes)];
    if arena != Arena::Pool {
        memory.write(address, &zero);
    }
    address
}

/// Frees memory of [`allocate`].
pub(crate) fn release(memory: &mut Machine, address: u64, bytes: u64) {
    let align = memory.pointer_size() * 2;
    let end = address + bytes.next_multiple_of(align);
    let length = bytes
        .next_multiple_of(align)
        .next_multiple_of(PAGE)
        .max(PAGE);
    memory.unmap(end - length);
}

/// Maps the world's modules and page tables.
pub(crate) fn map_modules(memory: &mut Machine, world: &World, resources: &Resources) {
    memory.unmap_all(&[MemoryKind::Module, MemoryKind::PageTables]);
    memory.watch().limits.clear();
    memory.watch().modules.clear();
    let large = world.paging == Paging::Large;
    for module in Module::ALL {
        let held = resources.has_reference_to(module);
        let Some(target) = world.module(module) else {
            continue;
        };
        for (first, count, rights) in target.page_ranges(large) {
            let rights = if held { rights } else { Rights::None };
            let at = to_usize(first * PAGE);
            let bytes = &target.memory[at..at + to_usize(count * PAGE)];
            let start = target.base + first * PAGE;
            memory.map(start, count, MemoryKind::Module, rights, bytes);
        }
        let (base, watch) = (target.base, memory.watch());
        watch.limits.extend(target.limit());
        watch.modules.push(WatchedModule {
            all: base..base + target.memory.len() as u64,
            readable: target.readable.clone(),
        });
    }
    for (page, bytes) in world.page_tables() {
        memory.map(page, 1, MemoryKind::PageTables, Rights::Read, &bytes);
    }
}

/// Makes a module's pages accessible while the driver references the module, and
/// inaccessible otherwise.
pub(crate) fn update_module_rights(
    memory: &mut Machine,
    world: &World,
    resources: &Resources,
    module: Module,
) {
    let held = resources.has_reference_to(module);
    let large = world.paging == Paging::Large;
    let Some(target) = world.module(module) else {
        return;
    };
    for (first, _, rights) in target.page_ranges(large) {
        let rights = if held { rights } else { Rights::None };
        memory.protect(target.base + first * PAGE, rights);
    }
}

/// Allocates a UNICODE_STRING in a page of its own.
pub(crate) fn unicode_string(memory: &mut Machine, next: &mut [u64; 3], text: &str) -> u64 {
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pointer = memory.pointer_size();
    let length = u16::try_from(bytes.len()).expect("a short name");
    let string = allocate(
        memory,
        next,
        Arena::Objects,
        2 * pointer + bytes.len() as u64,
        Rights::Read,
    );
    let lengths = [length.to_le_bytes(), length.to_le_bytes()].concat();
    memory.write(string, &lengths);
    memory.write_pointer(string + pointer, string + 2 * pointer);
    memory.write(string + 2 * pointer, &bytes);
    string
}

/// Lets the driver write to a range until [`forbid_writes`].
pub(crate) fn allow_writes(memory: &mut Machine, address: u64, bytes: u64) {
    memory.watch().writable.push(address..address + bytes);
}

/// Forbids writes to a range of [`allow_writes`].
pub(crate) fn forbid_writes(memory: &mut Machine, address: u64) {
    let writable = &mut memory.watch().writable;
    writable.retain(|range| range.start != address);
}
