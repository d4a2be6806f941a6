//! `probe` on drivers that are damaged, and on what only looks so.

use tcplimit::probe::{Options, bytes};
use tcplimit::report::State;
use verify::specimen::Spec;

use crate::{Files, xp};

#[test]
fn a_driver_cut_anywhere_is_damaged_and_the_exit_code_is_3() {
    let file = xp();
    for length in [0, 2, 100, 0x200, 5000, file.len() / 2] {
        let files = Files::new().with("tcpip.sys", &file[..length]);
        let probe = files.run(&["probe", "tcpip.sys"]);
        assert_eq!(probe.code, 3, "{length}: {}", probe.stdout);
        assert!(
            probe.stdout.starts_with("tcpip.sys: damaged"),
            "{length}: {}",
            probe.stdout
        );
        assert!(
            probe.stdout.contains("take a fresh copy of the file"),
            "{length}: {}",
            probe.stdout
        );
    }
}

#[test]
fn what_begins_like_a_driver_and_is_cut_in_its_headers_is_damaged_under_any_name() {
    let file = xp();
    for length in [2, 63, 64, 100, 0x100, 0x200] {
        let files = Files::new().with("renamed.bin", &file[..length]);
        let probe = files.run(&["probe", "renamed.bin"]);
        assert_eq!(probe.code, 3, "{length}: {}", probe.stdout);
        assert!(
            probe.stdout.starts_with("renamed.bin: damaged"),
            "{length}: {}",
            probe.stdout
        );
    }
}

#[test]
fn a_program_for_dos_is_no_pe_file_and_not_damaged() {
    let mut file = vec![0xFF; 100];
    file[..2].copy_from_slice(b"MZ");
    // Relocations right behind the short header of DOS.
    file[24..26].copy_from_slice(&[0x1E, 0]);
    let files = Files::new().with("old.exe", &file);
    let probe = files.run(&["probe", "old.exe"]);
    assert_eq!(probe.code, 1);
    assert!(
        probe
            .stdout
            .contains("no PE signature where its header points"),
        "{}",
        probe.stdout
    );
}

#[test]
fn a_damaged_driver_of_the_limiters_time_is_never_said_to_have_no_limiter() {
    let mut file = Spec::server_2003().build().file;
    let nt = usize::try_from(u32::from_le_bytes(file[60..64].try_into().unwrap())).unwrap();
    file[nt + 52..nt + 56].copy_from_slice(&[0; 4]);
    let files = Files::new().with("tcpip.sys", &file);
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    assert!(
        probe.stdout.starts_with("tcpip.sys: not located\n"),
        "{}",
        probe.stdout
    );
    assert!(
        probe
            .stdout
            .contains("damaged, or built in a way this program does not know"),
        "{}",
        probe.stdout
    );
    let objects = files.run(&["probe", "--json", "tcpip.sys"]).objects();
    assert_eq!(objects[0]["state"], "not-located");
}

/// By way of the library: there are many lengths.
#[test]
fn at_every_length_a_cut_driver_is_damaged_and_what_to_do_is_told() {
    for (kind, spec) in Spec::kinds() {
        let file = spec.build().file;
        let lengths = (2..0x600).chain((0x600..file.len()).step_by(97));
        for length in lengths {
            for name in ["tcpip.sys", "renamed.bin"] {
                let reports = bytes(name, &file[..length], &Options::default());
                let report = reports.first().unwrap();
                let reason = report.reason.as_deref().unwrap_or_default();
                let told = format!("{kind} {name} {length}: {reason}");
                assert_eq!(report.state, State::Damaged, "{told}");
                assert!(reason.contains("take a fresh copy of the file"), "{told}");
            }
        }
    }
}
