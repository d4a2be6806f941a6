//! Sections: live code and live data.

use scanner_core::{Evidence, NotLocatedReason};
use specimen::{Arch, Defect};

use crate::edit::{driver, dword, put};
use crate::search::{Verdict, in_file, in_memory, truth, without};

#[test]
fn by_name_or_by_flag_a_section_is_pageable_or_gone() {
    const DISCARDABLE: u32 = 0x0200_0000;
    const NOT_PAGED: u32 = 0x0800_0000;
    const EXECUTE: u32 = 0x2000_0000;
    const WRITE: u32 = 0x8000_0000;
    let built = driver();
    let table = {
        let nt = dword(&built.file, 0x3C) as usize;
        nt + 24 + usize::from(built.file[nt + 20])
    };
    let changed = |name: &[u8], new: &[u8], flags: u32| {
        let mut driver = built.clone();
        let index = built
            .sections
            .iter()
            .position(|s| s.name.starts_with(name))
            .unwrap();
        let header = table + 40 * index;
        put(&mut driver, header, new);
        let flags = dword(&driver.file, header + 36) ^ flags;
        put(&mut driver, header + 36, &flags.to_le_bytes());
        driver.sections[index].flags = flags;
        in_memory(&driver)
    };
    for (new, flags) in [
        (&b"PAGE"[..], 0),
        (b".eda", 0),
        (b"INIT", 0),
        (b"", NOT_PAGED),
        (b"", DISCARDABLE),
    ] {
        let code = changed(b".text", new, flags);
        assert_eq!(
            code,
            Verdict::Refused(NotLocatedReason::NoGate),
            "{new:?} {flags:X}"
        );
        let data = changed(b".data", new, flags).missing();
        assert_eq!(data, [Evidence::SameDataSection], "{new:?} {flags:X}");
    }
    for flags in [EXECUTE, WRITE] {
        let data = changed(b".data", b"", flags).missing();
        assert!(data.contains(&Evidence::SameDataSection), "{flags:X}");
    }
    let imports = changed(b".rdata", b"", DISCARDABLE).missing();
    let both = [Evidence::AnchoredBase, Evidence::LocalImports];
    assert_eq!(imports, both);
}

/// The gates lie in a second section of live code.
#[test]
fn every_section_of_code_that_stays_is_searched() {
    for built in without(Defect::GatesPageable) {
        let paged = built
            .sections
            .iter()
            .position(|it| it.name.starts_with(b"PAGE"));
        let index = paged.unwrap();
        let nt = dword(&built.file, 0x3C) as usize;
        let table = nt + 24 + usize::from(built.file[nt + 20]);
        let header = table + 40 * index;
        let mut driver = built.clone();
        let flags = dword(&built.file, header + 36) | 0x0800_0000;
        put(&mut driver, header, b"CODE");
        put(&mut driver, header + 36, &flags.to_le_bytes());
        match built.spec.arch {
            Arch::X86 => assert_eq!(in_file(&driver), truth(&driver)),
            // No direct call from there reaches a function of the table.
            Arch::X64 => assert_eq!(in_file(&driver).missing(), [Evidence::LocalFunctions]),
        }
    }
}
