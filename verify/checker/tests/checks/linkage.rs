use crate::assembler::RET;
use crate::pe::{Draft, RDATA, Thunk, plain_driver};
use crate::{BOTH, pe};
use checker::{Arch, Kind, Violation};
use scanner_core::Rva;

/// A correct driver with one more import.
fn importing(arch: Arch, dll: &'static str, thunk: Thunk) -> Draft {
    let mut draft = plain_driver(arch);
    draft.imports.push((dll, vec![thunk]));
    draft
}

#[test]
fn an_import_from_elsewhere_is_a_violation() {
    for dll in ["win32k.sys", "kernel32.dll", "ntoskrnl.exe.dll"] {
        let draft = importing(Arch::X86, dll, Thunk::Name("IoCreateDevice"));
        assert_eq!(draft.violations(), [Violation::Dll(dll.to_owned())]);
    }
}

#[test]
fn the_case_of_a_file_does_not_matter() {
    importing(Arch::X86, "NTOSKRNL.EXE", Thunk::Name("ZwClose")).report();
}

#[test]
fn an_import_by_ordinal_is_a_violation() {
    for arch in BOTH {
        let draft = importing(arch, "hal.dll", Thunk::Ordinal(7));
        let wrong = Violation::Ordinal {
            dll: "hal.dll".to_owned(),
            ordinal: 7,
        };
        assert_eq!(draft.violations(), [wrong]);
    }
}

#[test]
fn an_import_that_one_system_lacks_is_a_violation() {
    let name = "SetThreadStackGuarantee";
    let program = |name| {
        let mut draft = pe::draft(Kind::Program, Arch::X86, |code| code.emit(RET));
        draft.imports = vec![("kernel32.dll", vec![Thunk::Name(name)])];
        draft
    };
    program("GetLastError").report();
    let wrong = Violation::NotExported {
        dll: "kernel32.dll".to_owned(),
        name: name.to_owned(),
        list: "winxp-sp3-x86.kernel32.dll.txt",
    };
    // Nor is it in the table of allowed imports.
    let unknown = Violation::NotInTable {
        dll: "kernel32.dll".to_owned(),
        name: name.to_owned(),
    };
    assert_eq!(program(name).violations(), [wrong, unknown]);
}

/// Such a driver would load in Wine, but on no Windows XP.
#[test]
fn a_driver_import_that_one_system_lacks_is_a_violation() {
    for (arch, name, lists) in [
        // Server 2003 has it.
        (
            Arch::X86,
            "KeAcquireGuardedMutex",
            &["winxp-sp3-x86.ntoskrnl.exe.txt"][..],
        ),
        // Only Windows on x86 has it.
        (
            Arch::X64,
            "Ke386CallBios",
            &["winxp-x64-sp2.ntoskrnl.exe.txt"],
        ),
        // Vista has it.
        (
            Arch::X86,
            "IoGetDevicePropertyData",
            &[
                "winxp-sp3-x86.ntoskrnl.exe.txt",
                "server2003-sp2-x86.ntoskrnl.exe.txt",
            ],
        ),
    ] {
        let draft = importing(arch, "ntoskrnl.exe", Thunk::Name(name));
        let lacking: Vec<_> = draft
            .violations()
            .into_iter()
            .filter_map(|it| match it {
                Violation::NotExported { name: of, list, .. } => Some((of, list)),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = lists.iter().map(|&list| (name.to_owned(), list)).collect();
        assert_eq!(lacking, expected);
    }
}

#[test]
fn a_program_imports_from_its_three_files_only() {
    for (arch, dll, name, right) in [
        // Windows would search for it beside the program first.
        (Arch::X86, "iphlpapi.dll", "GetTcpStatistics", false),
        (Arch::X64, "ntdll.dll", "RtlGetVersion", true),
        (Arch::X86, "advapi32.dll", "OpenSCManagerW", true),
        (Arch::X86, "ntoskrnl.exe", "ZwClose", false),
        (Arch::X86, "user32.dll", "MessageBoxW", false),
    ] {
        let mut draft = pe::draft(Kind::Program, arch, |code| code.emit(RET));
        draft.imports = vec![(dll, vec![Thunk::Name(name)])];
        assert_eq!(draft.check().is_ok(), right, "{dll}");
    }
}

#[test]
fn an_import_that_is_not_in_the_table_is_a_violation() {
    let draft = importing(
        Arch::X64,
        "ntoskrnl.exe",
        Thunk::Name("IoGetCurrentProcess"),
    );
    let wrong = Violation::NotInTable {
        dll: "ntoskrnl.exe".to_owned(),
        name: "IoGetCurrentProcess".to_owned(),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_program_may_not_import_a_name_outside_its_table() {
    let mut draft = pe::draft(Kind::Program, Arch::X86, |code| code.emit(RET));
    draft.imports = vec![("kernel32.dll", vec![Thunk::Name("IsWow64Process")])];
    let wrong = Violation::NotInTable {
        dll: "kernel32.dll".to_owned(),
        name: "IsWow64Process".to_owned(),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn bound_imports_are_violations() {
    let mut draft = plain_driver(Arch::X86);
    draft.bound = 0xFFFF_FFFF;
    let wrong = Violation::Bound("ntoskrnl.exe".to_owned());
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn an_import_address_table_that_can_be_written_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.sections[1].flags |= 0x8000_0000;
    let slots = (0..5).map(|slot| Violation::WritableImports(Rva(RDATA + slot * 4)));
    assert_eq!(draft.violations(), slots.collect::<Vec<_>>());
}

#[test]
fn a_damaged_import_directory_is_a_violation() {
    for rva in [0x9000, 0x5FFC, 0x100] {
        let mut draft = plain_driver(Arch::X64);
        draft.directories = vec![(1, rva, 40)];
        let violations = draft.violations();
        assert!(matches!(violations[0], Violation::Imports(_)), "{rva:X}");
    }
}
