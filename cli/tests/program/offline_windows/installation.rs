//! Several Windows folders on a disk, and linked ones.

use super::*;

const HOMES: [&str; 3] = ["WINDOWS", "Windows.0", "WINXP"];

fn driver(home: &str) -> String {
    format!("{home}/system32/drivers/tcpip.sys")
}

/// Three Windows folders, and other folders.
fn disk() -> Files {
    let files = Files::new().with("Program Files/system32/x", b"");
    let with = |files: Files, home: &&str| files.with(&driver(home), &xp());
    HOMES.iter().fold(files, with)
}

/// The Windows folders that are patched.
fn changed(files: &Files) -> Vec<&'static str> {
    let is = |home: &&str| read(files, &driver(home)) != xp();
    HOMES.into_iter().filter(is).collect()
}

#[test]
fn several_windows_folders_are_unchanged_until_selected() {
    let files = disk();
    for verb in ["patch", "restore"] {
        for target in ["--in-place", "--dry-run"] {
            let run = files.run(&[verb, "--root", ".", target]);
            run.ends_with(2);
            let command = format!("tcplimit {verb} --root . {target}");
            for expected in [
                ". has 3 Windows folders; nothing was done",
                &format!("{command} --windows WINDOWS\n"),
                &format!("{command} --windows Windows.0\n"),
                &format!("{command} --windows WINXP\n"),
                &format!("{command} --every\n"),
            ] {
                assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
            }
            assert_eq!(changed(&files), [""; 0]);
        }
    }
    let patch = ["patch", "--root", ".", "--in-place"];
    let run = files.run(&[&patch[..], &["--windows", "windows.0"]].concat());
    run.ends_with(0);
    assert_eq!(changed(&files), ["Windows.0"]);
    let path = files.path().join("WINXP").display().to_string();
    let run = files.run(&[&patch[..], &["--windows", &path]].concat());
    run.ends_with(0);
    assert_eq!(changed(&files), ["Windows.0", "WINXP"]);

    let run = files.run(&[&patch[..], &["--windows", "WINNT"]].concat());
    run.ends_with(3);
    let expected = "no Windows folder is named WINNT; it has WINDOWS, WINXP, Windows.0";
    run.warns(expected);

    let restore = files.run(&["restore", "--root", ".", "--in-place", "--every", "--json"]);
    restore.ends_with(0);
    assert_eq!(changed(&files), [""; 0]);
    let objects = restore.objects();
    assert_eq!(objects.len(), 4);
    assert_eq!(objects[3]["summary"]["changed"], 2);
    assert_eq!(objects[3]["summary"]["unchanged"], 1);
    for alone in [&["patch", "--every"][..], &["status", "--windows", "x"]] {
        assert_eq!(files.run(alone).code, 2);
    }
}

/// Each Windows is a transaction of its own.
#[test]
fn with_every_a_refused_windows_does_not_stop_the_others() {
    let files = disk().with(&driver("Windows.0"), &patched(0));
    let all = ["patch", "--root", ".", "--every", "--in-place"];
    let run = files.run(&all);
    run.ends_with(1);
    let expected = "./Windows.0: A copy is refused or can't be read, so none is changed";
    run.warns(expected);
    assert_eq!(read(&files, &driver("Windows.0")), patched(0));
    for home in ["WINDOWS", "WINXP"] {
        assert_eq!(read(&files, &driver(home)), patched(100));
    }
}

#[test]
fn status_shows_every_windows_or_the_selected_one() {
    let files = disk();
    let status = files.run(&["status", "--root", "."]);
    status.ends_with(0);
    for home in HOMES {
        let expected = format!("The Windows in ./{home}\n");
        status.prints(&expected);
        status.prints(driver(home));
    }
    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    let windows = objects
        .iter()
        .filter_map(|object| object["summary"]["windows"].as_str());
    assert_eq!(
        windows.collect::<Vec<_>>(),
        ["./WINDOWS", "./WINXP", "./Windows.0"]
    );
    let one = files.run(&["status", "--root", ".", "--windows", "WINXP"]);
    one.prints("./WINXP/");
    one.does_not_print("Windows.0");
    // A tree of setup files that contains an installed Windows under any name.
    let files = Files::new().with(&driver("XP"), &xp());
    let run = files.run(&["patch", "-r", "."]);
    run.warns("tcplimit patch --root .");
}

