use crate::BOTH;
use crate::assembler::RET_8;
use crate::pe::{self, plain_driver, seal};
use checker::{Arch, Kind, LARGEST_DRIVER, LARGEST_PROGRAM, Violation, check};

#[test]
fn a_machine_that_is_neither_x86_nor_x64_is_a_violation() {
    let mut draft = plain_driver(Arch::X64);
    draft.machine = 0xAA64;
    assert_eq!(draft.violations(), [Violation::Machine(0xAA64)]);
}

#[test]
fn a_machine_with_the_other_ones_header_is_unreadable() {
    let mut draft = plain_driver(Arch::X64);
    draft.machine = 0x14C;
    assert!(matches!(draft.violations()[..], [Violation::Unreadable(_)]));
    assert!(check(b"MZ", Kind::Driver).is_err());
    assert!(check(b"", Kind::Driver).is_err());
}

#[test]
fn a_dll_is_a_violation() {
    for characteristics in [0x2102, 0x0100] {
        let mut draft = plain_driver(Arch::X86);
        draft.characteristics = characteristics;
        let violations = draft.violations();
        assert_eq!(violations, [Violation::Characteristics(characteristics)]);
    }
}

#[test]
fn another_subsystem_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.subsystem = 10;
    let (found, wanted) = (10, 1);
    assert_eq!(draft.violations(), [Violation::Subsystem { found, wanted }]);
}

#[test]
fn another_subsystem_version_is_a_violation() {
    for (arch, wanted) in BOTH.into_iter().zip([(5, 1), (5, 2)]) {
        for found in [(6, 0), (5, 0)] {
            let mut draft = plain_driver(arch);
            draft.subsystem_version = found;
            let wrong = Violation::SubsystemVersion { found, wanted };
            assert_eq!(draft.violations(), [wrong]);
        }
    }
}

#[test]
fn a_later_operating_system_version_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.system_version = (4, 0);
    draft.report();
    draft.system_version = (5, 2);
    let (found, most) = ((5, 2), (5, 1));
    assert_eq!(
        draft.violations(),
        [Violation::SystemVersion { found, most }]
    );
}

#[test]
fn a_missing_or_wrong_checksum_is_a_violation() {
    for arch in BOTH {
        let mut file = plain_driver(arch).build();
        let at = 0x80 + 24 + 64;
        let right = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        for found in [0, right + 1] {
            file[at..at + 4].copy_from_slice(&found.to_le_bytes());
            let wrong = Violation::Checksum { found, right };
            assert_eq!(check(&file, Kind::Driver), Err(vec![wrong]));
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_a_violation() {
    for (kind, largest) in [
        (Kind::Driver, LARGEST_DRIVER),
        (Kind::Program, LARGEST_PROGRAM),
    ] {
        let mut file = pe::draft(kind, Arch::X86, |code| code.emit(RET_8)).build();
        file.resize(largest - 2, 0);
        seal(&mut file);
        assert!(check(&file, kind).is_ok());
        file.resize(largest, 0);
        seal(&mut file);
        let wrong = Violation::TooLarge {
            bytes: largest,
            most: largest - 1,
        };
        assert_eq!(check(&file, kind), Err(vec![wrong]));
    }
}

#[test]
fn unexpected_directories_are_violations() {
    // Export, TLS, load configuration, bound import, delay import, CLR header.
    for index in [0, 9, 10, 11, 13, 14] {
        let mut draft = plain_driver(Arch::X86);
        draft.directories = vec![(index, 0x2A00, 8)];
        assert_eq!(draft.violations(), [Violation::Directory(index)]);
    }
}

#[test]
fn x86_has_no_table_of_functions() {
    let mut draft = plain_driver(Arch::X86);
    draft.directories = vec![(3, 0x2A00, 12)];
    assert_eq!(draft.violations(), [Violation::Directory(3)]);
}
