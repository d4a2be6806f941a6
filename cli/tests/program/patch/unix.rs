//! Behaviour on Unix: links, pipes, permissions.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
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
fn root_keeps_the_owner_and_the_group() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    let about = fs::metadata(&path).unwrap();
    let (owner, group) = (about.uid() + 1001, about.gid() + 1002);
    if std::os::unix::fs::chown(&path, Some(owner), Some(group)).is_err() {
        eprintln!("skipped: only root may do this");
        return;
    }
    assert_eq!(files.run(&["patch", "--in-place", "tcpip.sys"]).code, 0);
    for name in names(&files.path()) {
        let about = fs::metadata(files.path().join(&name)).unwrap();
        assert_eq!((about.uid(), about.gid()), (owner, group), "{name}");
    }
}

#[test]
fn the_time_is_kept_with_a_note_unless_touch_is_given() {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_208_131_200);
    let begun = SystemTime::now() - Duration::from_secs(2);
    let expected = "keeps its time";
    for touch in [false, true] {
        let files = Files::new()
            .with("WINDOWS/system32/drivers/tcpip.sys", &xp())
            .with("tcpip.sys", &xp());
        let copy = "WINDOWS/system32/drivers/tcpip.sys";
        let age = |name: &str| {
            let file = File::options().write(true).open(files.path().join(name));
            file.unwrap().set_modified(old).unwrap();
        };
        let is_new = |name: &str| {
            let about = fs::metadata(files.path().join(name)).unwrap();
            let time = about.modified().unwrap();
            assert!(time == old || time >= begun, "{name}");
            time >= begun
        };
        let options: &[&str] = match touch {
            true => &["--touch"],
            false => &[],
        };
        for (arguments, written) in [
            (
                ["patch", "--output", "out.sys", "tcpip.sys"].as_slice(),
                "out.sys",
            ),
            (&["patch", "--in-place", "tcpip.sys"], "tcpip.sys"),
            (&["restore", "--in-place", "tcpip.sys"], "tcpip.sys"),
            (&["patch", "--root", ".", "--in-place"], copy),
            (&["restore", "--root", ".", "--in-place"], copy),
        ] {
            ["tcpip.sys", copy].into_iter().for_each(age);
            let shown = files.run(&[&arguments[..1], options, &["tcpip.sys"]].concat());
            shown.does_not_print(expected);
            let run = files.run(&[arguments, options].concat());
            run.ends_with(0);
            assert_eq!(is_new(written), touch, "{arguments:?}");
            assert_eq!(run.stdout.contains(expected), !touch, "{}", run.stdout);
        }
        for backup in names(&files.path()) {
            assert!(!backup.ends_with(".orig") || !is_new(&backup), "{backup}");
        }
        let again = [&["patch", "--in-place", "--json", "tcpip.sys"], options].concat();
        assert_eq!(files.run(&again).objects()[0]["touched"], touch);
    }
}

#[test]
fn a_read_only_file_is_replaced_and_stays_read_only() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    for (verb, content) in [("patch", patched(100)), ("restore", xp())] {
        let run = files.run(&[verb, "--in-place", "tcpip.sys"]);
        run.ends_with(0);
        assert_eq!(read(&files, "tcpip.sys"), content);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444, "{verb}");
    }
}

