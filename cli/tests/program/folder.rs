//! `probe -r`.

use crate::{Files, patched, xp};

fn tree() -> Files {
    Files::new()
        .with("a/tcpip.sys", &xp())
        .with("a/b/tcpip.sys", &patched(50))
        .with("a/c/readme.txt", b"hello")
        .with("a/d/tcpip.sys", &xp()[..5000])
}

#[test]
fn a_folder_without_r_is_an_error_that_suggests_r() {
    let probe = tree().run(&["probe", "a"]);
    assert_eq!(probe.code, 2);
    assert_eq!(probe.stdout, "");
    probe.warns("a is a folder");
    assert!(probe.stderr.contains("tcplimit probe -r a"));
}

#[test]
fn hits_get_a_line_each_in_order_and_other_files_are_counted() {
    let probe = tree().run(&["probe", "-r", "a", "--threads", "3"]);
    assert_eq!(probe.code, 0, "what is damaged within a folder is skipped");
    let lines: Vec<&str> = probe.stdout.lines().collect();
    let path = |line: &str| line.replace('\\', "/");
    assert!(path(lines[0]).starts_with("a/b/tcpip.sys: located, patched: the limit is 50 at RVA"));
    assert!(path(lines[1]).starts_with("a/d/tcpip.sys: damaged"));
    assert!(path(lines[2]).starts_with("a/tcpip.sys: located, unpatched: the limit is 10 at RVA"));
    assert!(lines[3].starts_with("2 located in 4 files; "));
    assert!(lines[4].contains(" searched at "), "{}", lines[4]);
    assert!(!probe.stdout.contains("SHA-256"));
    for count in ["unpatched", "patched", "not-pe", "damaged"] {
        probe.prints(format!("  {count:<20}        1\n"));
    }
}

#[test]
fn a_folder_without_a_hit_exits_with_1() {
    let files = tree();
    assert_eq!(files.run(&["probe", "-r", "a/c"]).code, 1);
    assert_eq!(files.run(&["probe", "-r", "a/d"]).code, 1);
    assert_eq!(
        files.run(&["probe", "-r", "a", "a/c"]).code,
        1,
        "each path must have one"
    );
    assert_eq!(files.run(&["probe", "-r", "nowhere"]).code, 3);
}

#[test]
fn quiet_leaves_the_summary_out_and_verbose_lists_every_file() {
    let files = tree();
    let quiet = files.run(&["probe", "-r", "-q", "a"]);
    assert_eq!(quiet.stdout.lines().count(), 3);
    let verbose = files.run(&["probe", "-r", "-v", "a"]);
    assert!(verbose.stdout.contains("readme.txt: not a PE file"));
}

#[test]
#[cfg(unix)]
fn unreadable_files_are_reported_and_skipped() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let files = tree();
    symlink("nowhere", files.path().join("a/dangling")).unwrap();
    let locked = files.path().join("a/c");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    let may_read_anything = std::fs::read_dir(&locked).is_ok();
    let probe = files.run(&["probe", "-r", "a"]);
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(probe.code, 0);
    assert!(
        probe
            .stderr
            .contains("a/dangling: No such file or directory (skipped)")
    );
    if may_read_anything {
        eprintln!("SKIPPED: the rest of this test, because it runs as root");
        return;
    }
    probe.warns("a/c: Permission denied (skipped)");
}

#[test]
#[cfg(unix)]
fn links_to_files_are_followed_and_links_to_folders_are_not() {
    use std::os::unix::fs::symlink;

    let files = Files::new()
        .with("real/tcpip.sys", &xp())
        .with("scan/readme.txt", b"hello");
    symlink("../real/tcpip.sys", files.path().join("scan/tcpip.sys")).unwrap();
    symlink("../real", files.path().join("scan/folder")).unwrap();
    symlink("..", files.path().join("scan/loop")).unwrap();
    let probe = files.run(&["probe", "-r", "scan"]);
    assert_eq!(probe.code, 0);
    probe.prints("1 located in 2 files");
}

#[test]
#[cfg(unix)]
fn pipes_in_folders_are_skipped() {
    let files = tree();
    let made = std::process::Command::new("mkfifo")
        .arg(files.path().join("a/pipe"))
        .status();
    assert!(made.unwrap().success());
    assert_eq!(files.run(&["probe", "-r", "a"]).code, 0);
}
