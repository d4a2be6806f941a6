use crate::BOTH;
use crate::assembler::{RET, RET_8};
use crate::pe::{BASE, DATA, RELOC, TEXT, plain_driver, word};
use checker::{Arch, Violation};
use scanner_core::Rva;

const READ_WRITE_EXECUTE: u32 = 0xE000_0020;

#[test]
fn writable_code_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[0].flags = READ_WRITE_EXECUTE;
    let wrong = Violation::WritableCode {
        section: ".text".to_owned(),
        at: Rva(TEXT),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_discardable_section_other_than_relocations_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[2].flags |= 0x0200_0000;
    let wrong = Violation::Discardable {
        section: ".data".to_owned(),
        at: Rva(DATA),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_section_that_is_pageable_by_name_is_a_violation() {
    for name in [
        b"PAGE\0\0\0\0",
        b"PAGELK\0\0",
        b".edata\0\0",
        b"INIT\0\0\0\0",
    ] {
        let mut draft = plain_driver(Arch::X64);
        draft.sections[0].name = name;
        let violations = draft.violations();
        assert!(
            matches!(violations[..], [Violation::Pageable { at: Rva(TEXT), .. }]),
            "{violations:?}"
        );
    }
}

#[test]
fn an_entry_point_outside_code_is_a_violation() {
    for entry in [DATA, 0x9000, 0] {
        let mut draft = plain_driver(Arch::X86);
        draft.entry = entry;
        // The beginning of .text is still a root, since a pointer leads there.
        assert_eq!(draft.violations(), [Violation::Entry(Rva(entry))]);
    }
}

#[test]
fn sections_that_do_not_follow_each_other_are_violations() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[2].virtual_size = 0x800;
    draft.report();
    draft.sections[2].virtual_size = 0x1001;
    let violations = draft.violations();
    // So the resources are not found.
    assert!(
        matches!(&violations[0], Violation::Layout { section, .. } if section == ".rsrc"),
        "{violations:?}"
    );
}

#[test]
fn a_section_that_is_not_in_the_file_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[4].virtual_size = 0x3000;
    draft.sections[4].raw_size = 0x3000;
    let violations = draft.violations();
    assert!(matches!(&violations[..], [Violation::Layout { section, .. }] if section == ".reloc"));
}

#[test]
fn a_section_that_is_not_aligned_in_the_file_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[2].raw_size = 0xFFE;
    let violations = draft.violations();
    assert!(matches!(&violations[..], [Violation::Layout { section, .. }] if section == ".data"));
}

#[test]
fn stripped_relocations_are_violations() {
    for arch in BOTH {
        let mut draft = plain_driver(arch);
        draft.characteristics |= 1;
        assert_eq!(draft.violations(), [Violation::RelocationsStripped]);
    }
}

#[test]
fn x86_without_relocations_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.directories = vec![(5, 0, 0)];
    let mut violations = draft.violations();
    assert_eq!(violations.remove(0), Violation::NoRelocations);
    violations.retain(|it| !matches!(it, Violation::NotRelocated { .. }));
    // The unload routine is reached by a relocation only.
    assert!(matches!(violations[..], [Violation::Unreached { .. }]));
}

/// At any other base it would call through another driver's memory.
#[test]
fn an_address_in_code_that_is_not_relocated_is_a_violation() {
    let mut draft = crate::pe::driver(Arch::X86, |code| {
        code.call_import(crate::pe::DBG_PRINT); // FF 15, then the address
        code.emit(RET_8);
    });
    draft.report();
    draft.relocates_code = false;
    let violations = draft.violations();
    assert!(
        matches!(
            violations[..],
            [Violation::NotRelocated {
                at: Rva(0x1002),
                ..
            }]
        ),
        "{violations:?}"
    );
}

#[test]
fn x64_needs_no_relocations() {
    let mut draft = crate::pe::driver(Arch::X64, |code| code.emit(RET));
    draft.directories = vec![(5, 0, 0)];
    draft.report();
}

#[test]
fn a_relocation_of_another_type_is_a_violation() {
    for (arch, kind) in [(Arch::X86, 10), (Arch::X64, 3), (Arch::X86, 2)] {
        let mut draft = plain_driver(arch);
        let at = DATA + 0x100;
        draft.relocations = vec![(at, kind)];
        let at = Rva(at);
        assert_eq!(draft.violations(), [Violation::RelocationType { at, kind }]);
    }
}

#[test]
fn a_relocation_outside_the_file_is_a_violation() {
    for arch in BOTH {
        let kind = if arch == Arch::X86 { 3 } else { 10 };
        for at in [0x100, 0x9000, DATA + 0xFFF] {
            let mut draft = plain_driver(arch);
            draft.relocations = vec![(at, kind)];
            assert_eq!(draft.violations(), [Violation::RelocationOutside(Rva(at))]);
        }
    }
}

#[test]
fn a_relocated_address_outside_the_image_is_a_violation() {
    for arch in BOTH {
        for target in [BASE - 1, BASE + 0x6000] {
            let mut draft = plain_driver(arch);
            let at = Rva(DATA + word(arch) * 2);
            draft.pointers.push(target);
            let wrong = Violation::RelocationTarget { at, target };
            assert_eq!(draft.violations(), [wrong]);
        }
    }
}

#[test]
fn a_damaged_relocation_directory_is_a_violation() {
    let mut draft = plain_driver(Arch::X64);
    draft.directories = vec![(5, RELOC, 10)];
    let violations = draft.violations();
    assert!(matches!(violations[0], Violation::Relocations(_)));
    draft.directories = vec![(5, 0x9000, 12)];
    let violations = draft.violations();
    assert!(matches!(violations[0], Violation::Relocations(_)));
}
