//! Files that are no driver but may contain one, or only look so, recognized by content.

use std::io::Write;
use std::process::Stdio;

use specimen::Spec;

use crate::cabinet::mszip;
use crate::{Files, Run, program, xp};

/// A disc of zeros that begins as one with this kind of tree.
fn disc(kind: &[u8; 5]) -> Vec<u8> {
    let mut disc = vec![0; 0x9000];
    disc[0x8001..0x8006].copy_from_slice(kind);
    disc
}

#[test]
fn a_disc_image_is_recognized_wherever_it_is_given() {
    let files = Files::new()
        .with("udf.iso", &disc(b"BEA01"))
        .with("tcpip.sys", &disc(b"BEA01"));
    for name in ["udf.iso", "tcpip.sys"] {
        let probe = files.run(&["probe", name]);
        assert_eq!(probe.code, 1);
        let expected = format!("{name}: not opened\n");
        assert!(probe.stdout.starts_with(&expected), "{}", probe.stdout);
        for arguments in [
            ["probe", name].as_slice(),
            &["patch", name],
            &["explain", name],
            &["status", "--root", name],
            &["patch", "--root", name],
        ] {
            let run = files.run(arguments);
            assert_ne!(run.code, 0, "{arguments:?}");
            let output = run.stdout + &run.stderr;
            assert!(
                output.contains("a UDF image of a disc: mount it"),
                "{arguments:?}: {output}"
            );
        }
    }
    let object = &files.run(&["probe", "--json", "udf.iso"]).objects()[0];
    assert_eq!(object["state"], "container");
    // Among the files of a folder it is counted.
    let all = files.run(&["probe", "-r", "."]);
    all.prints("container                   2");
}

#[test]
fn an_iso_image_is_recognized_where_it_is_not_read() {
    let files = Files::new().with("xp.iso", &disc(b"CD001"));
    let run = files.run(&["status", "--root", "xp.iso"]);
    assert_ne!(run.code, 0);
    let output = run.stdout + &run.stderr;
    let expected = "an ISO 9660 image of a disc: probe and patch read it";
    assert!(output.contains(expected), "{output}");
    // There it is damaged: zeros where its volume should be.
    assert_eq!(files.run(&["probe", "xp.iso"]).code, 3);
    assert_eq!(files.run(&["patch", "xp.iso"]).code, 3);
}

#[test]
fn a_hotfix_is_searched_and_patch_explains_how_to_unpack_it() {
    let mut program = xp();
    let nt = usize::try_from(u32::from_le_bytes(program[60..64].try_into().unwrap())).unwrap();
    // The subsystem: 2, a program with windows.
    program[nt + 92] = 2;
    program.extend(mszip(&[("tcpip.sys", &xp())]));
    let files = Files::new().with("KB917953.exe", &program);
    let probe = files.run(&["probe", "KB917953.exe"]);
    assert_eq!(probe.code, 0, "{}", probe.stdout);
    let patch = files.run(&["patch", "KB917953.exe"]);
    patch.prints("cabextract");
}

