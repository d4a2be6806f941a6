//! `patch` and `restore` on single files.

mod restore;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs;
use std::path::{Path, PathBuf};

use specimen::{Checksum, Defect, Extras, Spec};

use crate::{Files, Run, patched, run_in, xp};

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The limit, and whether the checksum is correct, as `probe` reports them.
fn state(files: &Files, name: &str) -> (u64, bool) {
    let probe = files.run(&["probe", "--json", "--module", "tcpip", name]);
    let object = &probe.objects()[0];
    let limit = object["start_up"]["value"].as_u64().unwrap();
    (limit, object["checksum"]["ok"].as_bool().unwrap())
}

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

/// The offsets at which two files of the same length differ.
fn differences(one: &[u8], other: &[u8]) -> Vec<usize> {
    assert_eq!(one.len(), other.len());
    (0..one.len()).filter(|&at| one[at] != other[at]).collect()
}

fn refused(run: &Run, because: &str) {
    run.ends_with(1);
    run.prints("refused, left unchanged");
    assert!(run.stdout.contains(because), "{because}: {}", run.stdout);
}

#[test]
fn nothing_is_written_without_a_target() {
    let files = Files::new().with("tcpip.sys", &xp());
    for arguments in [
        ["patch", "tcpip.sys"].as_slice(),
        &["patch", "--dry-run", "tcpip.sys"],
        &["restore", "tcpip.sys"],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        assert_eq!(names(&files.path()), ["tcpip.sys"]);
        assert_eq!(read(&files, "tcpip.sys"), xp());
    }
    let shown = files.run(&["patch", "tcpip.sys"]).stdout;
    assert!(
        shown.starts_with("tcpip.sys: would change the limit from 10 to 100\n"),
        "{shown}"
    );
    assert!(
        shown.contains("0A 00 00 00 -> 64 00 00 00 (10 -> 100)"),
        "{shown}"
    );
    assert!(shown.contains("add --in-place"), "{shown}");
}

#[test]
fn in_place_changes_value_and_checksum_and_keeps_a_backup() {
    for (name, spec) in Spec::presets() {
        let built = spec.build();
        let driver = spec.module.file_name();
        let files = Files::new().with(driver, &built.file);
        let run = files.run(&["patch", "--limit", "16777215", "--in-place", driver]);
        assert_eq!(run.code, 0, "{name}: {}{}", run.stdout, run.stderr);
        let after = read(&files, driver);
        let changed = differences(&built.file, &after);
        assert!((1..=8).contains(&changed.len()), "{name}: {changed:?}");
        let probe = files.run(&["probe", "--json", driver]);
        let object = &probe.objects()[0];
        assert_eq!(object["start_up"]["value"], 16_777_215, "{name}");
        assert_eq!(object["checksum"]["ok"], true, "{name}");

        let all = names(&files.path());
        assert_eq!(all.len(), 2, "{all:?}");
        let backup = all.iter().find(|name| name.ends_with(".orig")).unwrap();
        assert_eq!(read(&files, backup), built.file, "{name}");
    }
}

#[test]
fn the_signature_note_is_printed_only_after_a_change() {
    let files = Files::new().with("tcpip.sys", &xp());
    let has_note = |run: &Run| run.stdout.contains("Consequences:");
    let shown = files.run(&["patch", "tcpip.sys"]);
    assert!(!has_note(&shown));
    assert_eq!(
        shown.stdout.matches("Windows File Protection may").count(),
        1
    );
    let restored = files.run(&["restore", "tcpip.sys"]).stdout;
    assert!(!restored.contains("Windows File Protection"), "{restored}");
    assert!(has_note(&files.run(&["patch", "--in-place", "tcpip.sys"])));
    let again = files.run(&["patch", "--in-place", "tcpip.sys"]);
    assert_eq!(again.code, 0);
    assert!(
        again
            .stdout
            .starts_with("tcpip.sys: nothing to do: the limit is 100\n")
    );
    assert!(!has_note(&again) && !again.stdout.contains("Windows File Protection"));
    let many = |arguments: &[&str]| {
        let objects = files.run(arguments).objects();
        objects.last().unwrap()["summary"]["notes"].clone()
    };
    let notes = many(&["patch", "-r", "--json", "--limit", "7", "."]);
    assert_eq!(notes.as_array().unwrap().len(), 1, "{notes}");
    assert_eq!(many(&["patch", "-r", "--json", "."]), serde_json::json!([]));
}

