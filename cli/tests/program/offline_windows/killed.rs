//! Recovery from killed runs.

use super::*;
use crate::run_in;

/// The journal of a run killed after it replaced one copy, that of the service
/// pack.
pub(super) fn killed(files: &Files) {
    let (before, after) = (xp(), patched(100));
    let differ = (0..before.len()).filter(|&at| before[at] != after[at]);
    let bytes: Vec<_> = differ.map(|at| (at, before[at], after[at])).collect();
    let entry = |path: &str| {
        serde_json::json!({
            "path": path,
            "temporary": "tcpip.sys.1.tcplimit-new",
            "before": specimen::checksum::sha256(&before),
            "after": specimen::checksum::sha256(&after),
            "bytes": bytes,
        })
    };
    let (pack, drivers) = (
        entry("ServicePackFiles/i386/tcpip.sys"),
        entry("system32/drivers/tcpip.sys"),
    );
    let journal = format!("tcplimit journal 1\n{pack}\n{drivers}\nend 2\n");
    let windows = files.path().join("WINDOWS");
    fs::write(windows.join("tcplimit.journal"), journal).unwrap();
    fs::write(files.path().join(PACK), &after).unwrap();
    let left = windows.join("system32/drivers/tcpip.sys.1.tcplimit-new");
    fs::write(left, &after).unwrap();
}

#[test]
fn a_killed_run_is_rolled_back_by_the_next_and_shown_until_then() {
    let files = windows();
    let untouched = all(&files.path());
    killed(&files);
    // It left its lock file, too.
    fs::write(files.path().join("WINDOWS/tcplimit.lock"), b"").unwrap();
    let before = all(&files.path());
    let status = files.run(&["status", "--root", "."]);
    status.prints("an earlier run was interrupted");
    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    assert_eq!(objects.last().unwrap()["summary"]["journal_pending"], true);
    let shown = files.run(&["patch", "--root", "."]);
    shown.warns("first rolls back its changes");
    assert_eq!(
        all(&files.path()),
        before,
        "nothing was asked to be written"
    );

    // A restore without other work.
    let restore = files.run(&["restore", "--root", ".", "--in-place", "--json"]);
    restore.ends_with(0);
    let summary = &restore.objects().pop().unwrap()["summary"];
    assert_eq!(
        summary["put_back"],
        serde_json::json!(["ServicePackFiles/i386/tcpip.sys"])
    );
    assert_eq!(summary["changed"], 0);
    assert_eq!(all(&files.path()), untouched);

    killed(&files);
    let patch = files.run(&["patch", "--root", ".", "--limit", "30", "--in-place"]);
    patch.ends_with(0);
    patch.warns("1 file rolled back first");
    assert_eq!(limits(&files), expected([30, 10, 30, 30, 30]));
}

#[test]
fn files_of_an_unfinished_transaction_are_not_patched_individually() {
    let files = windows();
    killed(&files);
    let before = all(&files.path());
    let drivers = files.path().join("WINDOWS/system32/drivers");
    for arguments in [
        ["patch", "--in-place", DRIVERS].as_slice(),
        &["patch", DRIVERS],
        &["restore", "--in-place", PACK],
        &["patch", "-r", "--in-place", "."],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 1, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.contains("first run tcplimit patch --root"),
            "{arguments:?}: {}",
            run.stdout
        );
        run.does_not_print(" changed the limit");
        assert_eq!(all(&files.path()), before, "{arguments:?}");
    }
    let within = run_in(&drivers, &["patch", "--in-place", "--json", "tcpip.sys"]);
    assert_eq!(within.objects()[0]["refusal"], "journal-pending");
    assert_eq!(all(&files.path()), before);
    // A copy elsewhere does not prevent the rollback.
    let copy = files.run(&["patch", "--output", "copy.sys", DRIVERS]);
    assert_eq!(copy.code, 0, "{}", copy.stdout);
    assert_eq!(files.run(&["restore", "--root", ".", "--in-place"]).code, 0);
    assert_eq!(files.run(&["patch", "--in-place", DRIVERS]).code, 0);
}

#[test]
fn a_foreign_journal_blocks_everything() {
    let files = windows().with("WINDOWS/tcplimit.journal", b"mine");
    let before = all(&files.path());
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    patch.ends_with(3);
    patch.warns("not a journal of this tcplimit");
    assert_eq!(all(&files.path()), before);
}

/// An update replaced both copies before the next run.
#[test]
fn a_journal_about_files_replaced_since_is_removed() {
    let files = windows();
    killed(&files);
    let update = Spec {
        seed: 9,
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let files = files.with(PACK, &update).with(DRIVERS, &update);
    let status = files.run(&["status", "--root", "."]);
    assert_eq!(
        status
            .stdout
            .matches("changed by another program since; it stays")
            .count(),
        2
    );
    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    let journal = &objects.last().unwrap()["summary"]["journal"];
    assert_eq!(journal.as_array().unwrap().len(), 2, "{journal}");
    assert_eq!(journal[0]["now"], "other");

    let restore = files.run(&["restore", "--root", ".", "--in-place", "--json"]);
    restore.ends_with(0);
    restore.warns("Left unchanged");
    let summary = &restore.objects().pop().unwrap()["summary"];
    assert_eq!(summary["put_back"], serde_json::json!([]));
    assert_eq!(summary["left"].as_array().unwrap().len(), 2, "{summary}");
    assert_eq!(
        (read(&files, PACK), read(&files, DRIVERS)),
        (update.clone(), update)
    );
    assert!(!files.path().join("WINDOWS/tcplimit.journal").exists());
    assert_eq!(files.run(&["patch", "--root", ".", "--in-place"]).code, 0);
    assert_eq!(limits(&files), expected([100, 10, 100, 100, 100]));
}

/// One copy was deleted since.
#[test]
fn a_journal_about_a_missing_file_is_removed() {
    let files = windows();
    killed(&files);
    fs::remove_file(files.path().join(DRIVERS)).unwrap();
    let status = files.run(&["status", "--root", "."]);
    status.prints("system32/drivers/tcpip.sys: removed since");
    let restore = files.run(&["restore", "--root", ".", "--in-place"]);
    restore.ends_with(0);
    assert_eq!(read(&files, PACK), xp());
    assert!(!files.path().join("WINDOWS/tcplimit.journal").exists());
}
