use crate::BOTH;
use crate::pe::{self, plain_driver};
use checker::{Arch, Kind, check};

#[test]
fn a_driver_that_is_right_is_reported() {
    for arch in BOTH {
        let draft = plain_driver(arch);
        let report = draft.report();
        assert_eq!(report.arch, arch);
        assert_eq!(report.file_size, draft.build().len());
        assert_eq!(report.imports.len(), 5);
        assert_eq!(
            report.imports[1],
            ("ntoskrnl.exe".to_owned(), "IoDeleteDevice".to_owned())
        );
        assert_eq!((report.functions, report.locked_exchanges), (2, 0));
        let (instructions, stack) = match arch {
            Arch::X86 => (8, "8 bytes: 1010 (8)"),
            Arch::X64 => (6, "48 bytes: 1000 (48)"),
        };
        assert_eq!(report.instructions, instructions);
        assert_eq!(report.stack.unwrap().to_string(), stack);
    }
}

#[test]
fn a_program_that_is_right_is_reported() {
    for arch in BOTH {
        let draft = pe::draft(Kind::Program, arch, |code| {
            code.emit(b"\x6A\x00"); // push 0
            code.call_import(0);
            code.emit(b"\xCC"); // int3
        });
        let report = draft.report();
        assert_eq!(report.traps.len(), 1);
        // No table has the number of arguments that ExitProcess removes on x86.
        assert_eq!(report.stack.is_ok(), arch == Arch::X64);
    }
}

#[test]
fn no_damaged_byte_makes_a_check_panic() {
    for arch in BOTH {
        let file = plain_driver(arch).build();
        for (at, &byte) in file.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            for damaged in [byte ^ 0x80, byte.wrapping_add(1)] {
                let mut file = file.clone();
                file[at] = damaged;
                assert!(check(&file, Kind::Driver).is_err(), "{at:X}: {damaged:X}");
                pe::seal(&mut file);
                let _ = check(&file, Kind::Driver);
            }
        }
    }
}

#[test]
fn every_truncated_file_is_refused_without_a_panic() {
    for arch in BOTH {
        let file = plain_driver(arch).build();
        for size in (0..file.len()).step_by(61) {
            assert!(check(&file[..size], Kind::Driver).is_err(), "{size:X}");
        }
    }
}
