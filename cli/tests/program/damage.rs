//! `probe` on damaged drivers, and on files that only look damaged.

use specimen::Spec;
use tcplimit::probe::{Options, bytes};
use tcplimit::report::State;

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
fn a_driver_cut_in_its_headers_is_damaged_under_any_name() {
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
    // Relocations right after the short DOS header.
    file[24..26].copy_from_slice(&[0x1E, 0]);
    let files = Files::new().with("old.exe", &file);
    let probe = files.run(&["probe", "old.exe"]);
    assert_eq!(probe.code, 1);
    probe.prints("no PE signature where its header points");
}

#[test]
fn a_damaged_driver_of_a_limited_version_is_never_reported_without_limiter() {
    let mut file = Spec::server_2003().build().file;
    let nt = usize::try_from(u32::from_le_bytes(file[60..64].try_into().unwrap())).unwrap();
    file[nt + 52..nt + 56].copy_from_slice(&[0; 4]);
    let files = Files::new().with("tcpip.sys", &file);
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    assert!(
        probe
            .stdout
            .starts_with("tcpip.sys: not located, wrong checksum\n"),
        "{}",
        probe.stdout
    );
    probe.prints("a damaged file or an unknown build");
    let objects = files.run(&["probe", "--json", "tcpip.sys"]).objects();
    assert_eq!(objects[0]["state"], "not-located");
}

/// Uses the library, since there are many lengths.
#[test]
fn a_driver_cut_at_any_length_is_damaged_and_gets_advice() {
    for (kind, spec) in Spec::presets() {
        let file = spec.build().file;
        let lengths = (2..0x600).chain((0x600..file.len()).step_by(97));
        for length in lengths {
            for name in ["tcpip.sys", "renamed.bin"] {
                let reports = bytes(name, &file[..length], &Options::default());
                let report = reports.first().unwrap();
                let reason = report.reason.as_deref().unwrap_or_default();
                let context = format!("{kind} {name} {length}: {reason}");
                assert_eq!(report.state, State::Damaged, "{context}");
                assert!(
                    reason.contains("take a fresh copy of the file"),
                    "{context}"
                );
            }
        }
    }
}

/// A tcpip.sys that has lost the code of event 4226 and its own names.
fn without_event() -> Spec {
    use specimen::{Defect, Extras};

    Spec {
        defect: Some(Defect::NoEventId),
        extras: Extras {
            export: false,
            version: false,
            ..Extras::default()
        },
        ..Spec::xp_sp3()
    }
}

#[test]
fn a_damaged_tcpip_named_tcpip6_is_not_taken_for_it() {
    let files = Files::new().with("tcpip6.sys", &without_event().build().file);
    let probe = files.run(&["probe", "tcpip6.sys"]);
    assert_eq!(probe.code, 1, "{}", probe.stdout);
    probe.prints_all([
        "tcpip6.sys: not located, unconfirmed name\n",
        "only the file's name says tcpip6.sys, but its count has",
        "18 atomic updates, as in tcpip.sys",
        "--module tcpip6",
    ]);
    let object = &files.run(&["probe", "--json", "tcpip6.sys"]).objects()[0];
    assert_eq!(object["state"], "unconfirmed-name");
    assert!(object["rvas"].is_null() && object["candidate"]["threshold"].is_u64());
    let patch = files.run(&["patch", "--json", "tcpip6.sys"]);
    assert_eq!(patch.code, 1);
    assert_eq!(patch.objects()[0]["refusal"], "unconfirmed-name");
    // --module overrules the doubt.
    let claimed = files.run(&["probe", "--module", "tcpip6", "tcpip6.sys"]);
    assert_eq!(claimed.code, 0, "{}", claimed.stdout);
}

#[test]
fn a_second_witness_confirms_the_name_of_tcpip6() {
    use specimen::Extras;

    for (export, version, atomics, code) in [
        (false, false, 13, 0),
        (false, false, 14, 1),
        (true, false, 18, 0),
        (false, true, 18, 0),
    ] {
        let spec = Spec {
            atomics,
            extras: Extras {
                export,
                version,
                ..Extras::default()
            },
            ..Spec::tcpip6_x86()
        };
        let files = Files::new().with("tcpip6.sys", &spec.build().file);
        let probe = files.run(&["probe", "tcpip6.sys"]);
        assert_eq!(probe.code, code, "{atomics}: {}", probe.stdout);
    }
}

#[test]
fn a_driver_of_nt_3_1_is_too_old_and_not_damaged() {
    let mut file = xp();
    let nt = usize::try_from(u32::from_le_bytes(file[60..64].try_into().unwrap())).unwrap();
    let sections = usize::from(u16::from_le_bytes([file[nt + 6], file[nt + 7]]));
    let table = nt + 24 + usize::from(u16::from_le_bytes([file[nt + 20], file[nt + 21]]));
    for index in 0..sections {
        let size = table + 40 * index + 8;
        file[size..size + 4].fill(0);
    }
    for name in ["tcpip.sys", "afd.sys"] {
        let files = Files::new().with(name, &file);
        let probe = files.run(&["probe", name]);
        assert_eq!(probe.code, 1, "{}", probe.stdout);
        let expected = format!("{name}: too old for a limiter\n");
        assert!(probe.stdout.starts_with(&expected), "{}", probe.stdout);
        let object = &files.run(&["probe", "--json", name]).objects()[0];
        assert_eq!(object["state"], "too-old");
        let patch = files.run(&["patch", name]);
        assert_eq!(patch.code, 1, "{}", patch.stdout);
        // A cut one is still damaged.
        let files = Files::new().with(name, &file[..file.len() - 1]);
        let probe = files.run(&["probe", name]);
        assert_eq!(probe.code, 3, "{}", probe.stdout);
    }
}

#[test]
fn a_wrong_checksum_is_in_the_headline_and_no_failure() {
    use specimen::{Checksum, Extras};

    let with = |checksum, start_up| {
        let spec = Spec {
            start_up,
            extras: Extras {
                checksum,
                ..Extras::default()
            },
            ..Spec::xp_sp3()
        };
        spec.build().file
    };
    for (checksum, start_up, expected) in [
        (Checksum::Correct, 10, "located, unpatched: the limit is 10"),
        (
            Checksum::Wrong,
            10,
            "located, unpatched, wrong checksum: the limit is 10",
        ),
        (
            Checksum::Zero,
            10,
            "located, unpatched, without checksum: the limit is 10",
        ),
        (
            Checksum::Wrong,
            50,
            "located, patched, wrong checksum: the limit is 50",
        ),
    ] {
        let files = Files::new().with("a/tcpip.sys", &with(checksum, start_up));
        // Also in the line for a file in a folder.
        for arguments in [["probe", "a/tcpip.sys"].as_slice(), &["probe", "-r", "a"]] {
            let probe = files.run(arguments);
            assert_eq!(probe.code, 0);
            let expected = format!("tcpip.sys: {expected}");
            assert!(
                probe.stdout.contains(&expected),
                "{expected}: {}",
                probe.stdout
            );
        }
    }
}