#[test]
fn nothing_is_written_if_any_named_file_is_missing() {
    let files = Files::new().with("tcpip.sys", &xp());
    for arguments in [
        ["patch", "--in-place", "tcpip.sys", "50"].as_slice(),
        &["patch", "--in-place", "50", "tcpip.sys"],
        &["patch", "-r", "--in-place", "50", "."],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 3, "{arguments:?}: {}", run.stdout);
        run.warns("use --limit 50");
        run.warns("Nothing was done");
        assert_eq!(read(&files, "tcpip.sys"), xp());
    }
    let run = files.run(&["restore", "--json", "tcpip.sys", "50"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    run.does_not_warn("--limit");
    let objects = run.objects();
    assert_eq!((objects.len(), &objects[0]["state"]), (2, &"failed".into()));
    assert_eq!(objects[1]["summary"]["failed"], 1);
}

#[test]
fn output_never_overwrites_another_file() {
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("there.sys", b"mine");
    let run = files.run(&["patch", "--output", "out.sys", "tcpip.sys"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(read(&files, "out.sys"), patched(100));
    run.prints("written to   out.sys");
    // Repeating the run is no conflict.
    let again = files.run(&["patch", "--output", "out.sys", "tcpip.sys"]);
    assert_eq!(again.code, 0);
    assert!(
        again
            .stdout
            .starts_with("tcpip.sys: nothing to do: the changed copy exists\n"),
        "{}",
        again.stdout
    );
    again.does_not_print("written to");
    let there = files.run(&["patch", "--output", "there.sys", "tcpip.sys"]);
    refused(&there, "never overwritten");
    there.does_not_print("written to");
    assert_eq!(read(&files, "there.sys"), b"mine");
    assert_eq!(names(&files.path()), ["out.sys", "tcpip.sys", "there.sys"]);
}

#[test]
fn every_refusal_gives_a_reason_and_leaves_the_file_unchanged() {
    let with = |change: &dyn Fn(&mut Spec)| {
        let mut spec = Spec::xp_sp3();
        change(&mut spec);
        spec.build().file
    };
    let checksum = |checksum| {
        with(&|spec| {
            spec.extras = Extras {
                checksum,
                ..spec.extras
            };
        })
    };
    let nt = usize::try_from(u32::from_le_bytes(xp()[60..64].try_into().unwrap())).unwrap();
    let mut signed = xp();
    // The size of the fifth data directory, with a matching checksum.
    signed[nt + 24 + 96 + 4 * 8 + 4] = 8;
    let sum = specimen::checksum::checksum(&signed, nt + 24 + 64);
    signed[nt + 24 + 64..nt + 24 + 68].copy_from_slice(&sum.to_le_bytes());
    let unrelocated = with(&|spec| spec.extras.relocations = false);
    let vista = with(&|spec| spec.defect = Some(Defect::OneGate));
    let cases: [(&str, Vec<u8>, i32, &str); 11] = [
        ("tcpip.sys", signed, 1, "an embedded signature"),
        (
            "tcpip.sys",
            checksum(Checksum::Zero),
            1,
            "states no checksum",
        ),
        (
            "tcpip.sys",
            checksum(Checksum::Wrong),
            3,
            "states the checksum",
        ),
        (
            "tcpip.sys",
            unrelocated,
            1,
            "evidence is missing: LocalImports, Relocated",
        ),
        (
            "tcpip.sys",
            vista.clone(),
            1,
            "evidence is missing: TwoGates",
        ),
        ("tcpip.sys", vista, 1, "take a fresh copy"),
        (
            "tcpip.sys",
            patched(0),
            1,
            "stores 0, which is not a valid limit",
        ),
        (
            "tcpip.sys",
            patched(0x0100_0000),
            1,
            "which is not a valid limit",
        ),
        ("renamed.sys", xp(), 1, "but its name is not"),
        ("tcpip6.sys", xp(), 1, "choose one with --module"),
        ("SysWOW64/tcpip.sys", xp(), 1, "no driver is loaded"),
    ];
    for (name, content, code, because) in cases {
        let files = Files::new().with(name, &content);
        let run = files.run(&["patch", "--in-place", name]);
        assert_eq!(run.code, code, "{because}: {}", run.stdout);
        run.prints("refused, left unchanged");
        assert!(run.stdout.contains(because), "{because}: {}", run.stdout);
        assert_eq!(read(&files, name), content, "{because}");
        let folder = files.path().join(name);
        assert_eq!(names(folder.parent().unwrap()).len(), 1, "{because}");
    }
}

#[test]
fn a_files_folder_does_not_depend_on_the_path_given() {
    let files = Files::new().with("SysWOW64/drivers/tcpip.sys", &xp());
    let drivers = files.path().join("SysWOW64/drivers");
    for arguments in [
        ["patch", "tcpip.sys"].as_slice(),
        &["patch", "--in-place", "tcpip.sys"],
        &["patch", "--output", "out.sys", "tcpip.sys"],
        &["restore", "tcpip.sys"],
    ] {
        refused(&run_in(&drivers, arguments), "no driver is loaded");
        assert_eq!(names(&drivers), ["tcpip.sys"]);
    }
}

#[test]
fn a_renamed_file_is_patched_when_the_module_is_named() {
    for name in ["renamed.sys", "tcpip6.sys", "SysWOW64/tcpip.sys"] {
        let files = Files::new().with(name, &xp());
        let run = files.run(&["patch", "--module", "tcpip", "--in-place", name]);
        assert_eq!(run.code, 0, "{name}: {}", run.stdout);
        assert_eq!(read(&files, name), patched(100));
        let wrong = files.run(&[
            "patch",
            "--module",
            "tcpip6",
            "--limit",
            "7",
            "--in-place",
            name,
        ]);
        assert_eq!(wrong.code, 1, "{name}");
        assert_eq!(read(&files, name), patched(100));
    }
}

#[test]
fn a_version_without_the_limiter_is_refused() {
    // The version resource states Windows 10, and there are no gates.
    let mut file = Spec {
        defect: Some(Defect::UnsignedJumps),
        ..Spec::xp_x64()
    }
    .build()
    .file;
    let fixed = 0xFEEF_04BD_u32.to_le_bytes();
    let at = file.windows(4).position(|bytes| bytes == fixed).unwrap();
    file[at + 8..at + 12].copy_from_slice(&(10_u32 << 16).to_le_bytes());
    let files = Files::new().with("tcpip.sys", &file);
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    refused(&run, "newer than the limit");
    assert_eq!(read(&files, "tcpip.sys"), file);
}

#[test]
fn only_a_file_without_any_name_may_be_one_of_the_drivers() {
    let built = |export| {
        let extras = Extras {
            export,
            version: false,
            ..Spec::xp_sp3().extras
        };
        let spec = Spec {
            extras,
            ..Spec::xp_sp3()
        };
        spec.build().file
    };
    let (nameless, mut other) = (built(false), built(true));
    let name = b"tcpip.sys\0";
    let at = other.windows(name.len()).position(|bytes| bytes == name);
    other[at.unwrap()..][..5].copy_from_slice(b"other");
    for (content, has_hint) in [(nameless, true), (other, false)] {
        let files = Files::new().with("a.sys", &content);
        let run = files.run(&["patch", "a.sys"]);
        refused(&run, "");
        let hint = "name the file itself, with --module";
        assert_eq!(run.stdout.contains(hint), has_hint, "{}", run.stdout);
    }
}

#[test]
fn a_missing_or_truncated_file_is_an_input_error() {
    let files = Files::new().with("tcpip.sys", &xp()[..5000]);
    let missing = files.run(&["patch", "nothing.sys"]);
    assert_eq!(missing.code, 3);
    missing.does_not_warn("other files");
    let cut = files.run(&["patch", "--in-place", "tcpip.sys"]);
    assert_eq!(cut.code, 3, "{}", cut.stdout);
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
}

#[test]
fn a_foreign_file_with_the_backups_name_is_not_overwritten() {
    let hash = specimen::checksum::sha256(&xp());
    let backup = format!("tcpip.sys.{}.orig", &hash[..16]);
    let files = Files::new().with("tcpip.sys", &xp()).with(&backup, b"mine");
    refused(
        &files.run(&["patch", "tcpip.sys"]),
        "not the backup that its name states",
    );
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    refused(&run, "not the backup that its name states");
    assert_eq!(read(&files, &backup), b"mine");
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn leftovers_of_a_killed_run_do_not_block() {
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("tcpip.sys.1.tcplimit-new", b"half");
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(read(&files, "tcpip.sys"), patched(100));
}

#[test]
fn the_command_line_is_checked_before_anything_else() {
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("a/tcpip.sys", &xp());
    for (arguments, expected) in [
        (["patch"].as_slice(), "FILE"),
        (&["patch", "--limit", "0", "tcpip.sys"], "1..=16777215"),
        (
            &["patch", "--limit", "16777216", "tcpip.sys"],
            "1..=16777215",
        ),
        (
            &["patch", "--in-place", "--dry-run", "tcpip.sys"],
            "--dry-run",
        ),
        (
            &["patch", "--in-place", "--output", "x", "tcpip.sys"],
            "--output",
        ),
        (
            &["patch", "--output", "x", "tcpip.sys", "tcpip.sys"],
            "give one FILE",
        ),
        (&["patch", "--output", "-", "tcpip.sys"], "./-"),
        (&["patch", "--output", "a", "tcpip.sys"], "a is a folder"),
        (&["patch", "--root", "x", "tcpip.sys"], "--root"),
        (&["patch", "--in-place", "a"], "add -r"),
        (&["status"], "--root"),
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(
            run.stderr.contains(expected),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn one_json_object_describes_the_change() {
    let built = Spec::xp_sp3().build();
    let files = Files::new().with("tcpip.sys", &built.file);
    let run = files.run(&["patch", "--json", "--in-place", "tcpip.sys"]);
    let objects = run.objects();
    let [object] = objects.as_slice() else {
        panic!("{objects:?}")
    };
    assert_eq!(object["task"], "patch");
    assert_eq!(object["state"], "changed");
    assert_eq!(object["written"], true);
    assert_eq!(
        object["limit"],
        serde_json::json!({"before": 10, "after": 100})
    );
    let after = read(&files, "tcpip.sys");
    for change in object["changes"].as_array().unwrap() {
        let at = usize::try_from(change["file_offset"].as_u64().unwrap()).unwrap();
        let hex = |bytes: &[u8]| {
            let each: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            each.join(" ")
        };
        assert_eq!(change["before"], hex(&built.file[at..at + 4]));
        assert_eq!(change["after"], hex(&after[at..at + 4]));
    }
    assert_eq!(
        object["sha256"]["before"],
        specimen::checksum::sha256(&built.file)
    );
    assert_eq!(
        object["sha256"]["after"],
        specimen::checksum::sha256(&after)
    );
    let backup = PathBuf::from(object["backup"].as_str().unwrap());
    assert_eq!(fs::read(files.path().join(backup)).unwrap(), built.file);

    let files = Files::new().with("renamed.sys", &xp());
    let run = files.run(&["patch", "--json", "renamed.sys"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.objects()[0]["refusal"], "renamed");
    assert_eq!(run.objects()[0]["written"], false);
}