#[test]
fn a_link_is_followed_and_stays_a_link() {
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
    // It has no writer: opening it would block forever.
    for arguments in [
        ["patch", "--in-place", "tcpip.sys"].as_slice(),
        &["patch", "tcpip.sys"],
        &["restore", "tcpip.sys"],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 3, "{}", run.stdout);
        run.prints("not a regular file");
        assert_eq!(names(&files.path()), ["tcpip.sys", "there"]);
    }
    let run = files.run(&["patch", "--output", "tcpip.sys", "there/tcpip.sys"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    run.warns("is a device or a pipe");
    assert_eq!(names(&files.path()), ["tcpip.sys", "there"]);
    let hash = specimen::checksum::sha256(&xp());
    let backup = format!("there/tcpip.sys.{}.orig", &hash[..16]);
    fs::rename(&pipe, files.path().join(backup)).unwrap();
    let run = files.run(&["patch", "--in-place", "there/tcpip.sys"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    run.prints("not a regular file");
    assert_eq!(read(&files, "there/tcpip.sys"), xp());
}

#[test]
fn a_file_with_two_names_is_refused_in_place() {
    let files = Files::new().with("tcpip.sys", &xp());
    fs::hard_link(files.path().join("tcpip.sys"), files.path().join("other")).unwrap();
    refused(&files.run(&["patch", "tcpip.sys"]), "tcpip.sys has 2 names");
    let run = files.run(&["patch", "--in-place", "tcpip.sys"]);
    refused(&run, "tcpip.sys has 2 names");
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
    // The user `nobody` may not be able to reach the program.
    (output.status.code() != Some(127) && output.status.code() != Some(126))
        .then(|| Run::of(output))
}

#[test]
fn a_read_only_folder_is_left_unchanged() {
    let files = Files::new().with("tcpip.sys", &xp());
    fs::set_permissions(files.path(), Permissions::from_mode(0o555)).unwrap();
    let runs = ["--in-place", "--dry-run"]
        .map(|target| as_nobody(&files, &["patch", target, "tcpip.sys"]));
    fs::set_permissions(files.path(), Permissions::from_mode(0o755)).unwrap();
    let [Some(run), Some(shown)] = runs else {
        return;
    };
    run.ends_with(3);
    run.prints_all([
        "failed, left unchanged",
        "the folder . can't be written to: Permission denied",
        "run chmod u+w FOLDER",
    ]);
    assert_eq!((shown.code, shown.stdout), (run.code, run.stdout));
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
}

#[test]
fn another_owners_file_can_be_copied_but_not_replaced() {
    let files = Files::new().with("tcpip.sys", &xp());
    if fs::metadata(files.path()).unwrap().uid() != 0 {
        return;
    }
    fs::set_permissions(files.path(), Permissions::from_mode(0o777)).unwrap();
    let copy = ["patch", "--output", "out.sys", "tcpip.sys"];
    let Some(run) = as_nobody(&files, &copy) else {
        return;
    };
    run.ends_with(0);
    assert_eq!(read(&files, "out.sys"), patched(100));
    let about = |name: &str| fs::metadata(files.path().join(name)).unwrap();
    assert_eq!(about("out.sys").uid(), 65534);
    assert_eq!(about("out.sys").mode(), about("tcpip.sys").mode());
    assert_eq!(about("out.sys").mtime(), about("tcpip.sys").mtime());

    let run = as_nobody(&files, &["patch", "--in-place", "tcpip.sys"]).unwrap();
    run.ends_with(3);
    run.prints("can't have the owner of the old one (Operation not permitted): run");
    run.does_not_print("chmod");
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["out.sys", "tcpip.sys"]);
}

#[test]
fn an_own_file_of_a_foreign_group_is_left_unchanged() {
    let files = Files::new().with("tcpip.sys", &xp());
    if fs::metadata(files.path()).unwrap().uid() != 0 {
        return;
    }
    fs::set_permissions(files.path(), Permissions::from_mode(0o777)).unwrap();
    chown(files.path().join("tcpip.sys"), Some(65534), Some(1)).unwrap();
    let Some(run) = as_nobody(&files, &["patch", "--in-place", "tcpip.sys"]) else {
        return;
    };
    run.ends_with(3);
    run.prints_all(["can't have the group of the old one (1: ", "chgrp"]);
    run.does_not_print("as that owner");
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
}

#[test]
fn an_unreadable_file_is_reported() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(files.path(), Permissions::from_mode(0o755)).unwrap();
    let Some(run) = as_nobody(&files, &["patch", "tcpip.sys"]) else {
        return;
    };
    run.ends_with(3);
    run.prints("tcpip.sys can't be read: Permission denied\n");
}

#[test]
fn a_link_hides_neither_a_files_name_nor_its_folder() {
    let files = Files::new()
        .with("SysWOW64/tcpip.sys", &xp())
        .with("renamed.sys", &xp());
    let path = |name: &str| files.path().join(name);
    symlink("SysWOW64", path("folder")).unwrap();
    symlink("renamed.sys", path("tcpip.sys")).unwrap();
    for target in ["--dry-run", "--in-place"] {
        let wow = files.run(&["patch", target, "folder/tcpip.sys"]);
        refused(&wow, "no driver is loaded");
        let renamed = files.run(&["patch", target, "tcpip.sys"]);
        refused(&renamed, "but its name is not");
    }
    assert_eq!(read(&files, "renamed.sys"), xp());
    assert_eq!(read(&files, "SysWOW64/tcpip.sys"), xp());
}

#[test]
fn an_unreadable_folder_fails_and_the_rest_is_patched() {
    let files = Files::new()
        .with("shut/tcpip.sys", &xp())
        .with("unread/tcpip.sys", &xp())
        .with("open/tcpip.sys", &xp());
    let mode = |name: &str, mode| {
        fs::set_permissions(files.path().join(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    mode("open", 0o777);
    mode("shut", 0o000);
    mode("unread/tcpip.sys", 0o000);
    let run = as_nobody(&files, &["patch", "-r", "--json", "."]);
    mode("shut", 0o755);
    let Some(run) = run else {
        return;
    };
    run.ends_with(3);
    let objects = run.objects();
    let states: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["state"].as_str())
        .collect();
    assert_eq!(states, ["would-change", "failed", "failed"]);
    assert!(objects[1]["path"].as_str().unwrap().ends_with("shut"));
    assert_eq!(objects[3]["summary"]["failed"], 2);
}

#[test]
fn unwritable_windows_folders_are_reported_in_advance() {
    let folders = ["WINDOWS", "WINDOWS/system32/drivers"];
    for shut in folders {
        let files = Files::new().with("WINDOWS/system32/drivers/tcpip.sys", &xp());
        let mode = |name: &str, mode| {
            fs::set_permissions(files.path().join(name), Permissions::from_mode(mode)).unwrap();
        };
        mode("", 0o755);
        folders.iter().for_each(|folder| mode(folder, 0o777));
        mode(shut, 0o555);
        for target in ["--dry-run", "--in-place"] {
            let Some(run) = as_nobody(&files, &["patch", "--root", ".", target]) else {
                return;
            };
            assert_eq!(run.code, 3, "{shut}: {}{}", run.stdout, run.stderr);
            let printed = run.stdout + &run.stderr;
            let expected = format!("the folder ./{shut} can't be written to: Permission denied");
            assert!(printed.contains(&expected), "{target}: {printed}");
            assert!(printed.contains("chmod u+w"), "{target}: {printed}");
        }
    }
}

/// The names in the folder can be listed, but its files can't be opened.
#[test]
fn a_windows_with_an_inaccessible_folder_is_reported() {
    let files = Files::new()
        .with("WINDOWS/system32/drivers/tcpip.sys", &xp())
        .with("WINDOWS/system32/dllcache/tcpip.sys", &xp());
    let mode = |name: &str, mode| {
        fs::set_permissions(files.path().join(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    for folder in ["WINDOWS", "WINDOWS/system32/drivers"] {
        mode(folder, 0o777);
    }
    for (mask, expected) in [
        (0o444, "\"failed\":1"),
        (0o000, "dllcache: Permission denied"),
    ] {
        mode("WINDOWS/system32/dllcache", mask);
        let run = as_nobody(&files, &["patch", "--root", ".", "--json"]);
        mode("WINDOWS/system32/dllcache", 0o755);
        let Some(run) = run else {
            return;
        };
        run.ends_with(3);
        run.prints(expected);
    }
}

/// Linux allows names that are not UTF-8; other systems refuse them.
#[test]
#[cfg(target_os = "linux")]
fn a_file_with_a_non_utf8_name_is_restored_from_its_backup() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let files = Files::new();
    let name = OsStr::from_bytes(b"tcpip\xFF.sys");
    let path = files.path().join(name);
    fs::write(&path, patched(20)).unwrap();
    for (verb, content) in [("patch", patched(100)), ("restore", patched(20))] {
        let options = ["--in-place", "--module", "tcpip"].map(OsStr::new);
        let arguments = [&[OsStr::new(verb)], &options[..], &[path.as_os_str()]].concat();
        let run = crate::run(arguments);
        assert_eq!(run.code, 0, "{verb}: {}{}", run.stdout, run.stderr);
        assert_eq!(fs::read(&path).unwrap(), content, "{verb}");
    }
}
