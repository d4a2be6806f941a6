//! Output without a reader, or that can't be written.

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use crate::{Files, patched, xp};

/// Runs with this standard output; returns exit code and standard error.
fn run_to(stdout: impl Into<Stdio>, files: &Files, arguments: &[&str]) -> (i32, String) {
    let mut command = crate::program();
    command.args(arguments).current_dir(files.path());
    let output = command.stdout(stdout).stderr(Stdio::piped()).output();
    let output = output.expect("the program runs");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code().expect("an exit code"), stderr)
}

/// Runs with a closed pipe.
fn unread(files: &Files, arguments: &[&str]) -> (i32, String) {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    run_to(writer, files, arguments)
}

/// Runs with a full disk.
#[cfg(target_os = "linux")]
fn full(files: &Files, arguments: &[&str]) -> (i32, String) {
    let full = File::options().write(true).open("/dev/full");
    run_to(full.expect("/dev/full"), files, arguments)
}

/// Nine drivers, one of them refused.
fn nine() -> Files {
    let numbers = 1..=8;
    let files = Files::new().with("t/0/tcpip.sys", &patched(0));
    numbers.fold(files, |files, number| {
        files.with(&format!("t/{number}/tcpip.sys"), &xp())
    })
}

/// The number of files with this content.
fn count(files: &Files, content: &[u8]) -> usize {
    let read = |number| std::fs::read(files.path().join(format!("t/{number}/tcpip.sys"))).unwrap();
    (0..9).filter(|&number| read(number) == content).count()
}

#[test]
fn a_writing_run_finishes_without_a_reader_and_keeps_its_exit_code() {
    let files = nine();
    let patch = ["patch", "-r", "--in-place", "t"];
    assert_eq!(unread(&files, &patch), (1, String::new()));
    assert_eq!(count(&files, &patched(100)), 8);
    let restore = ["restore", "-r", "--json", "--in-place", "t"];
    assert_eq!(unread(&files, &restore).0, 1);
    assert_eq!(count(&files, &xp()), 8);
    let sound = Files::new().with("tcpip.sys", &xp());
    let patch = ["patch", "--in-place", "tcpip.sys"];
    assert_eq!(unread(&sound, &patch), (0, String::new()));
}

#[test]
fn a_closed_pipe_is_no_success() {
    let files = Files::new()
        .with("refused/tcpip.sys", &patched(0))
        .with("a.txt", b"hello")
        .with("tcpip.sys", &xp())
        .with("WINDOWS/system32/drivers/tcpip.sys", b"MZ");
    for (arguments, code) in [
        (["patch", "refused/tcpip.sys"].as_slice(), 1),
        (&["patch", "nowhere.sys"], 3),
        (&["probe", "a.txt"], 1),
        (&["probe", "--json", "a.txt"], 1),
        (&["probe", "tcpip.sys"], 0),
        (&["probe", "a.txt", "tcpip.sys"], 1),
        (&["probe", "-r", "refused"], 0),
        (&["probe", "nowhere.sys"], 3),
        (&["explain", "a.txt"], 1),
        (&["corpus", "check", "tcpip.sys"], 1),
        (&["status", "--root", "."], 3),
        (&["status", "--root", ".", "--json"], 3),
        (&["man"], 0),
        (&["completions", "bash"], 0),
    ] {
        assert_eq!(unread(&files, arguments).0, code, "{arguments:?}");
    }
}

#[test]
fn a_probe_stops_once_nobody_reads() {
    // Opening the pipe would block for ever.
    let files = Files::new().with("a/1.sys", b"x").with("tcpip.sys", &xp());
    let made = std::process::Command::new("mkfifo")
        .arg(files.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let arguments = ["probe", "--threads", "1", "tcpip.sys", "pipe"];
    assert_eq!(unread(&files, &arguments), (0, String::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn output_lost_to_a_full_disk_is_an_error_and_the_work_is_done() {
    let files = nine();
    let (code, stderr) = full(&files, &["patch", "-r", "--in-place", "t"]);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(count(&files, &patched(100)), 8);
    let expected = "tcplimit: the output can't be written: No space left on device\n";
    assert_eq!(stderr, expected);
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("WINDOWS/system32/drivers/tcpip.sys", &xp());
    for arguments in [
        ["probe", "tcpip.sys"].as_slice(),
        &["probe", "--json", "tcpip.sys"],
        &["probe", "-r", "."],
        &["explain", "tcpip.sys"],
        &["status", "--root", "."],
        &["corpus", "check"],
        &["man"],
        &["completions", "bash"],
    ] {
        let (code, stderr) = full(&files, arguments);
        assert_eq!(code, 3, "{arguments:?}: {stderr}");
        assert_eq!(stderr, expected, "{arguments:?}");
    }
}
