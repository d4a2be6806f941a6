//! The import directory, by which the loader links the file.

use std::collections::BTreeMap;

use object::pe;
use object::read::pe::{Import as Thunk, ImportTable};
use scanner_core::Rva;

use super::image::Image;
use super::{Arch, Kind, Violation, export, import, program};

/// One imported function or variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Linked {
    /// In lower case.
    pub(super) dll: String,
    pub(super) name: String,
}

/// The import of each slot of the import address table.
pub(super) type Slots = BTreeMap<Rva, Linked>;

/// The imports by slot, and their violations.
pub(super) fn check(image: &Image<'_>, kind: Kind) -> (Slots, Vec<Violation>) {
    let mut violations = Vec::new();
    let slots = match image.arch {
        Arch::X86 => read::<pe::ImageNtHeaders32>(image, &mut violations),
        Arch::X64 => read::<pe::ImageNtHeaders64>(image, &mut violations),
    };
    let slots = slots.unwrap_or_else(|error| {
        violations.push(Violation::Imports(error.to_string()));
        Slots::new()
    });
    for (&slot, linked) in &slots {
        violations.extend(of_import(image.arch, kind, linked));
        let section = image.section(slot);
        if section.is_none_or(super::image::Section::is_writable) {
            violations.push(Violation::WritableImports(slot));
        }
    }
    (slots, violations)
}

fn read<Pe: object::read::pe::ImageNtHeaders>(
    image: &Image<'_>,
    violations: &mut Vec<Violation>,
) -> object::Result<Slots> {
    let mut slots = Slots::new();
    let Some((at, _)) = image.directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT) else {
        return Ok(slots);
    };
    // A table without a section is read as an empty one, which `object` refuses.
    let (bytes, start) = image
        .section(at)
        .map_or((&[][..], at), |section| (section.bytes, section.rva));
    let table = ImportTable::new(bytes, start.0, at.0);
    for descriptor in table.descriptors()? {
        let descriptor = descriptor?;
        let name = table.name(descriptor.name.get(LE))?;
        let dll = String::from_utf8_lossy(name).to_ascii_lowercase();
        if descriptor.time_date_stamp.get(LE) != 0 {
            violations.push(Violation::Bound(dll.clone()));
        }
        // The loader writes the addresses over the first thunks and reads the names from the
        // original ones, if there are any.
        let mut slot = Rva(descriptor.first_thunk.get(LE));
        let names = match descriptor.original_first_thunk.get(LE) {
            0 => slot.0,
            original => original,
        };
        let mut thunks = table.thunks(names)?;
        while let Some(thunk) = thunks.next::<Pe>()? {
            match table.import::<Pe>(thunk)? {
                Thunk::Ordinal(ordinal) => violations.push(Violation::Ordinal {
                    dll: dll.clone(),
                    ordinal,
                }),
                Thunk::Name(_, name) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let dll = dll.clone();
                    slots.insert(slot, Linked { dll, name });
                }
            }
            slot = slot.plus(image.word()).unwrap_or(slot);
        }
    }
    Ok(slots)
}

fn of_import(arch: Arch, kind: Kind, linked: &Linked) -> Vec<Violation> {
    let allowed: &[&str] = match kind {
        Kind::Driver => &["ntoskrnl.exe", "hal.dll"],
        Kind::Program => &["kernel32.dll", "advapi32.dll", "ntdll.dll"],
        Kind::Window => &[
            "kernel32.dll",
            "advapi32.dll",
            "ntdll.dll",
            "comctl32.dll",
            "gdi32.dll",
            "shell32.dll",
            "user32.dll",
        ],
    };
    let Linked { dll, name } = linked.clone();
    let missing = export::missing_in(arch, &dll, &name);
    let (true, Some(missing)) = (allowed.contains(&dll.as_str()), missing) else {
        return vec![Violation::Dll(dll)];
    };
    let unknown = match kind {
        Kind::Driver => import::find(&dll, &name).is_none(),
        Kind::Program => !program::may_import(&dll, &name),
        Kind::Window => !program::may_window_import(&dll, &name),
    };
    let mut violations: Vec<_> = missing
        .into_iter()
        .map(|list| Violation::NotExported {
            dll: dll.clone(),
            name: name.clone(),
            list,
        })
        .collect();
    if unknown {
        violations.push(Violation::NotInTable { dll, name });
    }
    violations
}

const LE: object::LittleEndian = object::LittleEndian;
