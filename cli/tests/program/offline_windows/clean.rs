//! Files that runs left: shown by `status`, removed by `clean`.

use super::killed::killed;
use super::*;

const IN: &str = "WINDOWS/system32/drivers";

/// The states in `clean --json`, by file name.
fn states(files: &Files, options: &[&str]) -> Vec<(String, String)> {
    let run = files.run(&[&["clean", "--root", ".", "--json"], options].concat());
    let left = run.objects().into_iter();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    left.filter_map(|object| {
        let path = text(&object["path"])?;
        let name = path.rsplit(['/', '\\']).next()?.to_owned();
        Some((name, text(&object["state"])?))
    })
    .collect()
}

fn backup_of(content: &[u8]) -> String {
    let hash = specimen::checksum::sha256(content);
    format!("{DRIVERS}.{}.orig", &hash[..16])
}

/// A copy that was patched and restored by hand, and a staged file of a killed run.
fn used() -> Files {
    let (old, six, other) = (xp(), six(), other());
    Files::new()
        .with(DRIVERS, &old)
        .with(SIX, &six)
        .with(&backup_of(&old), &old)
        .with(&backup_of(&other), &other)
        .with(&format!("{DRIVERS}.1.tcplimit-new"), &patched(100))
        .with(&format!("{DRIVERS}.2.tcplimit-new"), &old[..5000])
        .with(&format!("{IN}/tcplimit.lock"), b"")
}

#[test]
fn useless_leftovers_are_shown_then_removed_and_the_rest_stays() {
    let files = used();
    let before = all(&files.path());
    let status = files.run(&["status", "--root", "."]);
    status.ends_with(0);
    status.prints_all([
        "Files left by runs of tcplimit:",
        ".orig: a backup",
        "tcpip.sys.1.tcplimit-new: a staged file",
        "tcplimit.lock: a lock file",
        "tcpip.sys has the same content",
        "this may be the only copy of its build",
        "No longer needed: 4 files. To list and remove: tcplimit clean --root .\n",
    ]);
    if cfg!(unix) {
        status.prints("seconds old");
    }
    let summary = files.run(&["status", "--root", ".", "--json"]).objects();
    let left = summary.last().unwrap()["summary"]["leftovers"].clone();
    let useless = |left: &&serde_json::Value| left["useless"] == true;
    assert_eq!(left.as_array().unwrap().iter().filter(useless).count(), 4);
    assert_eq!(left.as_array().unwrap().len(), 5, "{left}");

    for options in [&[][..], &["--dry-run"]] {
        let shown = files.run(&[&["clean", "--root", "."], options].concat());
        shown.ends_with(0);
        let expected = "5 files: 4 to remove, 1 kept";
        shown.prints(expected);
        let advice = shown.stdout.contains("add --in-place");
        assert_eq!(advice, options.is_empty(), "{}", shown.stdout);
        assert_eq!(all(&files.path()), before);
    }
    let run = files.run(&["clean", "--root", ".", "--in-place"]);
    run.ends_with(0);
    run.prints("5 files: 4 removed, 1 kept");
    let mut names: Vec<_> = fs::read_dir(files.path().join(IN))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let kept = backup_of(&other());
    let kept = kept.rsplit('/').next().unwrap();
    assert_eq!(names, ["tcpip.sys", kept, "tcpip6.sys"]);
    assert_eq!(
        states(&files, &["--in-place"]),
        [(kept.to_owned(), "stays".to_owned())]
    );
}

#[test]
fn the_only_copy_of_a_build_stays_under_any_name() {
    let files = Files::new().with(DRIVERS, &patched(100)).with(SIX, &six());
    let staged = format!("{DRIVERS}.1.tcplimit-new");
    // It is unpatched, and only a patched file is beside it.
    for (content, state) in [
        (xp(), "stays"),
        (other(), "stays"),
        (patched(50), "would-remove"),
    ] {
        let files = Files(tempfile::tempdir().unwrap())
            .with(DRIVERS, &read(&files, DRIVERS))
            .with(&staged, &content);
        let is = states(&files, &[]);
        assert_eq!(
            is,
            [("tcpip.sys.1.tcplimit-new".to_owned(), state.to_owned())]
        );
        files.run(&["clean", "--root", ".", "--in-place"]);
        assert_eq!(files.path().join(&staged).exists(), state == "stays");
    }
}

#[test]
fn a_journal_is_removed_only_when_all_its_files_are_old_or_all_are_new() {
    for (pack, driver, goes) in [
        (xp(), xp(), true),
        (patched(100), patched(100), true),
        (patched(100), xp(), false),
        (xp(), other(), false),
    ] {
        let files = windows();
        killed(&files);
        let files = files.with(PACK, &pack).with(DRIVERS, &driver);
        let before = all(&files.path());
        let run = files.run(&["clean", "--root", ".", "--in-place"]);
        assert_eq!(run.code, i32::from(!goes), "{}{}", run.stdout, run.stderr);
        let is_there = files.path().join("WINDOWS/tcplimit.journal").exists();
        assert_eq!(is_there, !goes, "{}", run.stdout);
        if !goes {
            run.prints("first rolls back");
            assert_eq!(all(&files.path()), before);
            let restore = files.run(&["restore", "--root", ".", "--in-place"]);
            restore.ends_with(0);
        }
        let restored = files.run(&["clean", "--root", ".", "--in-place"]);
        restored.ends_with(0);
        let left = format!("{DRIVERS}.1.tcplimit-new");
        assert!(!files.path().join(left).exists());
    }
    let files = windows().with("WINDOWS/tcplimit.journal", b"mine");
    let run = files.run(&["clean", "--root", ".", "--in-place"]);
    run.ends_with(1);
    run.prints("not a journal of this tcplimit");
    assert_eq!(read(&files, "WINDOWS/tcplimit.journal"), b"mine");
}

#[test]
#[cfg(unix)]
fn nothing_is_removed_during_another_run() {
    let files = used();
    let path = files.path().join(IN).join("tcplimit.lock");
    let held = fs::File::open(path).unwrap();
    held.lock().unwrap();
    let before = all(&files.path());
    for options in [&["--in-place"][..], &[]] {
        let run = files.run(&[&["clean", "--root", "."], options].concat());
        run.ends_with(3);
        run.prints_all(["its run is in progress", "it stays for now: another run"]);
        assert_eq!(all(&files.path()), before);
    }
    drop(held);
    assert_eq!(files.run(&["clean", "--root", ".", "--in-place"]).code, 0);
}

#[test]
fn clean_reports_its_failures() {
    let none = Files::new().with("a/b", b"");
    let clean = ["clean", "--root", "."];
    let run = none.run(&clean);
    run.ends_with(3);
    run.warns("no Windows found");
    let run = none.run(&[&clean[..], &["--windows", "WINNT"]].concat());
    run.ends_with(3);
    run.warns("no Windows folder is named WINNT; it has none");
    let bare = Files::new().with(DRIVERS, &xp());
    let run = bare.run(&clean);
    run.ends_with(0);
    run.prints("no files of earlier runs");
    let two = used().with("WINNT/system32/drivers/tcpip.sys", &xp());
    let before = all(&two.path());
    let run = two.run(&[&clean[..], &["--in-place"]].concat());
    run.ends_with(2);
    let expected = "tcplimit clean --root . --in-place --windows WINNT";
    run.warns(expected);
    assert_eq!(all(&two.path()), before);
    let run = two.run(&[&clean[..], &["--in-place", "--every"]].concat());
    run.ends_with(0);
    run.prints("4 removed");
}
