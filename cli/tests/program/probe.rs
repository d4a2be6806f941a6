//! `probe` on single files.

use specimen::{Defect, Spec};

use crate::{Files, patched, run, xp};

#[test]
fn without_a_path_the_specimen_is_located_and_named() {
    if cfg!(windows) {
        return;
    }
    let probe = run(["probe"]);
    assert_eq!(probe.code, 0);
    assert!(
        probe
            .stdout
            .starts_with("built-in specimen: located, unpatched: the limit is 10")
    );
    assert!(probe.stdout.contains("It is not Microsoft's"));
}

#[test]
fn every_kind_of_driver_is_located_where_it_was_built_as_file_and_as_loaded() {
    for (name, spec) in Spec::presets() {
        let built = spec.build();
        let files = Files::new().with("driver.bin", &built.file);
        let limit = format!("limit        RVA {:X}\n", built.truth.threshold);
        for arguments in [
            ["probe", "driver.bin"].as_slice(),
            &["probe", "driver.bin", "--as-loaded"],
            &["probe", "driver.bin", "--as-loaded=0x80123000"],
        ] {
            let probe = files.run(arguments);
            assert_eq!(probe.code, 0, "{name}: {}", probe.stderr);
            assert!(probe.stdout.contains(&limit), "{name}: {}", probe.stdout);
        }
    }
}

#[test]
fn the_requested_base_is_printed() {
    let files = Files::new().with("tcpip.sys", &xp());
    let probe = files.run(&["probe", "--as-loaded=f7b3c000", "tcpip.sys"]);
    assert!(probe.stdout.contains("as loaded at F7B3C000"));
}

#[test]
fn a_patched_file_is_located_and_its_value_printed() {
    let files = Files::new().with("tcpip.sys", &patched(16_777_214));
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert_eq!(probe.code, 0);
    assert!(
        probe
            .stdout
            .starts_with("tcpip.sys: located, patched: the limit is 16777214\n")
    );
    assert!(
        probe.stdout.contains(", right\n"),
        "patchers mended the checksum"
    );
}

#[test]
fn missing_evidence_is_named_and_the_exit_code_is_1() {
    let spec = Spec {
        defect: Some(Defect::NoQueueTest),
        ..Spec::xp_sp3()
    };
    let files = Files::new().with("tcpip.sys", &spec.build().file);
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    assert!(probe.stdout.starts_with("tcpip.sys: not located\n"));
    assert!(
        probe
            .stdout
            .contains("because      evidence is missing: QueueTest\n")
    );
    assert!(probe.stdout.contains("✗ QueueTest"));
    assert!(probe.stdout.contains("tcplimit explain tcpip.sys"));
}

#[test]
fn files_that_are_no_driver_are_named_by_kind() {
    let files = Files::new()
        .with("text.txt", b"hello")
        .with("empty", b"")
        .with("old.ex_", b"SZDD\x88\xF0\x27\x33A")
        .with("new.ex_", b"KWAJ\x88\xF0\x27\xD1");
    for (name, expected) in [
        ("text.txt", "it does not begin with MZ"),
        ("empty", "the file is empty"),
        ("old.ex_", "expand it first"),
        ("new.ex_", "expand it first"),
    ] {
        let probe = files.run(&["probe", name]);
        assert_eq!(probe.code, 1, "{name}");
        assert!(probe.stdout.contains(expected), "{name}: {}", probe.stdout);
    }
}

