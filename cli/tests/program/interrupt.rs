//! Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::{Files, xp};

/// A probe that has finished `tcpip.sys` and is blocked by a pipe without a writer. Its first line
/// of output was read, so tests need not wait.
fn held_up(files: &Files, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let made = Command::new("mkfifo")
        .arg(files.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let mut command = crate::program();
    command
        .arg("probe")
        .args(arguments)
        .args(["tcpip.sys", "pipe"]);
    command.current_dir(files.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("tcpip.sys"), "{line}");
    (child, stdout)
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn finished_work_is_summed_up_and_marked_as_interrupted() {
    let files = Files::new().with("tcpip.sys", &xp());
    let (mut child, mut stdout) = held_up(&files, &[]);
    interrupt(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        rest.contains("interrupted: some files were not searched"),
        "{rest}"
    );
    assert!(rest.contains("1 located in 1 file;"), "{rest}");
}

#[test]
fn the_last_line_of_json_is_still_a_summary() {
    let files = Files::new().with("tcpip.sys", &xp());
    let (mut child, mut stdout) = held_up(&files, &["--json"]);
    interrupt(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let summary: serde_json::Value = serde_json::from_str(rest.trim()).unwrap();
    assert_eq!(summary["summary"]["interrupted"], true);
    assert_eq!(summary["summary"]["located"], 1);
    assert_eq!(summary["summary"]["exit_code"], 130);
}

#[test]
fn an_interrupted_patch_has_changed_only_whole_files() {
    // The output for the files in between exceeds the buffer of the pipe, which nobody reads, so
    // the run never reaches the last file.
    let long = "b".repeat(200);
    let mut files = Files::new()
        .with("a/tcpip.sys", &xp())
        .with("c/tcpip.sys", &xp());
    for number in 0..500 {
        files = files.with(&format!("{long}/{number}/tcpip.sys"), b"");
    }
    let mut command = crate::program();
    command.args(["patch", "-r", "--in-place", "a", &long, "c"]);
    command.current_dir(files.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("changed the limit"), "{line}");
    // The first Ctrl-C takes effect after the current file; the second ends the program at once.
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => interrupt(&child),
        }
    };
    assert_eq!(status.code(), Some(130));
    let read = |name: &str| std::fs::read(files.path().join(name)).unwrap();
    assert_eq!(read("a/tcpip.sys"), crate::patched(100));
    assert_eq!(read("c/tcpip.sys"), xp());
    assert_eq!(
        std::fs::read_dir(files.path().join("c")).unwrap().count(),
        1
    );
}
