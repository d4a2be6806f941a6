use crate::BOTH;
use crate::assembler::RET;
use crate::pe::{self, EXTRA, RAW_RDATA, plain_driver};
use checker::{Arch, Kind, Violation};

#[test]
fn a_text_about_the_machine_it_was_built_on_is_a_violation() {
    for (text, unwanted) in [
        ("x /home/somebody", "/home"),
        ("/root", "/root"),
        ("y /work", "/work"),
        ("/users/x", "/Users/"),
        ("/builds/x", "/build"),
        ("/mnt/x", "/mnt/"),
        ("/opt/x", "/opt/"),
        ("/tmp/x", "/tmp/"),
        ("/usr/src", "/usr/"),
        ("/var/x", "/var/"),
        ("d:\\a\\tcplimit", "D:\\a\\"),
        ("c:\\users\\x", "C:\\Users"),
        ("/rustc/", "rustc"),
        ("x.pdb", ".pdb"),
        ("/.cargo/", ".cargo"),
        ("src/main.rs", ".rs"),
        ("panicked at", "panicked"),
    ] {
        for wide in [false, true] {
            let mut draft = plain_driver(Arch::X86);
            draft.extra = if wide {
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            } else {
                text.into()
            };
            let width = if wide { 2 } else { 1 };
            let place = text.to_lowercase().find(&unwanted.to_lowercase()).unwrap();
            let wrong = Violation::Text {
                offset: RAW_RDATA + EXTRA + place * width,
                text: unwanted,
                wide,
            };
            assert_eq!(draft.violations(), [wrong], "{text}");
        }
    }
}

#[test]
fn a_debug_directory_may_only_be_the_reproducible_builds() {
    let mut draft = plain_driver(Arch::X86);
    draft.debug = vec![];
    draft.report();
    draft.debug = vec![16, 2];
    assert_eq!(draft.violations(), [Violation::Debug(2)]);
    draft.debug = vec![13];
    assert_eq!(draft.violations(), [Violation::Debug(13)]);
    draft.directories = vec![(6, 0x9000, 28)];
    assert_eq!(draft.violations(), [Violation::Debug(0)]);
}

#[test]
fn a_missing_version_resource_is_a_violation() {
    for arch in BOTH {
        let mut draft = plain_driver(arch);
        draft.resources.remove(1);
        assert_eq!(draft.violations(), [Violation::NoVersion]);
    }
}

#[test]
fn a_version_resource_without_its_fixed_part_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.resources[1].1[40] = 0;
    assert_eq!(draft.violations(), [Violation::NoVersion]);
}

#[test]
fn a_missing_message_table_is_a_violation() {
    for arch in BOTH {
        let mut draft = plain_driver(arch);
        draft.resources.remove(0);
        assert_eq!(draft.violations(), [Violation::NoMessages]);
    }
}

#[test]
fn an_empty_message_table_is_a_violation() {
    let mut draft = plain_driver(Arch::X86);
    draft.resources[0].1[0] = 0;
    assert_eq!(draft.violations(), [Violation::NoMessages]);
    draft.resources[0].1 = vec![];
    assert_eq!(draft.violations(), [Violation::NoMessages]);
}

#[test]
fn a_file_without_resources_lacks_both() {
    let mut draft = plain_driver(Arch::X86);
    draft.resources = vec![];
    let wrong = [Violation::NoVersion, Violation::NoMessages];
    assert_eq!(draft.violations(), wrong);
}

#[test]
fn a_damaged_resource_directory_is_a_violation() {
    for (rva, size) in [(0x9000, 16), (0x4000, 8)] {
        let mut draft = plain_driver(Arch::X86);
        draft.directories = vec![(2, rva, size)];
        assert!(matches!(draft.violations()[..], [Violation::Resources(_)]));
    }
}

/// A window with a manifest and an icon.
fn plain_window() -> pe::Draft {
    let mut draft = pe::draft(Kind::Window, Arch::X64, |code| code.emit(RET));
    let version = draft.resources.remove(1);
    let manifest = b"Microsoft.Windows.Common-Controls asInvoker".to_vec();
    let icon = [&[0, 0, 1, 0, 1, 0][..], &[0; 14]].concat();
    draft.resources = vec![(14, icon), version, (24, manifest)];
    draft
}

#[test]
fn a_window_needs_its_subsystem_an_icon_and_a_manifest_without_more_rights() {
    plain_window().report();
    let mut draft = plain_window();
    draft.resources.remove(2);
    assert_eq!(draft.violations(), [Violation::NoManifest]);
    let mut draft = plain_window();
    draft.resources[2].1 = b"Microsoft.Windows.Common-Controls requireAdministrator".to_vec();
    assert_eq!(draft.violations(), [Violation::NoManifest]);
    let mut draft = plain_window();
    draft.resources[0].1.pop();
    assert_eq!(draft.violations(), [Violation::NoIcon]);
    let mut draft = plain_window();
    draft.subsystem = 3;
    let wrong = Violation::Subsystem {
        found: 3,
        wanted: 2,
    };
    assert_eq!(draft.violations(), [wrong]);
}
