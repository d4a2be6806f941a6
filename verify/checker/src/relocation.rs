//! The base relocations.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, Register};
use object::pe;
use object::read::pe::RelocationBlockIterator;
use scanner_core::Rva;

use super::code::Code;
use super::image::Image;
use super::{Arch, Violation};

/// The relocated addresses.
#[derive(Debug, Default)]
pub(super) struct Relocations {
    /// The RVAs of the fields.
    places: BTreeSet<Rva>,
    /// The addresses in the fields.
    pub(super) targets: Vec<Rva>,
}

/// All relocations, and their violations.
pub(super) fn check(image: &Image<'_>) -> (Relocations, Vec<Violation>) {
    let mut relocations = Relocations::default();
    let mut violations = Vec::new();
    if image.header.characteristics & pe::IMAGE_FILE_RELOCS_STRIPPED.0 != 0 {
        violations.push(Violation::RelocationsStripped);
    }
    let Some((at, size)) = image.directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC) else {
        // Code of x64 that is wholly rip-relative needs none.
        if image.arch == Arch::X86 {
            violations.push(Violation::NoRelocations);
        }
        return (relocations, violations);
    };
    let unreadable = |why: &str| Violation::Relocations(why.to_owned());
    let Some(bytes) = image.bytes(at, size) else {
        violations.push(unreadable("is not in the file"));
        return (relocations, violations);
    };
    let kind = match image.arch {
        Arch::X86 => pe::IMAGE_REL_BASED_HIGHLOW,
        Arch::X64 => pe::IMAGE_REL_BASED_DIR64,
    };
    let mut any = false;
    for block in RelocationBlockIterator::new(bytes) {
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                violations.push(unreadable(&error.to_string()));
                break;
            }
        };
        for relocation in block {
            let at = Rva(relocation.virtual_address);
            if relocation.typ == pe::IMAGE_REL_BASED_ABSOLUTE {
                continue; // padding
            }
            if relocation.typ != kind {
                violations.push(Violation::RelocationType {
                    at,
                    kind: relocation.typ.0,
                });
                continue;
            }
            any = true;
            match image.word_at(at) {
                None => violations.push(Violation::RelocationOutside(at)),
                Some(target) => match image.rva(target) {
                    Some(target) => {
                        relocations.places.insert(at);
                        relocations.targets.push(target);
                    }
                    None => violations.push(Violation::RelocationTarget { at, target }),
                },
            }
        }
    }
    if !any && violations.is_empty() && image.arch == Arch::X86 {
        violations.push(Violation::NoRelocations);
    }
    (relocations, violations)
}

/// Operands of x86 code that refer to the image and are not relocated: correct
/// only at the preferred base. (Immediates are not checked: many numbers are
/// addresses as well.)
pub(super) fn missing(image: &Image<'_>, relocations: &Relocations, code: &Code) -> Vec<Violation> {
    if image.arch != Arch::X86 {
        return Vec::new();
    }
    let operands = code.instructions.iter().filter_map(|(&at, instruction)| {
        let is_direct = instruction.memory_base() == Register::None;
        let target = u64::from(instruction.memory_displacement32());
        if !is_direct || instruction.memory_displ_size() != 4 || image.rva(target).is_none() {
            return None;
        }
        let bytes = image.code(at)?.bytes_from(at)?;
        let mut decoder = Decoder::new(32, bytes, DecoderOptions::NONE);
        let instruction = decoder.decode();
        let offset = decoder
            .get_constant_offsets(&instruction)
            .displacement_offset();
        let at = at.plus(u32::try_from(offset).ok()?)?;
        (!relocations.places.contains(&at)).then_some(Violation::NotRelocated { at, target })
    });
    operands.collect()
}
