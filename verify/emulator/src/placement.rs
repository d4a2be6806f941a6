//! Where things of the emulated system are put: the driver's sections, objects,
//! pool, requests, modules and page tables.

use scanner_core::Module;

use crate::address::{PAGE, index};
use crate::machine::{Kind, Rights};
use crate::offset::Offsets;
use crate::system::System;
use crate::watch::Watched;
use crate::world::{Paging, slot};

/// Where memory is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arena {
    Objects,
    Pool,
    Requests,
}

impl System {
    /// Maps the driver as its sections want it; what is discardable comes with
    /// each start.
    pub(crate) fn map_driver(&mut self) {
        let image = &self.image;
        let headers = &image.memory[..index(PAGE)];
        self.machine
            .map(image.base, 1, Kind::Constants, Rights::Read, headers);
        for section in &image.sections {
            let (kind, rights) = match section {
                _ if section.is_discardable() => continue,
                _ if section.is_code() => (Kind::Code, Rights::Execute),
                _ if section.is_writable() => (Kind::Data, Rights::Write),
                _ => (Kind::Constants, Rights::Read),
            };
            let at = index(section.rva.into());
            let length = u64::from(section.virtual_size).next_multiple_of(PAGE);
            let bytes = &image.memory[at..at + index(length)];
            let start = image.base + u64::from(section.rva);
            self.machine.map(start, length / PAGE, kind, rights, bytes);
            if kind == Kind::Code {
                let bits = u32::try_from(self.machine.pointer() * 8).expect("32 or 64");
                let bytes = &bytes[..index(section.virtual_size.into())];
                self.machine.watch().set_code(start, bytes, bits);
            }
        }
    }

    /// A driver object of an image, with a page of its own.
    pub(crate) fn driver_object_of(&mut self, (base, size): (u64, u32)) -> u64 {
        let offsets = Offsets::of(self.machine.arch());
        let object = self.allocate(Arena::Objects, offsets.driver.size, Rights::Read);
        self.machine.write_word(object + offsets.driver.start, base);
        self.machine
            .write(object + offsets.driver.length, &size.to_le_bytes());
        object
    }

    /// Memory whose last byte is the last one of a page, with nothing behind
    /// it, aligned as NT's pool is.
    pub(crate) fn allocate(&mut self, arena: Arena, bytes: u64, rights: Rights) -> u64 {
        let (next, kind) = match arena {
            Arena::Objects => (&mut self.kept.next[0], Kind::Object),
            Arena::Pool => (&mut self.kept.next[1], Kind::Pool),
            Arena::Requests => (&mut self.kept.next[2], Kind::Request),
        };
        let align = self.machine.pointer() * 2;
        let length = bytes
            .next_multiple_of(align)
            .next_multiple_of(PAGE)
            .max(PAGE);
        let start = *next;
        *next += length + PAGE;
        let garbage = vec![0xCC; index(length)];
        self.machine
            .map(start, length / PAGE, kind, rights, &garbage);
        let address = start + length - bytes.next_multiple_of(align);
        let zero = vec![0; index(bytes)];
        if arena != Arena::Pool {
            self.machine.write(address, &zero);
        }
        address
    }

    /// Takes the page away that [`System::allocate`] gave.
    pub(crate) fn release(&mut self, address: u64, bytes: u64) {
        let align = self.machine.pointer() * 2;
        let end = address + bytes.next_multiple_of(align);
        let length = bytes
            .next_multiple_of(align)
            .next_multiple_of(PAGE)
            .max(PAGE);
        self.machine.unmap(end - length);
    }

    /// Maps the modules and the page tables as the world has them.
    pub(crate) fn map_modules(&mut self) {
        self.machine.unmap_all(&[Kind::Module, Kind::Tables]);
        self.machine.watch().limits.clear();
        self.machine.watch().modules.clear();
        let large = self.world.paging == Paging::Large;
        for module in Module::ALL {
            let held = self.is_held(module);
            let Some(target) = self.world.module(module) else {
                continue;
            };
            for (first, count, rights) in target.pieces(large) {
                let rights = if held { rights } else { Rights::None };
                let at = index(first * PAGE);
                let bytes = &target.memory[at..at + index(count * PAGE)];
                let start = target.base + first * PAGE;
                self.machine.map(start, count, Kind::Module, rights, bytes);
            }
            let (base, watch) = (target.base, self.machine.watch());
            watch.limits.extend(target.limit());
            watch.modules.push(Watched {
                all: base..base + target.memory.len() as u64,
                readable: target.readable.clone(),
            });
        }
        for (page, bytes) in self.world.tables() {
            self.machine
                .map(page, 1, Kind::Tables, Rights::Read, &bytes);
        }
    }

    /// Whether the driver has a reference to a module's driver object: only then
    /// may it count on the module staying where it is.
    fn is_held(&self, module: Module) -> bool {
        let object = self.kept.objects[slot(module)];
        object != 0 && self.kept.references.contains(&object)
    }

    /// A module's pages can be read and written while it is held, and not any more
    /// after that.
    pub(crate) fn reach(&mut self, module: Module) {
        let held = self.is_held(module);
        let large = self.world.paging == Paging::Large;
        let Some(target) = self.world.module(module) else {
            return;
        };
        for (first, _, rights) in target.pieces(large) {
            let rights = if held { rights } else { Rights::None };
            self.machine.protect(target.base + first * PAGE, rights);
        }
    }

    /// A counted string in a page of its own.
    pub(crate) fn unicode(&mut self, text: &str) -> u64 {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let pointer = self.machine.pointer();
        let length = u16::try_from(bytes.len()).expect("a short name");
        let string = self.allocate(
            Arena::Objects,
            2 * pointer + bytes.len() as u64,
            Rights::Read,
        );
        let lengths = [length.to_le_bytes(), length.to_le_bytes()].concat();
        self.machine.write(string, &lengths);
        self.machine
            .write_word(string + pointer, string + 2 * pointer);
        self.machine.write(string + 2 * pointer, &bytes);
        string
    }

    /// The driver may write there, until it is released.
    pub(crate) fn allow(&mut self, address: u64, bytes: u64) {
        self.machine.watch().writable.push(address..address + bytes);
    }

    /// It may not any more.
    pub(crate) fn disallow(&mut self, address: u64) {
        let writable = &mut self.machine.watch().writable;
        writable.retain(|range| range.start != address);
    }
}