#[test]
fn standard_input_has_no_file_name() {
    for verb in ["probe", "explain"] {
        let mut command = program();
        command.args([verb, "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&xp()).unwrap();
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{verb}: {}", run.stderr);
        assert!(
            run.stdout.starts_with("-: located, unpatched"),
            "{verb}: {}",
            run.stdout
        );
    }
    let files = Files::new().with("-", &xp());
    assert_eq!(files.run(&["probe", "./-"]).code, 0);
    assert_eq!(files.run(&["probe", "-"]).code, 1, "nothing is piped in");
}

#[test]
fn a_windows_folder_without_root_gets_a_hint() {
    let files = Files::new().with("xp/WINDOWS/system32/drivers/tcpip.sys", &xp());
    let status = files.run(&["status", "xp"]);
    assert_eq!(status.code, 2);
    status.warns("tcplimit status --root xp");
    let file = files.run(&["status", "xp/WINDOWS/system32/drivers/tcpip.sys"]);
    assert_eq!(file.code, 2);
    file.warns("tcplimit probe xp");
    assert!(files.run(&["status"]).stderr.contains("--root"));
}

#[test]
fn a_damaged_driver_is_identified_as_documented() {
    let files = Files::new()
        .with("a/tcpip.sys", &xp()[..5000])
        .with("b/tcpip.sys", &xp()[..100])
        .with("c/tcpip6.sys", &xp());
    for (name, state, sum) in [
        ("a/tcpip.sys", "damaged", true),
        ("b/tcpip.sys", "damaged", false),
        ("c/tcpip6.sys", "conflicting-names", true),
    ] {
        let object = &files.run(&["probe", "--json", name]).objects()[0];
        assert_eq!(object["state"], state, "{name}");
        let content = std::fs::read(files.path().join(name)).unwrap();
        assert_eq!(
            object["sha256"],
            specimen::checksum::sha256(&content),
            "{name}"
        );
        assert_eq!(object["checksum"].is_object(), sum, "{name}");
    }
}

#[test]
fn a_file_of_gigabytes_is_refused_unread() {
    let files = Files::new().with("tcpip.sys", &xp());
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(files.path().join("tcpip.sys"))
        .unwrap();
    // Where nothing is written nothing is stored: a sparse file.
    file.set_len(64 << 30).unwrap();
    let probe = files.run(&["probe", "--json", "tcpip.sys"]);
    assert_eq!(probe.code, 3);
    let object = &probe.objects()[0];
    let reason = object["reason"].as_str().unwrap();
    assert!(reason.contains("too many for a driver"), "{reason}");
    assert!(object["sha256"].is_null());
}

#[test]
fn an_empty_cabinet_and_one_with_trailing_bytes_are_distinguished() {
    let packed = mszip(&[("tcpip.sys", &xp())]);
    let mut longer = packed.clone();
    longer.extend_from_slice(b"a signature");
    let mut empty = packed[..36].to_vec();
    (empty[26], empty[28]) = (0, 0);
    // Its length, and where its members begin.
    for field in [8, 16] {
        empty[field..field + 4].copy_from_slice(&36_u32.to_le_bytes());
    }
    let files = Files::new()
        .with("a/TCPIP.SY_", &longer)
        .with("b/TCPIP.SY_", &empty);
    for (name, expected) in [
        ("a/TCPIP.SY_", "data after the cabinet"),
        ("b/TCPIP.SY_", "a cabinet without members"),
    ] {
        let run = files.run(&["patch", "--in-place", name]);
        assert_eq!(run.code, 1, "{}", run.stdout);
        assert!(run.stdout.contains(expected), "{name}: {}", run.stdout);
    }
    assert_eq!(
        std::fs::read(files.path().join("a/TCPIP.SY_")).unwrap(),
        longer
    );
}

#[test]
fn a_disc_version_suffix_does_not_change_the_name() {
    if cfg!(windows) {
        return;
    }
    let packed = mszip(&[("tcpip.sys", &xp())]);
    let files = Files::new().with("TCPIP.SY_;1", &packed);
    for verb in ["probe", "patch"] {
        let run = files.run(&[verb, "TCPIP.SY_;1"]);
        assert_eq!(run.code, 0, "{verb}: {}", run.stdout);
    }
}

#[test]
fn a_file_that_is_no_driver_gets_no_hint_about_its_name() {
    let files = Files::new().with("letter.txt", b"Dear Sir");
    let run = files.run(&["patch", "letter.txt"]);
    assert_eq!(run.code, 1);
    run.prints("it does not begin with MZ, so it is neither tcpip.sys nor tcpip6.sys");
}

#[test]
fn an_unwritable_output_is_refused_in_advance() {
    let files = Files::new().with("tcpip.sys", &xp());
    let missing = files.run(&["patch", "--output", "no/where.sys", "tcpip.sys"]);
    assert_eq!(missing.code, 2);
    missing.warns("does not exist: create it first");
    if cfg!(unix) {
        let device = files.run(&["patch", "--output", "/dev/null", "tcpip.sys"]);
        assert_eq!(device.code, 2);
        device.warns("omit --output");
    }
}

#[test]
fn a_negative_limit_is_out_of_range_and_not_an_option() {
    for limit in ["-1", "-100"] {
        let run = crate::run(["patch", "--limit", limit, "tcpip.sys"]);
        assert_eq!(run.code, 2);
        run.warns("1..=16777215");
        run.does_not_warn("-- ");
    }
}

#[test]
fn a_build_is_added_outside_a_checkout_with_a_named_manifest() {
    let files = Files::new().with("tcpip.sys", &xp());
    let run = files.run(&["corpus", "add", "tcpip.sys"]);
    assert_eq!(run.code, 3);
    run.warns("--manifest FILE");
    let own = files.run(&["corpus", "add", "--manifest", "my.toml", "tcpip.sys"]);
    assert_eq!(own.code, 0, "{}", own.stderr);
}

#[test]
fn a_windows_in_a_tree_gets_a_hint() {
    let files = Files::new()
        .with("xp/WINDOWS/system32/drivers/tcpip.sys", &xp())
        .with("xp/WINDOWS/$NtUninstallKB917953$/tcpip.sys", &xp())
        .with("setup/i386/tcpip.sys", &Spec::server_2003().build().file);
    let run = files.run(&["patch", "-r", "xp"]);
    assert_eq!(run.code, 0);
    run.warns("tcplimit patch --root xp");
    let json = files.run(&["patch", "-r", "--json", "xp"]).objects();
    let notes = json.last().unwrap()["summary"]["notes"].to_string();
    assert!(notes.contains("--root xp"), "{notes}");
    let setup = files.run(&["patch", "-r", "setup"]);
    setup.does_not_warn("--root");
}
