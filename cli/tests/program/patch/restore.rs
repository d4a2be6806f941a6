//! `restore`, and which backup it takes.

use super::*;

#[test]
fn what_other_tools_patched_is_patched_and_comes_back_as_it_was() {
    let files = Files::new().with("tcpip.sys", &patched(50));
    let run = files.run(&["patch", "--limit", "70", "--in-place", "tcpip.sys"]);
    assert!(
        run.stdout.contains("the limit from 50 to 70"),
        "{}",
        run.stdout
    );
    assert_eq!(state(&files, "tcpip.sys"), (70, true));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stderr);
    assert_eq!(read(&files, "tcpip.sys"), patched(50));
    // As shipped, when that is asked for.
    let ten = files.run(&["restore", "--without-backup", "--in-place", "tcpip.sys"]);
    assert_eq!(ten.code, 0, "{}", ten.stderr);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn restore_without_a_backup_sets_10() {
    let files = Files::new().with("tcpip.sys", &patched(100));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stderr);
    assert!(
        restore.stdout.contains("no backup was used"),
        "{}",
        restore.stdout
    );
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
}

#[test]
fn a_backup_of_another_build_or_under_a_wrong_name_is_not_taken() {
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with("tcpip.sys.0123456789abcdef.orig", &patched(20));
    let other = Spec {
        seed: 1,
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let hash = verify::patching::sha256(&other);
    let name = format!("tcpip.sys.{}.orig", &hash[..16]);
    let files = files.with(&name, &other);
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn of_several_backups_that_of_10_is_taken_and_otherwise_none() {
    let backup = |value| {
        let file = patched(value);
        let hash = verify::patching::sha256(&file);
        (format!("tcpip.sys.{}.orig", &hash[..16]), file)
    };
    let (twenty, thirty, ten) = (backup(20), backup(30), backup(10));
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with(&twenty.0, &twenty.1)
        .with(&thirty.0, &thirty.1);
    let run = files.run(&["restore", "--in-place", "tcpip.sys"]);
    refused(&run, "several backups fit");
    assert!(run.stdout.contains(&twenty.0) && run.stdout.contains(&thirty.0));
    assert_eq!(read(&files, "tcpip.sys"), patched(100));
    let files = files.with(&ten.0, &ten.1);
    assert_eq!(files.run(&["restore", "--in-place", "tcpip.sys"]).code, 0);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn a_known_build_is_proved_by_its_hash_and_any_other_is_not() {
    let files = Files::new().with("tcpip.sys", &xp());
    let add = files.run(&[
        "corpus",
        "add",
        "--manifest",
        "m.toml",
        "--name",
        "mine",
        "tcpip.sys",
    ]);
    assert_eq!(add.code, 0, "{}", add.stderr);
    files.run(&["patch", "--in-place", "tcpip.sys"]);
    let known = files.run(&["restore", "--manifest", "m.toml", "tcpip.sys"]);
    assert!(
        known.stdout.contains("a known build as shipped: mine"),
        "{}",
        known.stdout
    );
    let unknown = files.run(&["restore", "tcpip.sys"]);
    assert!(unknown.stdout.contains("not proved"), "{}", unknown.stdout);
    // A known build that does not store 10 is not as shipped.
    let odd = Files::new().with("tcpip.sys", &patched(20));
    odd.run(&["corpus", "add", "--manifest", "m.toml", "tcpip.sys"]);
    odd.run(&["patch", "--in-place", "tcpip.sys"]);
    let restore = odd.run(&["restore", "--manifest", "m.toml", "tcpip.sys"]);
    assert!(
        restore.stdout.contains("the limit from 100 to 20"),
        "{}",
        restore.stdout
    );
    assert!(restore.stdout.contains("not proved"), "{}", restore.stdout);
}

/// A file system that keeps no case may give another than it got.
#[test]
fn a_backup_is_known_whatever_the_case_of_its_name() {
    let hash = verify::patching::sha256(&patched(20));
    let name = format!("TCPIP.SYS.{}.ORIG", hash[..16].to_uppercase());
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with(&name, &patched(20));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    assert_eq!(read(&files, "tcpip.sys"), patched(20));
}
