//! A section: what code is live, and what data.

use scanner_core::{Evidence, Reason};

use crate::edit::{driver, dword, put};
use crate::search::{Verdict, in_memory};

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
        assert_eq!(code, Verdict::Refused(Reason::NoGate), "{new:?} {flags:X}");
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