#[test]
#[cfg(unix)]
fn a_linked_windows_is_listed_and_unchanged_until_selected() {
    use std::os::unix::fs::symlink;
    let files = Files::new()
        .with(&driver("disk/WINDOWS"), &xp())
        .with(&driver("elsewhere/XP"), &xp());
    symlink("../elsewhere/XP", files.path().join("disk/WINXP")).unwrap();
    let patch = ["patch", "--root", "disk", "--in-place"];
    for arguments in [&patch[..], &["status", "--root", "disk"]] {
        let run = files.run(arguments);
        run.ends_with(0);
        for expected in ["disk/WINXP is a link", "To use its target: --windows WINXP"] {
            assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
        }
    }
    assert_eq!(read(&files, &driver("elsewhere/XP")), xp());
    let run = files.run(&[&patch[..], &["--windows", "WINXP"]].concat());
    run.ends_with(0);
    run.does_not_warn("is a link");
    assert_eq!(read(&files, &driver("elsewhere/XP")), patched(100));

    fs::remove_dir_all(files.path().join("disk/WINDOWS")).unwrap();
    let run = files.run(&patch);
    run.ends_with(3);
    for expected in ["no Windows found", "disk/WINXP is a link"] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

#[test]
#[cfg(unix)]
fn a_linked_folder_or_copy_refuses_the_whole_windows() {
    use std::os::unix::fs::symlink;
    const IN: &str = "WINDOWS/system32";
    for linked in ["drivers", "dllcache", "drivers/tcpip6.sys"] {
        let files = Files::new()
            .with("elsewhere/tcpip.sys", &xp())
            .with("WINDOWS/ServicePackFiles/i386/tcpip.sys", &xp())
            .with("WINDOWS/system32/x", b"");
        if linked != "drivers" {
            fs::create_dir(files.path().join(IN).join("drivers")).unwrap();
        }
        symlink(
            files.path().join("elsewhere"),
            files.path().join(IN).join(linked),
        )
        .unwrap();
        let before = all(&files.path().join("WINDOWS/ServicePackFiles"));
        for target in ["--dry-run", "--in-place"] {
            let run = files.run(&["patch", "--root", ".", target]);
            assert_eq!(run.code, 1, "{linked}: {}{}", run.stdout, run.stderr);
            for expected in [
                format!("./{IN}/{linked}: refused, left unchanged"),
                format!("./{IN}/{linked} is a link"),
                "not done, left unchanged".to_owned(),
            ] {
                assert!(run.stdout.contains(&expected), "{expected}: {}", run.stdout);
            }
        }
        assert_eq!(all(&files.path().join("WINDOWS/ServicePackFiles")), before);
        assert_eq!(read(&files, "elsewhere/tcpip.sys"), xp());
        let json = files.run(&["patch", "--root", ".", "--json"]).objects();
        assert_eq!(json[0]["refusal"], "link", "{json:?}");
        let clean = files.run(&["clean", "--root", "."]);
        clean.ends_with(0);
        let expected = format!("./{IN}/{linked} is a link and was not followed");
        clean.warns(&expected);
        let status = files.run(&["status", "--root", "."]);
        status.ends_with(1);
        let expected = format!("./{IN}/{linked}: a link, not followed");
        status.prints(&expected);
        let json = files.run(&["status", "--root", ".", "--json"]).objects();
        let links = json.iter().filter(|object| object["state"] == "link");
        assert_eq!(links.count(), 1);
    }
}
