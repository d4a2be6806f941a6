//! System errors injected by strace in real runs; and real mounts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

const DRIVER: &str = "WINDOWS/system32/drivers/tcpip.sys";
const CACHE: &str = "WINDOWS/system32/dllcache/tcpip.sys";

/// Prints that a test was skipped.
fn skipped(what: &str) {
    eprintln!("SKIPPED: {what}");
}

/// Runs under strace, which injects errors or kills the run.
fn injected(files: &Files, options: &[&str], arguments: &[&str]) -> Option<(Option<i32>, String)> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).args(options);
    command.arg(env!("CARGO_BIN_EXE_tcplimit")).args(arguments);
    let Ok(output) = command.current_dir(files.path()).output() else {
        skipped("strace is not installed: cargo xtask setup");
        return None;
    };
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    if printed.contains("ptrace") {
        skipped("strace may trace nothing here");
        return None;
    }
    Some((output.status.code(), printed))
}

fn windows() -> Files {
    Files::new().with(DRIVER, &xp()).with(CACHE, &xp())
}

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

const IN_PLACE: [&str; 3] = ["patch", "--in-place", DRIVER];
const ALL: [&str; 4] = ["patch", "--root", ".", "--in-place"];

#[test]
fn an_unflushable_folder_is_noted_once_and_the_file_is_changed() {
    for (error, expected) in [
        ("EINVAL", "this mount can't flush a folder to disk"),
        ("EBADF", "this mount can't flush a folder to disk"),
        ("EOPNOTSUPP", "this mount can't flush a folder to disk"),
        ("EIO", "the medium may be failing"),
    ] {
        let inject = format!("inject=fsync:error={error}");
        for arguments in [&IN_PLACE[..], &ALL] {
            let files = windows();
            let home = fs::canonicalize(files.path()).unwrap().join("WINDOWS");
            let folders = ["", "system32/drivers", "system32/dllcache"]
                .map(|name| home.join(name).display().to_string());
            let folders = folders
                .each_ref()
                .map(|folder| folder.trim_end_matches('/'));
            let options = [
                "-P",
                folders[0],
                "-P",
                folders[1],
                "-P",
                folders[2],
                "-e",
                "trace=fsync",
                "-e",
                &inject,
            ];
            let Some((code, printed)) = injected(&files, &options, arguments) else {
                return;
            };
            assert_eq!(code, Some(0), "{error}: {printed}");
            assert_eq!(printed.matches(expected).count(), 1, "{error}: {printed}");
            assert_eq!(read(&files, DRIVER), patched(100), "{error}");
            let restore = ["restore", "--in-place", DRIVER];
            let (code, printed) = injected(&files, &options, &restore).unwrap();
            assert_eq!(code, Some(0), "{error}: {printed}");
            assert!(!printed.contains("FAILED"), "{error}: {printed}");
            assert_eq!(read(&files, DRIVER), xp(), "{error}");
            assert_eq!(leftovers(&files), [""; 0], "{error}");
        }
    }
}

#[test]
fn an_unflushable_file_is_not_changed() {
    for error in ["EIO", "ENOSPC", "EINVAL"] {
        let files = windows();
        let inject = format!("inject=fsync:error={error}");
        let options = ["-e", "trace=fsync", "-e", &inject];
        let Some((code, printed)) = injected(&files, &options, &IN_PLACE) else {
            return;
        };
        assert_eq!(code, Some(3), "{error}: {printed}");
        assert_eq!(read(&files, DRIVER), xp(), "{error}");
        assert_eq!(leftovers(&files), [""; 0], "{error}");
    }
}

#[test]
fn runs_exclude_each_other_without_locks_too() {
    for error in ["ENOLCK", "EINVAL", "EBADF", "EOPNOTSUPP", "ENOSYS"] {
        let inject = format!("inject=flock:error={error}");
        let options = ["-e", "trace=flock", "-e", &inject];
        let files = windows();
        let Some((code, printed)) = injected(&files, &options, &ALL) else {
            return;
        };
        assert_eq!(code, Some(0), "{error}: {printed}");
        assert_eq!(
            printed.matches("this mount has no locks").count(),
            1,
            "{printed}"
        );
        assert_eq!(read(&files, CACHE), patched(100), "{error}");
        assert_eq!(leftovers(&files), [""; 0], "{error}");
        // Without locks, an existing lock file counts as held.
        let lock = files.path().join("WINDOWS/system32/drivers/tcplimit.lock");
        fs::write(&lock, "").unwrap();
        let (code, printed) =
            injected(&files, &options, &["restore", "--in-place", DRIVER]).unwrap();
        assert_eq!(code, Some(3), "{error}: {printed}");
        assert!(
            printed.contains("if it has ended and left this behind, remove"),
            "{printed}"
        );
        assert_eq!(read(&files, DRIVER), patched(100), "{error}");
        assert!(lock.exists());
    }
}