#[test]
fn a_program_is_not_searched_even_with_a_drivers_name() {
    let mut file = xp();
    let nt = usize::try_from(u32::from_le_bytes(file[60..64].try_into().unwrap())).unwrap();
    // Subsystem 3: a console program.
    file[nt + 92] = 3;
    let files = Files::new().with("tcpip.sys", &file);
    let probe = files.run(&["probe", "--module", "tcpip", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    assert!(probe.stdout.contains("not a driver"));
}

#[test]
fn an_unsupported_machine_is_named() {
    let mut file = xp();
    let nt = usize::try_from(u32::from_le_bytes(file[60..64].try_into().unwrap())).unwrap();
    // IA-64.
    file[nt + 4..nt + 6].copy_from_slice(&[0, 2]);
    let files = Files::new().with("tcpip.sys", &file);
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    probe.prints("machine 0200h is neither x86 nor x64");
}

#[test]
fn a_value_that_the_driver_does_not_take_is_marked() {
    let files = Files::new().with("tcpip.sys", &patched(0));
    let probe = files.run(&["probe", "tcpip.sys"]);
    assert!(
        probe
            .stdout
            .starts_with("tcpip.sys: located, patched: the limit is 0 (outside 1 to 16777215)\n"),
        "{}",
        probe.stdout
    );
}

#[test]
fn the_suggested_explain_command_repeats_the_options() {
    let spec = Spec {
        defect: Some(Defect::NoQueueTest),
        ..Spec::xp_sp3()
    };
    let files = Files::new().with("my files/a.sys", &spec.build().file);
    let probe = files.run(&[
        "probe",
        "--module",
        "tcpip",
        "--as-loaded=f7b3c000",
        "my files/a.sys",
    ]);
    let quote = if cfg!(windows) { '"' } else { '\'' };
    let command = format!(
        "tcplimit explain --module tcpip --as-loaded=F7B3C000 {quote}my files/a.sys{quote}\n"
    );
    probe.prints(&command);
}

#[test]
fn a_base_without_an_equals_sign_gets_a_hint() {
    let probe = Files::new().run(&["probe", "--as-loaded", "F7A80000"]);
    assert_eq!(probe.code, 3);
    probe.warns("--as-loaded=F7A80000");
}

#[test]
fn a_missing_file_is_an_input_error() {
    let probe = Files::new().run(&["probe", "nothing.sys"]);
    assert_eq!(probe.code, 3);
    assert_eq!(probe.stdout, "");
    assert!(
        probe.stderr.starts_with("tcplimit: nothing.sys: "),
        "{}",
        probe.stderr
    );
}

#[test]
#[cfg(unix)]
fn a_dangling_link_is_an_input_error() {
    let files = Files::new();
    std::os::unix::fs::symlink("nowhere", files.path().join("link")).unwrap();
    let probe = files.run(&["probe", "link"]);
    assert_eq!(probe.code, 3);
    assert!(probe.stderr.contains("link: "));
}

#[test]
fn a_renamed_file_is_recognised_by_its_content() {
    let files = Files::new().with("sample.bin", &Spec::tcpip6_x86().build().file);
    let probe = files.run(&["probe", "sample.bin"]);
    assert_eq!(probe.code, 0);
    assert!(
        probe
            .stdout
            .contains("module       tcpip6.sys 5.1.2600.5512, x86")
    );
}

#[test]
fn names_that_contradict_each_other_need_a_module() {
    let files = Files::new().with("tcpip6.sys", &xp());
    let probe = files.run(&["probe", "tcpip6.sys"]);
    assert_eq!(probe.code, 1);
    assert!(probe.stdout.contains("conflicting names"));
    assert!(
        probe
            .stdout
            .contains("choose one with --module tcpip or --module tcpip6")
    );

    let claimed = files.run(&["probe", "--module", "tcpip", "tcpip6.sys"]);
    assert_eq!(claimed.code, 0);
    assert!(claimed.stdout.contains("overruled by --module"));

    let wrong = files.run(&["probe", "--module", "tcpip6", "tcpip6.sys"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stdout.contains("evidence is missing: NoEventId"));
}

#[test]
fn an_impossible_base_is_a_usage_error() {
    let files = Files::new().with("tcpip.sys", &xp());
    for base in ["1234", "hello", "0", ""] {
        let probe = files.run(&["probe", &format!("--as-loaded={base}"), "tcpip.sys"]);
        assert_eq!(probe.code, 2, "{base}");
        assert!(
            probe.stderr.contains("--as-loaded"),
            "{base}: {}",
            probe.stderr
        );
    }
    // A base for x64, but the file is for x86.
    let probe = files.run(&["probe", "--as-loaded=FFFFFADF90000000", "tcpip.sys"]);
    assert_eq!(probe.code, 2);
    assert!(
        probe
            .stdout
            .contains("an x86 image can't be loaded at FFFFFADF90000000")
    );
    assert_eq!(
        probe.stdout.matches("loaded").count(),
        1,
        "{}",
        probe.stdout
    );
}

#[test]
fn of_several_files_the_worst_decides_the_exit_code() {
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("text.txt", b"hello")
        .with("cut/tcpip.sys", &xp()[..5000]);
    for (paths, code) in [
        (["tcpip.sys", "tcpip.sys"], 0),
        (["tcpip.sys", "text.txt"], 1),
        (["text.txt", "cut/tcpip.sys"], 3),
        (["tcpip.sys", "nothing"], 3),
    ] {
        assert_eq!(
            files.run(&["probe", paths[0], paths[1]]).code,
            code,
            "{paths:?}"
        );
    }
}

#[test]
fn colour_is_used_only_where_it_is_wanted() {
    let files = Files::new().with("tcpip.sys", &xp());
    let coloured = |run: crate::Run| run.stdout.contains('\u{1b}');
    assert!(
        !coloured(files.run(&["probe", "tcpip.sys"])),
        "a pipe is no terminal"
    );
    assert!(coloured(files.run(&[
        "probe",
        "--color",
        "always",
        "tcpip.sys"
    ])));
    let mut forced = crate::program();
    forced
        .args(["probe", "tcpip.sys"])
        .current_dir(files.path())
        .env("CLICOLOR_FORCE", "1");
    assert!(coloured(crate::Run::of(forced.output().unwrap())));
    forced.env("NO_COLOR", "1");
    assert!(!coloured(crate::Run::of(forced.output().unwrap())));
}

#[test]
fn control_characters_in_names_are_escaped() {
    if cfg!(windows) {
        return;
    }
    let files = Files::new().with("\u{1b}[31mred\n.sys", b"hello");
    let probe = files.run(&["probe", "\u{1b}[31mred\n.sys"]);
    assert!(
        probe
            .stdout
            .starts_with("\\u{1b}[31mred\\u{a}.sys: not a PE file")
    );
}

#[test]
fn verbose_explains_each_piece_of_evidence() {
    let files = Files::new().with("tcpip.sys", &xp());
    let probe = files.run(&["probe", "--verbose", "tcpip.sys"]);
    assert!(
        probe
            .stdout
            .contains("✓ TwoGates             two to four places compare")
    );
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_the_program_quietly() {
    use std::process::Stdio;

    let files = Files::new().with("tcpip.sys", &xp());
    let mut command = crate::program();
    // More than the buffer of a pipe.
    command
        .args(["probe", "--json"])
        .args(std::iter::repeat_n("tcpip.sys", 400));
    command
        .current_dir(files.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn an_image_without_relocations_loads_only_at_its_own_base() {
    use specimen::{Extras, ImageBase};

    let spec = Spec {
        image_base: ImageBase(2),
        extras: Extras {
            relocations: false,
            ..Extras::default()
        },
        ..Spec::xp_x64()
    };
    let files = Files::new().with("tcpip.sys", &spec.build().file);
    for (base, at) in [
        ("--as-loaded", "FFFFFADFF7A80000"),
        ("--as-loaded=30000", "30000"),
    ] {
        let probe = files.run(&["probe", base, "tcpip.sys"]);
        assert_eq!(probe.code, 2, "{}", probe.stdout);
        let expected = format!(
            "it has no relocations, so it can't be loaded at {at}, only at its own base, 20000"
        );
        probe.prints(&expected);
    }
    let own = files.run(&["probe", "--as-loaded=20000", "tcpip.sys"]);
    assert_eq!(own.code, 0, "{}", own.stdout);
}
