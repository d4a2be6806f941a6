//! What a run that was killed leaves, and what the next makes of it.

use super::*;
use crate::run_in;

/// The journal of a run that was killed after it had exchanged one copy, the
/// service pack's.
fn killed(files: &Files) {
    let (before, after) = (xp(), patched(100));
    let differ = (0..before.len()).filter(|&at| before[at] != after[at]);
    let bytes: Vec<_> = differ.map(|at| (at, before[at], after[at])).collect();
    let entry = |path: &str| {
        serde_json::json!({
            "path": path,
            "temporary": "tcpip.sys.1.tcplimit-new",
            "before": verify::patching::sha256(&before),
            "after": verify::patching::sha256(&after),
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
fn a_killed_run_is_put_back_by_the_next_and_shown_until_then() {
    let files = windows();
    let untouched = all(&files.path());
    killed(&files);
    let before = all(&files.path());
    let status = files.run(&["status", "--root", "."]);
    assert!(
        status.stdout.contains("an earlier run was interrupted"),
        "{}",
        status.stdout
    );
    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    assert_eq!(objects.last().unwrap()["summary"]["journal_pending"], true);
    let shown = files.run(&["patch", "--root", "."]);
    assert!(
        shown.stderr.contains("puts everything back first"),
        "{}",
        shown.stderr
    );
    assert_eq!(
        all(&files.path()),
        before,
        "nothing was asked to be written"
    );

    // A restore that has nothing else to do.
    let restore = files.run(&["restore", "--root", ".", "--in-place", "--json"]);
    assert_eq!(restore.code, 0, "{}{}", restore.stdout, restore.stderr);
    let summary = &restore.objects().pop().unwrap()["summary"];
    assert_eq!(
        summary["put_back"],
        serde_json::json!(["ServicePackFiles/i386/tcpip.sys"])
    );
    assert_eq!(summary["changed"], 0);
    assert_eq!(all(&files.path()), untouched);

    killed(&files);
    let patch = files.run(&["patch", "--root", ".", "--limit", "30", "--in-place"]);
    assert_eq!(patch.code, 0, "{}{}", patch.stdout, patch.stderr);
    assert!(
        patch.stderr.contains("1 file put back first"),
        "{}",
        patch.stderr
    );
    assert_eq!(limits(&files), expected([30, 10, 30, 30, 30]));
}

#[test]
fn what_a_killed_run_left_is_not_changed_file_by_file() {
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
        assert!(!run.stdout.contains(" changed the limit"), "{}", run.stdout);
        assert_eq!(all(&files.path()), before, "{arguments:?}");
    }
    let within = run_in(&drivers, &["patch", "--in-place", "--json", "tcpip.sys"]);
    assert_eq!(within.objects()[0]["refusal"], "journal-pending");
    assert_eq!(all(&files.path()), before);
    // A copy elsewhere takes nothing away.
    let copy = files.run(&["patch", "--output", "copy.sys", DRIVERS]);
    assert_eq!(copy.code, 0, "{}", copy.stdout);
    assert_eq!(files.run(&["restore", "--root", ".", "--in-place"]).code, 0);
    assert_eq!(files.run(&["patch", "--in-place", DRIVERS]).code, 0);
}

#[test]
fn a_journal_that_is_none_stops_everything() {
    let files = windows().with("WINDOWS/tcplimit.journal", b"mine");
    let before = all(&files.path());
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    assert_eq!(patch.code, 3, "{}{}", patch.stdout, patch.stderr);
    assert!(
        patch.stderr.contains("no journal of this program"),
        "{}",
        patch.stderr
    );
    assert_eq!(all(&files.path()), before);
}

#[test]
#[cfg(unix)]
fn a_run_at_the_same_time_is_waited_for() {
    let files = windows();
    killed(&files);
    let before = all(&files.path());
    let journal = files.path().join("WINDOWS/tcplimit.journal");
    let held = fs::File::open(journal).unwrap();
    held.lock().unwrap();
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    assert_eq!(patch.code, 3, "{}{}", patch.stdout, patch.stderr);
    assert!(
        patch.stderr.contains("another run of tcplimit is at work"),
        "{}",
        patch.stderr
    );
    assert_eq!(all(&files.path()), before);
    drop(held);
    assert_eq!(files.run(&["patch", "--root", ".", "--in-place"]).code, 0);
}
