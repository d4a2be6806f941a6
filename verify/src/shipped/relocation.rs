//! The base relocations.

use object::pe;
use object::read::pe::RelocationBlockIterator;
use scanner_core::Rva;

use super::image::Image;
use super::{Arch, Violation};

/// The targets of all relocations, and what is wrong with them.
pub(super) fn check(image: &Image<'_>) -> (Vec<Rva>, Vec<Violation>) {
    let mut targets = Vec::new();
    let mut violations = Vec::new();
    if image.header.characteristics & pe::IMAGE_FILE_RELOCS_STRIPPED.0 != 0 {
        violations.push(Violation::RelocationsStripped);
    }
    let Some((at, size)) = image.directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC) else {
        // Code of x64 that is wholly rip-relative needs none.
        if image.arch == Arch::X86 {
            violations.push(Violation::NoRelocations);
        }
        return (targets, violations);
    };
    let unreadable = |why: &str| Violation::Relocations(why.to_owned());
    let Some(bytes) = image.bytes(at, size) else {
        violations.push(unreadable("is not in the file"));
        return (targets, violations);
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
                    Some(target) => targets.push(target),
                    None => violations.push(Violation::RelocationTarget { at, target }),
                },
            }
        }
    }
    if !any && violations.is_empty() && image.arch == Arch::X86 {
        violations.push(Violation::NoRelocations);
    }
    (targets, violations)
}