/// Killed at each rename: of one copy, and of both.
#[test]
fn locks_and_files_of_a_killed_run_are_cleaned_up_by_the_next() {
    for (rename, began) in [("1", false), ("2", true)] {
        let inject = format!("inject=rename:signal=KILL:when={rename}");
        let options = ["-e", "trace=rename", "-e", &inject];
        let files = windows();
        let Some((code, printed)) = injected(&files, &options, &ALL) else {
            return;
        };
        assert_ne!(code, Some(0), "{rename}: {printed}");
        let left = leftovers(&files);
        assert!(
            left.iter().any(|name| name == "tcplimit.journal"),
            "{left:?}"
        );
        assert!(left.iter().any(|name| name == "tcplimit.lock"), "{left:?}");
        let status = files.run(&["status", "--root", "."]);
        let shown = status.stdout.matches("the next run rolls it back first");
        let changed = [DRIVER, CACHE]
            .iter()
            .filter(|name| read(&files, name) == patched(100))
            .count();
        assert_eq!(shown.count(), changed, "{}", status.stdout);
        assert_eq!(changed > 0, began, "{rename}");
        let restore = files.run(&["restore", "--root", ".", "--in-place"]);
        assert_eq!(
            restore.code, 0,
            "{rename}: {}{}",
            restore.stdout, restore.stderr
        );
        assert_eq!((read(&files, DRIVER), read(&files, CACHE)), (xp(), xp()));
        assert_eq!(leftovers(&files), [""; 0], "{rename}");
    }
}

/// A file system mounted on a folder, unmounted on drop.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, arguments: &[&str]) -> Option<Mount> {
        let mounted = Command::new("mount").args(arguments).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mount(at.to_owned())),
            Ok(output) => {
                skipped(&format!(
                    "{arguments:?} can't be mounted here: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ));
                None
            }
            Err(error) => {
                skipped(&format!("mount: {error}"));
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A disk with space for the driver and its backup, but not for the new content.
#[test]
fn a_full_disk_leaves_everything_unchanged() {
    let files = Files::new().with("disk/x", b"");
    let size = xp().len() * 5 / 2;
    let option = format!("size={size}");
    let at = files.path().join("disk");
    let Some(_mount) = Mount::new(&at, &["-t", "tmpfs", "-o", &option, "tmpfs"]) else {
        return;
    };
    fs::write(at.join("tcpip.sys"), xp()).unwrap();
    let run = files.run(&["patch", "--in-place", "disk/tcpip.sys"]);
    run.ends_with(3);
    run.prints("free some space");
    assert_eq!(read(&files, "disk/tcpip.sys"), xp());
    assert_eq!(fs::read_dir(&at).unwrap().count(), 1);
    // The disk has no space at all.
    fs::write(at.join("rest"), vec![0; size]).unwrap_err();
    let run = files.run(&["patch", "--in-place", "disk/tcpip.sys"]);
    run.ends_with(3);
    assert_eq!(fs::read_dir(&at).unwrap().count(), 2);
}

/// NTFS, mounted by ntfs-3g over FUSE.
#[test]
fn patching_works_on_ntfs_over_fuse() {
    if !Path::new("/dev/fuse").exists() {
        return skipped("there is no /dev/fuse");
    }
    let files = Files::new().with("disk/x", b"");
    let image = files.path().join("image");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mkntfs")
        .args(["-F", "-Q", "-q"])
        .arg(&image)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skipped("ntfs-3g is not installed: cargo xtask setup");
    }
    let at = files.path().join("disk");
    let image = image.display().to_string();
    let Some(_mount) = Mount::new(&at, &["-t", "ntfs-3g", "-o", "loop", &image]) else {
        return;
    };
    for path in [DRIVER, CACHE] {
        let path = at.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, xp()).unwrap();
    }
    let all = ["patch", "--root", "disk", "--in-place"];
    let pair = [start(&files, &all), start(&files, &all)].map(ended);
    for run in pair {
        run.ends_with(0);
    }
    let driver = format!("disk/{DRIVER}");
    assert_eq!(read(&files, &driver), patched(100));
    let restore = files.run(&["restore", "--root", "disk", "--in-place"]);
    restore.ends_with(0);
    assert_eq!(read(&files, &driver), xp());
    assert_eq!(leftovers(&files), [""; 0]);
}
