//! `patch`, `restore` and `status` with `--root`: the copies in a Windows.

mod clean;
mod damaged;
mod installation;
mod killed;

use std::fs;
use std::path::Path;

use specimen::Spec;

use crate::cabinet::mszip;
use crate::{Files, patched, xp};

const DRIVERS: &str = "WINDOWS/system32/drivers/tcpip.sys";
const CACHE: &str = "WINDOWS/System32/DLLCACHE/TCPIP.SYS";
const SIX: &str = "WINDOWS/system32/drivers/tcpip6.sys";
const PACK: &str = "WINDOWS/ServicePackFiles/i386/tcpip.sys";
const CAB: &str = "WINDOWS/Driver Cache/i386/sp3.cab";

fn six() -> Vec<u8> {
    Spec::tcpip6_x86().build().file
}

/// An installed Windows. The copy of Windows File Protection is of another build.
fn windows() -> Files {
    Files::new()
        .with("boot.ini", b"")
        .with(DRIVERS, &xp())
        .with(SIX, &six())
        .with(CACHE, &other())
        .with(PACK, &xp())
        .with(CAB, &mszip(&[("afd.sys", b"x"), ("tcpip.sys", &xp())]))
        .with(
            "WINDOWS/Driver Cache/i386/driver.cab",
            &mszip(&[("afd.sys", b"x")]),
        )
}

fn other() -> Vec<u8> {
    Spec {
        seed: 7,
        ..Spec::xp_sp3()
    }
    .build()
    .file
}

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

