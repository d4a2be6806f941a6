//! Concurrent runs and failing mounts, with real processes.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

use crate::{Files, Run, patched, xp};

#[cfg(target_os = "linux")]
mod linux;

/// A run in the background.
fn start(files: &Files, arguments: &[&str]) -> std::process::Child {
    let mut command = crate::program();
    command.args(arguments).current_dir(files.path());
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().expect("the program runs")
}

fn ended(child: std::process::Child) -> Run {
    Run::of(child.wait_with_output().expect("it ends"))
}

/// The remaining lock files and staged files.
fn leftovers(files: &Files) -> Vec<String> {
    let all = walkdir::WalkDir::new(files.path()).into_iter();
    let names = all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let is_left = |name: &String| name.contains("tcplimit");
    names.filter(is_left).collect()
}

#[test]
fn two_concurrent_patches_change_the_file_once_and_keep_its_backup() {
    let hash = specimen::checksum::sha256(&xp());
    let backup = format!("tcpip.sys.{}.orig", &hash[..16]);
    for round in 0..40 {
        let files = Files::new().with("tcpip.sys", &xp());
        let arguments = ["patch", "--in-place", "tcpip.sys"];
        let pair = [start(&files, &arguments), start(&files, &arguments)].map(ended);
        let occurrences = |text: &str| {
            let saying = pair.iter().filter(|run| run.stdout.contains(text));
            saying.count()
        };
        for run in &pair {
            assert_eq!(run.code, 0, "{round}: {}{}", run.stdout, run.stderr);
        }
        assert_eq!(
            occurrences("changed the limit from 10 to 100"),
            1,
            "{round}"
        );
        assert_eq!(occurrences("nothing to do: the limit is 100"), 1, "{round}");
        assert_eq!(
            fs::read(files.path().join("tcpip.sys")).unwrap(),
            patched(100)
        );
        assert_eq!(
            fs::read(files.path().join(&backup)).unwrap(),
            xp(),
            "{round}"
        );
        assert_eq!(leftovers(&files), [""; 0], "{round}");
    }
}

#[test]
fn two_concurrent_patches_with_different_limits_run_one_after_the_other() {
    for round in 0..20 {
        let files = Files::new().with("tcpip.sys", &xp());
        let [one, other] = ["50", "70"]
            .map(|limit| {
                start(
                    &files,
                    &["patch", "--limit", limit, "--in-place", "tcpip.sys"],
                )
            })
            .map(ended);
        let now = fs::read(files.path().join("tcpip.sys")).unwrap();
        let (first, second, way) = match now == patched(70) {
            true => (&one, &other, "from 50 to 70"),
            false => (&other, &one, "from 70 to 50"),
        };
        assert_eq!((first.code, second.code), (0, 0), "{round}");
        first.prints("the limit from 10 to");
        assert!(second.stdout.contains(way), "{round}: {}", second.stdout);
        assert_eq!(leftovers(&files), [""; 0], "{round}");
    }
}

#[test]
fn two_concurrent_runs_over_all_copies_do_not_interfere() {
    let copies = ["drivers", "dllcache"].map(|name| format!("WINDOWS/system32/{name}/tcpip.sys"));
    for round in 0..20 {
        let files = Files::new().with(&copies[0], &xp()).with(&copies[1], &xp());
        let arguments = ["patch", "--root", ".", "--in-place"];
        let one = ["patch", "--in-place", &copies[0]];
        let runs = [&arguments[..], &arguments, &one].map(|arguments| start(&files, arguments));
        for run in runs.map(ended) {
            assert_eq!(run.code, 0, "{round}: {}{}", run.stdout, run.stderr);
            assert!(
                !run.stderr.contains("interrupted"),
                "{round}: {}",
                run.stderr
            );
        }
        for copy in &copies {
            assert_eq!(
                fs::read(files.path().join(copy)).unwrap(),
                patched(100),
                "{round}"
            );
        }
        assert_eq!(leftovers(&files), [""; 0], "{round}");
    }
}

#[test]
fn a_held_lock_is_waited_for_and_then_its_owner_is_reported() {
    let drivers = "WINDOWS/system32/drivers";
    let driver = format!("{drivers}/tcpip.sys");
    let files = Files::new().with(&driver, &xp());
    let lock = |folder: &str| {
        let path = files.path().join(folder).join("tcplimit.lock");
        let mut file = File::create_new(path).unwrap();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        writeln!(
            file,
            r#"{{"tcplimit_lock":1,"host":"{}","process":4711,"started":1,"verb":"restore"}}"#,
            host.trim()
        )
        .unwrap();
        file.lock().unwrap();
        file
    };
    let held = lock(drivers);
    for arguments in [
        ["patch", "--in-place", &driver].as_slice(),
        &["patch", "--root", ".", "--in-place"],
        &["patch", "-r", "--in-place", "."],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 3, "{arguments:?}: {}{}", run.stdout, run.stderr);
        let printed = format!("{}{}", run.stdout, run.stderr);
        for expected in [
            "another run of tcplimit is in progress here and holds",
            "tcplimit restore, process 4711 on",
            "wait until it has ended",
        ] {
            assert!(printed.contains(expected), "{arguments:?}: {printed}");
        }
        assert_eq!(fs::read(files.path().join(&driver)).unwrap(), xp());
    }
    // A run that writes nothing needs no lock.
    assert_eq!(files.run(&["patch", &driver]).code, 0);
    let at_home = lock("WINDOWS");
    let status = files.run(&["status", "--root", "."]);
    status.ends_with(0);
    status.prints("another run is in progress");
    // An unlocked lock file is stale.
    drop((held, at_home));
    let status = files.run(&["status", "--root", "."]);
    assert!(
        status
            .stdout
            .contains("its run was killed (tcplimit restore, process 4711"),
        "{}",
        status.stdout
    );
    let patch = files.run(&["patch", "--root", ".", "--in-place"]);
    patch.ends_with(0);
    assert_eq!(leftovers(&files), [""; 0]);
}
