//! What only Unix can show: links, pipes, permissions.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;

#[test]
fn permissions_times_and_attributes_are_kept() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_208_131_200);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let attributes = xattr::set(&path, "user.origin", b"disc").is_ok();
    let inode = fs::metadata(&path).unwrap().ino();

    assert_eq!(files.run(&["patch", "--in-place", "tcpip.sys"]).code, 0);
    for name in names(&files.path()) {
        let path = files.path().join(&name);
        let about = fs::metadata(&path).unwrap();
        assert_eq!(about.modified().unwrap(), time, "{name}");
        assert_eq!(about.permissions().mode() & 0o777, 0o640, "{name}");
        if attributes {
            let value = xattr::get(&path, "user.origin").unwrap();
            assert_eq!(value.as_deref(), Some(b"disc".as_slice()), "{name}");
        }
    }
    let now = fs::metadata(&path).unwrap().ino();
    assert_ne!(now, inode, "it was replaced, not written over");
}

#[test]
fn a_read_only_file_is_replaced_and_stays_read_only() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    for (verb, content) in [("patch", patched(100)), ("restore", xp())] {
        let run = files.run(&[verb, "--in-place", "tcpip.sys"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(read(&files, "tcpip.sys"), content);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444, "{verb}");
    }
}

#[test]
fn a_link_is_followed_and_stays_one() {
    let files = Files::new().with("real/tcpip.sys", &xp());
    symlink("real/tcpip.sys", files.path().join("link.sys")).unwrap();
    let run = files.run(&["patch", "--in-place", "link.sys"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        fs::symlink_metadata(files.path().join("link.sys"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(read(&files, "real/tcpip.sys"), patched(100));
    assert_eq!(names(&files.path()), ["link.sys", "real"]);
}

#[test]
fn a_pipe_is_never_replaced() {
    let files = Files::new().with("there/tcpip.sys", &xp());
    let pipe = files.path().join("tcpip.sys");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writer = std::thread::spawn(move || fs::write(pipe, xp()));
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    writer.join().unwrap().unwrap();
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("no regular file"), "{}", run.stdout);
    assert_eq!(names(&files.path()), ["tcpip.sys", "there"]);
}

#[test]
fn a_file_with_two_names_is_refused_in_place() {
    let files = Files::new().with("tcpip.sys", &xp());
    fs::hard_link(files.path().join("tcpip.sys"), files.path().join("other")).unwrap();
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    refused(&run, "2 names");
    assert_eq!(read(&files, "other"), xp());
    assert_eq!(names(&files.path()), ["other", "tcpip.sys"]);
}

/// Runs the program as a user that may not write to the folder.
fn as_nobody(files: &Files, arguments: &[&str]) -> Option<Run> {
    let mut command = match fs::metadata(files.path()).unwrap().uid() {
        0 => {
            let mut command = std::process::Command::new("setpriv");
            let program = env!("CARGO_BIN_EXE_tcplimit");
            command.args(["--reuid=65534", "--clear-groups", program]);
            command
        }
        _ => crate::program(),
    };
    let output = command
        .args(arguments)
        .current_dir(files.path())
        .output()
        .ok()?;
    // Where the program itself can't be reached by nobody.
    (output.status.code() != Some(127) && output.status.code() != Some(126))
        .then(|| Run::of(output))
}

#[test]
fn a_read_only_folder_keeps_the_file_and_gets_no_other() {
    let files = Files::new().with("tcpip.sys", &xp());
    fs::set_permissions(files.path(), Permissions::from_mode(0o555)).unwrap();
    let run = as_nobody(&files, &["patch", "--in-place", "tcpip.sys"]);
    fs::set_permissions(files.path(), Permissions::from_mode(0o755)).unwrap();
    let Some(run) = run else {
        return;
    };
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("failed, left as it is"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("possible to write"), "{}", run.stdout);
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
}