/// Every file below a folder, with its content.
fn all(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => all.push((path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    all.sort();
    all
}

/// The limit of each copy, by role, in the order of `status`.
fn limits(files: &Files) -> Vec<(String, Option<u64>)> {
    let status = files.run(&["status", "--root", ".", "--json"]);
    let copies = status
        .objects()
        .into_iter()
        .filter(|object| object["role"].is_string());
    copies
        .map(|object| {
            (
                object["role"].as_str().unwrap().to_owned(),
                object["limit"].as_u64(),
            )
        })
        .collect()
}

fn expected(limits: [u64; 5]) -> Vec<(String, Option<u64>)> {
    let roles = [
        "service-pack",
        "driver-cache",
        "dllcache",
        "loaded",
        "loaded",
    ];
    let pairs = roles.iter().zip(limits);
    pairs
        .map(|(role, limit)| ((*role).to_owned(), Some(limit)))
        .collect()
}

#[test]
fn all_copies_are_patched_together_and_restored_exactly() {
    let files = windows();
    let before = all(&files.path());
    let shown = files.run(&["patch", "--root", "."]);
    shown.ends_with(0);
    assert_eq!(
        shown
            .stdout
            .matches("would change the limit from 10 to 100")
            .count(),
        4
    );
    shown.prints("Nothing was written");
    shown.does_not_warn("A copy is refused");
    assert_eq!(all(&files.path()), before);

    let patch = files.run(&["patch", "--root", ".", "--limit", "77", "--in-place"]);
    patch.ends_with(0);
    patch.prints("4 files: 4 changed");
    assert!(patch.stdout.contains("Windows File Protection"));
    patch.prints("sp3.cab: not rewritten");
    patch.does_not_print("driver.cab");
    assert_eq!(read(&files, DRIVERS), patched(77));
    assert_eq!(limits(&files), expected([77, 10, 77, 77, 77]));
    assert!(!files.path().join("WINDOWS/tcplimit.journal").exists());

    let restore = files.run(&["restore", "--root", ".", "--in-place"]);
    restore.ends_with(0);
    assert_eq!(limits(&files), expected([10; 5]));
    let mut after = all(&files.path());
    after.retain(|(name, _)| !name.ends_with(".orig"));
    assert_eq!(after, before);
}

#[test]
fn one_refused_copy_leaves_all_unchanged() {
    let files = windows().with(CACHE, &patched(0));
    let before = all(&files.path());
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    patch.ends_with(1);
    patch.prints("which is not a valid limit");
    patch.warns("so none is changed: all copies change together");
    patch.prints("4 files: 0 changed, 0 to change, 0 already correct, 1 refused, 3 not changed");
    assert_eq!(all(&files.path()), before);
    for target in ["--in-place", "--dry-run"] {
        let objects = files
            .run(&["patch", "--root", ".", target, "--json"])
            .objects();
        assert_eq!(
            states(&objects),
            ["cabinet", "not-done", "refused", "not-done", "not-done"]
        );
        assert!(objects[1]["reason"].as_str().unwrap().contains("together"));
        let summary = &objects.last().unwrap()["summary"];
        assert_eq!(summary["not_done"], 3);
        assert_eq!(summary["would_change"], 0);
        assert_eq!(summary["refused"], 1);
        assert_eq!(summary["exit_code"], 1);
    }
}

/// The state of each copy, in the order of the output.
fn states(objects: &[serde_json::Value]) -> Vec<&str> {
    let states = objects.iter().map(|object| object["state"].as_str());
    states.flatten().collect()
}

#[test]
fn a_failed_run_reports_every_copy_as_failed() {
    let files = windows();
    let before = all(&files.path());
    // All names for temporary files exist.
    let drivers = files.path().join("WINDOWS/system32/drivers");
    for number in 1..=100 {
        fs::create_dir(drivers.join(format!("tcpip.sys.{number}.tcplimit-new"))).unwrap();
    }
    let run = files.run(&["patch", "--root", ".", "--in-place", "--json"]);
    run.ends_with(3);
    let objects = run.objects();
    assert_eq!(
        states(&objects),
        ["cabinet", "failed", "failed", "failed", "failed"]
    );
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["failed"], 4);
    assert_eq!(summary["would_change"], 0);
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(all(&files.path()), before);
}

#[test]
fn status_lists_each_copy_and_writes_nothing() {
    let files = windows();
    files.run(&["patch", "--root", ".", "--in-place"]);
    let before = all(&files.path());
    let status = files.run(&["status", "--root", "WINDOWS"]);
    status.ends_with(0);
    status.prints_all([
        "tcpip.sys: located, patched: the limit is 100 at RVA",
        "loaded by Windows",
        "restored by Windows File Protection",
        "sp3.cab/tcpip.sys: located, unpatched",
        ".orig",
    ]);
    assert!(!status.stdout.contains("interrupted"));
    assert_eq!(all(&files.path()), before);

    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    assert_eq!(objects.len(), 6);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["copies"], 4);
    assert_eq!(summary["journal_pending"], false);
    let backed_up = |object: &&serde_json::Value| {
        object["backups"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    };
    assert_eq!(objects.iter().filter(backed_up).count(), 4);

    let broken = windows().with(DRIVERS, b"MZ");
    assert_eq!(broken.run(&["status", "--root", "."]).code, 3);
    let none = Files::new().with("WINDOWS/system32/drivers/x", b"");
    let status = none.run(&["status", "--root", "."]);
    assert_eq!(status.code, 1);
    assert!(
        status
            .stdout
            .contains("found neither tcpip.sys nor tcpip6.sys")
    );
    assert_eq!(none.run(&["patch", "--root", "."]).code, 1);
    assert_eq!(Files::new().run(&["status", "--root", "."]).code, 3);
    assert_eq!(Files::new().run(&["patch", "--root", "."]).code, 3);
}

#[test]
fn compressed_copies_and_cabinets_are_listed_in_every_source_folder() {
    let packed = mszip(&[("tcpip.sys", &xp())]);
    let large = mszip(&[("afd.sys", b"x"), ("tcpip.sys", &xp())]);
    let files = windows()
        .with("WINDOWS/ServicePackFiles/i386/sp2.cab", &large)
        .with("WINDOWS/ServicePackFiles/i386/TCPIP.SY_", &packed)
        .with("WINDOWS/Driver Cache/i386/tcpip.sy_", &packed)
        .with("WINDOWS/Driver Cache/i386/bad.cab", b"MSCF");
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    patch.ends_with(3);
    patch.prints_all([
        "sp2.cab: not rewritten",
        "sp3.cab: not rewritten",
        "TCPIP.SY_: not rewritten",
        "tcpip.sy_: not rewritten",
        "for this one alone: tcplimit patch --in-place",
        "bad.cab can't be opened",
        "5 files: 4 changed, 0 to change, 0 already correct, 1 failed; 4 cabinets with",
    ]);
    assert_eq!(read(&files, "WINDOWS/Driver Cache/i386/tcpip.sy_"), packed);
    let status = files.run(&["status", "--root", "."]);
    status.ends_with(3);
    status.prints_all([
        "sp2.cab/tcpip.sys: located, unpatched",
        "TCPIP.SY_/tcpip.sys: located, unpatched",
        "tcpip.sy_/tcpip.sys: located, unpatched",
        "it can't be opened",
    ]);
}

#[test]
fn the_summary_gives_the_reason_when_nothing_was_done() {
    let none = Files::new()
        .with("WINDOWS/system32/drivers/x", b"")
        .with("a/b", b"");
    let files = windows().with("WINDOWS/tcplimit.journal", b"mine");
    for (files, arguments, expected) in [
        (&none, ["patch", "--root", "nowhere"].as_slice(), "nowhere"),
        (&none, &["patch", "--root", "a"], "no Windows found"),
        (&none, &["restore", "--root", "."], "nor tcpip6.sys"),
        (&none, &["patch", "-r", "a"], "compressed or not"),
        (&none, &["status", "--root", "nowhere"], "nowhere"),
        (&none, &["status", "--root", "a"], "no Windows found"),
        (
            &files,
            &["patch", "--root", ".", "--in-place"],
            "not a journal of this",
        ),
    ] {
        let run = files.run(&[arguments, &["--json"]].concat());
        let objects = run.objects();
        assert_eq!(objects.len(), 1, "{arguments:?}: {}", run.stdout);
        let summary = &objects[0]["summary"];
        assert_eq!(summary["exit_code"], run.code, "{arguments:?}");
        assert_ne!(run.code, 0, "{arguments:?}");
        let reason = summary["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{arguments:?}: {reason}");
    }
    let shown = files.run(&["patch", "--root", ".", "--json"]).objects();
    let notes = shown.last().unwrap()["summary"]["notes"].to_string();
    assert!(notes.contains("first rolls back its changes"), "{notes}");
    assert!(notes.contains("Windows File Protection"), "{notes}");
}
