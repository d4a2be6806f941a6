//! Two concurrent runs, locks, and mounts that can't lock or sync, in every
//! order of the runs' steps.

use std::path::{Path, PathBuf};

use specimen::Spec;
use tcplimit::patch::Refusal;
use tcplimit::patch::filesystem::FileSystem;
use tcplimit::patch::job::{FileResult, Job, Outcome, Target, Task};
use tcplimit::patch::journal::{self, recover, replace_all};
use tcplimit::patch::lock::{self, LockOwner, Locks, OwnerState};
use tcplimit::patch::mount::MountWarning;
use tcplimit::patch::replace::{Failure, Keep, Replacement, replace};
use verify::faulty_disk::interleaving::{RunDisk, every_order};
use verify::faulty_disk::{Fault, FaultyDisk};
use verify::patching::job;

const FOLDER: &str = "/disc/WINDOWS/drivers";
const FILE: &str = "/disc/WINDOWS/drivers/a.sys";
const HOME: &str = "/disc/WINDOWS";
const COPIES: [&str; 2] = ["drivers/b.sys", "drivers/a.sys"];
const LOCK: &str = "/disc/WINDOWS/drivers/tcplimit.lock";

/// The contents that a run replaced, and the paths of their backups.
type RunResult = Result<Vec<(Vec<u8>, PathBuf)>, Failure>;

/// Appends a letter to the content of a file.
fn append(disk: &impl FileSystem, letter: u8) -> RunResult {
    let path = Path::new(FILE);
    let locks = Locks::acquire(disk, [Path::new(FOLDER)], "patch")?;
    if journal::is_pending(disk, Path::new(HOME))? {
        return Err(Failure::Interrupted);
    }
    let exchange = exchange(disk, path, path, letter)?;
    let kept = replace(&locks, &exchange, &|_| Ok(()))?;
    Ok(vec![(exchange.before.to_vec(), kept.expect("it is kept"))])
}

fn exchange(
    disk: &impl FileSystem,
    file: &Path,
    path: &Path,
    letter: u8,
) -> Result<Replacement, Failure> {
    let before = disk.read(file).map_err(|error| Failure::Unreadable {
        path: file.to_owned(),
        error,
    })?;
    Ok(Replacement {
        path: path.to_owned(),
        after: [&before[..], &[letter]].concat().into(),
        before: before.into(),
        keep: Keep::Backup,
        like: None,
        touch: false,
    })
}

/// Appends a letter to the content of all copies, as one transaction.
fn append_all(disk: &impl FileSystem, letter: u8) -> RunResult {
    let home = Path::new(HOME);
    let folders = journal::folders_to_lock(disk, home, COPIES.map(Path::new))?;
    let locks = Locks::acquire(disk, folders.iter().map(PathBuf::as_path), "patch")?;
    recover(&locks, home)?;
    let files = COPIES.map(|copy| exchange(disk, &home.join(copy), Path::new(copy), letter));
    let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
    let kept = replace_all(&locks, home, &files, &|| true, &|_, _| Ok(()))?;
    Ok(files
        .into_iter()
        .map(|file| file.before.to_vec())
        .zip(kept)
        .collect())
}

fn disk() -> FaultyDisk {
    let copies = COPIES.map(|copy| Path::new(HOME).join(copy).display().to_string());
    FaultyDisk::with(&[(&copies[0], b"old"), (&copies[1], b"old")])
}

/// Checks that only files and backups are left, that each backup named by a run
/// exists, and that the content is the result of the successful runs, one after
/// the other. Returns the number of successful runs.
fn settled(disk: &FaultyDisk, path: &str, runs: &[(u8, &RunResult)]) -> usize {
    for name in disk.paths() {
        let is_known = name.ends_with(".sys") || name.ends_with(".orig");
        assert!(is_known, "{name}: {runs:?}");
    }
    let mut letters = Vec::new();
    for (letter, did) in runs {
        match did {
            Ok(kept) => {
                letters.push(*letter);
                for (content, kept) in kept {
                    let there = disk.content(&kept.display().to_string());
                    assert_eq!(there.as_ref(), Some(content), "{runs:?}");
                }
            }
            Err(Failure::Locked(held)) => assert!(!held.is_empty()),
            Err(other) => panic!("{other:?}"),
        }
    }
    let content = disk.content(path).expect("the file is there");
    let added = content.strip_prefix(b"old").expect("whole").to_vec();
    let mut sorted = added.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, letters, "{runs:?}");
    letters.len()
}

/// Error numbers of Linux.
#[cfg(target_os = "linux")]
mod errno {
    pub(crate) const EIO: i32 = 5;
    pub(crate) const EBADF: i32 = 9;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const ENOSPC: i32 = 28;
    pub(crate) const ENOLCK: i32 = 37;
    pub(crate) const ENOSYS: i32 = 38;
    pub(crate) const EOPNOTSUPP: i32 = 95;
}

#[test]
fn of_two_runs_over_a_file_neither_undoes_the_other_and_no_backup_is_lost() {
    let mut both = 0;
    let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] =
        [&|disk| append(disk, b'A'), &|disk| append(disk, b'B')];
    let explored = every_order(&disk(), false, runs, |disk, [one, two]| {
        let done = settled(disk, FILE, &[(b'A', one), (b'B', two)]);
        assert_ne!(done, 0);
        both += usize::from(done == 2);
    });
    assert!(explored.states > 1000 && both > 2, "{explored:?}, {both}");
}

#[test]
fn of_two_runs_over_all_copies_neither_undoes_the_other_nor_reports_an_interruption() {
    let mut both = 0;
    let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] = [&|disk| append_all(disk, b'A'), &|disk| {
        append_all(disk, b'B')
    }];
    let explored = every_order(&disk(), false, runs, |disk, [one, two]| {
        for copy in COPIES {
            let path = Path::new(HOME).join(copy).display().to_string();
            let done = settled(disk, &path, &[(b'A', one), (b'B', two)]);
            assert_ne!(done, 0);
            both += usize::from(done == 2);
        }
    });
    assert!(explored.states > 1000 && both > 2, "{explored:?}, {both}");
}

#[test]
fn a_run_over_one_file_and_a_run_over_all_copies_exclude_each_other() {
    let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] =
        [&|disk| append_all(disk, b'A'), &|disk| append(disk, b'B')];
    let explored = every_order(&disk(), false, runs, |disk, [one, two]| {
        assert_ne!(settled(disk, FILE, &[(b'A', one), (b'B', two)]), 0);
        let cache = Path::new(HOME).join(COPIES[0]).display().to_string();
        let alone = match one {
            Ok(_) => vec![(b'A', one)],
            Err(_) => Vec::new(),
        };
        settled(disk, &cache, &alone);
    });
    assert!(explored.states > 1000, "{explored:?}");
}

/// The first run is killed at any of its steps, in any order with the second's;
/// a third one succeeds.
#[test]
fn a_run_killed_beside_another_does_not_block_the_next() {
    let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] = [&|disk| append_all(disk, b'A'), &|disk| {
        append_all(disk, b'B')
    }];
    let explored = every_order(&disk(), true, runs, |disk, [_, two]| {
        let after = disk.after();
        let third = append_all(&after, b'C');
        assert!(third.is_ok(), "{third:?}");
        assert!(!journal::is_pending(&after, Path::new(HOME)).unwrap());
        let contents = COPIES.map(|copy| {
            let path = Path::new(HOME).join(copy).display().to_string();
            after.content(&path).expect("the file is there")
        });
        assert_eq!(contents[0], contents[1], "all or none");
        let has = |letter| contents[0].contains(&letter);
        assert!(contents[0].starts_with(b"old") && has(b'C'), "{contents:?}");
        assert_eq!(has(b'B'), two.is_ok(), "{contents:?}, {two:?}");
        let left: Vec<String> = after.paths();
        assert!(
            !left.iter().any(|path| path.ends_with(lock::NAME)),
            "{left:?}"
        );
    });
    assert!(explored.ends > 1000, "{explored:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_mount_without_locks_exclusive_creation_keeps_runs_apart() {
    for error in [
        errno::ENOLCK,
        errno::EINVAL,
        errno::EBADF,
        errno::EOPNOTSUPP,
        errno::ENOSYS,
    ] {
        let disk = disk().without_locks(error);
        let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] =
            [&|disk| append(disk, b'A'), &|disk| append(disk, b'B')];
        let explored = every_order(&disk, false, runs, |disk, [one, two]| {
            assert_ne!(settled(disk, FILE, &[(b'A', one), (b'B', two)]), 0);
            assert_eq!(disk.warnings(), [MountWarning::LocksUnsupported]);
        });
        assert!(explored.states > 300, "{explored:?}");
        // The lock file of a killed run must be removed by hand.
        let killed = disk.faulty(Fault::Killed(10));
        append(&killed, b'A').unwrap_err();
        let killed = killed.after();
        let failure = append(&killed, b'B').unwrap_err();
        let message = failure.to_string();
        assert!(
            message.contains(&format!("remove {LOCK} and try again")),
            "{message}"
        );
        assert_eq!(killed.content(FILE), Some(b"old".to_vec()));
        killed.remove(Path::new(LOCK)).unwrap();
        append(&killed, b'B').unwrap();
    }
    // A failing disk is not a mount without locks.
    let failing = disk().without_locks(errno::EIO);
    let failure = append(&failing, b'A').unwrap_err();
    assert!(matches!(failure, Failure::Io { .. }), "{failure:?}");
    assert_eq!(failing.paths(), disk().paths());
    let stale = LockOwner::current("patch").text();
    let failing = FaultyDisk::with(&[(FILE, b"old"), (LOCK, stale.as_bytes())]);
    let failing = failing.without_locks(errno::EIO);
    let failure = append(&failing, b'A').unwrap_err();
    assert!(matches!(failure, Failure::Io { .. }), "{failure:?}");
}

/// Only a run that will write waits for another.
#[test]
fn a_refused_or_missing_file_is_reported_in_spite_of_a_lock() {
    let mut other = LockOwner::current("patch");
    other.host = "another".to_owned();
    let lock = other.text();
    let run = |disk: &FaultyDisk, target| {
        let job = Job {
            target,
            ..job(Task::Patch { limit: 100 })
        };
        job.run(disk, Path::new(FILE)).outcome
    };
    let disk = FaultyDisk::with(&[(FILE, b"text"), (LOCK, lock.as_bytes())]);
    for target in [Target::InPlace, Target::DryRun] {
        let refused = run(&disk, target);
        assert!(
            matches!(refused, Outcome::Failed(Failure::Refused(_))),
            "{refused:?}"
        );
    }
    // A dry run does not wait for a run that left its journal either.
    let driver = Spec::xp_sp3().with_text_kib(4).build().file;
    let journal = format!("{HOME}/{}", journal::NAME);
    let copy = format!("{FOLDER}/tcpip.sys");
    let disk = FaultyDisk::with(&[
        (&copy, &driver),
        (&journal, b"tcplimit journal 1\nend 0\n"),
        (LOCK, lock.as_bytes()),
    ]);
    let dry = Job {
        target: Target::DryRun,
        ..job(Task::Patch { limit: 100 })
    };
    let pending = dry.run(&disk, Path::new(&copy)).outcome;
    assert!(
        matches!(
            pending,
            Outcome::Failed(Failure::Refused(Refusal::JournalPending(_)))
        ),
        "{pending:?}"
    );
    // A missing file is the reason, not a lock that can't be acquired.
    let failing = FaultyDisk::with(&[(&copy, b"x")]).without_locks(errno::EIO);
    let missing = run(&failing, Target::InPlace);
    assert!(
        matches!(missing, Outcome::Failed(Failure::Unreadable { .. })),
        "{missing:?}"
    );
}

#[test]
fn only_locks_of_this_machine_can_be_stale() {
    let this = LockOwner::current("patch");
    let mut other = this.clone();
    other.host = "another".to_owned();
    for (text, stale) in [
        (this.text(), true),
        (String::new(), true),
        (this.text()[..20].to_owned(), true),
        ("\0".repeat(70), true),
        (other.text(), false),
        ("mine".to_owned(), false),
        (format!("{}x", this.text()), false),
    ] {
        let file = format!("{LOCK} beside");
        let disk = FaultyDisk::with(&[(FILE, b"old"), (LOCK, text.as_bytes()), (&file, b"x")]);
        let did = append(&disk, b'A');
        assert_eq!(did.is_ok(), stale, "{text}: {did:?}");
        match stale {
            true => assert_eq!(disk.content(LOCK), None, "{text}"),
            false => assert_eq!(disk.content(LOCK).as_deref(), Some(text.as_bytes())),
        }
        if let Err(Failure::Locked(held)) = &did {
            assert_eq!(held[0].owner_state, OwnerState::Unknown);
            assert_eq!(held[0].owner.as_ref(), Some(&other));
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_synced_is_noted_and_files_are_changed() {
    let runs: [&dyn Fn(&FaultyDisk) -> RunResult; 2] =
        [&|disk| append(disk, b'A'), &|disk| append_all(disk, b'A')];
    for (error, noted) in [
        (errno::EINVAL, Some(MountWarning::FolderSyncUnsupported)),
        (errno::EBADF, Some(MountWarning::FolderSyncUnsupported)),
        (errno::EOPNOTSUPP, Some(MountWarning::FolderSyncUnsupported)),
        (errno::EIO, Some(MountWarning::FolderSyncFailed)),
        (errno::ENOSPC, None),
    ] {
        for run in runs {
            let disk = disk().without_folder_sync(error);
            let did = run(&disk);
            assert_eq!(did.is_ok(), noted.is_some(), "{error}: {did:?}");
            assert_eq!(disk.warnings(), Vec::from_iter(noted), "{error}");
            match noted {
                Some(_) => assert_eq!(settled(&disk, FILE, &[(b'A', &did)]), 1),
                None => assert_eq!(disk.paths(), self::disk().paths(), "{error}"),
            }
            if noted.is_none() {
                continue;
            }
            // Every fault except a power failure.
            let counted = self::disk().without_folder_sync(error);
            run(&counted).unwrap();
            for step in 0..counted.steps() {
                for fault in [Fault::Fails(step), Fault::Full(step), Fault::Killed(step)] {
                    let faulty = self::disk().without_folder_sync(error).faulty(fault);
                    let did = run(&faulty);
                    let after = faulty.after();
                    let content = after.content(FILE).expect("the file is there");
                    if !fault.ends() {
                        assert_eq!(content == b"oldA", did.is_ok(), "{fault:?}: {did:?}");
                    }
                    append_all(&after, b'B').unwrap();
                }
            }
        }
    }
}

/// If the old content can't be restored either, the message matches the disk.
#[test]
fn a_complete_file_is_not_reported_as_interrupted() {
    let disk = disk();
    let check = |_: &[u8]| {
        // The disk is full from here on.
        Err(Failure::Interrupted)
    };
    let exchange = exchange(&disk, Path::new(FILE), Path::new(FILE), b'A').unwrap();
    let counted = disk.after();
    let locks = Locks::acquire(&counted, [Path::new(FOLDER)], "patch").unwrap();
    replace(&locks, &exchange, &check).unwrap_err();
    drop(locks);
    let mut whole = 0;
    for step in 0..counted.steps() {
        let full = disk.faulty(Fault::Full(step));
        let Ok(locks) = Locks::acquire(&full, [Path::new(FOLDER)], "patch") else {
            continue;
        };
        let failure = replace(&locks, &exchange, &check).unwrap_err();
        let content = full.content(FILE).unwrap();
        match failure {
            Failure::RollbackFailed { reason: why, .. } => {
                assert_eq!(content, b"oldA", "{step}");
                assert!(why.contains("it holds the complete new content"), "{why}");
                whole += 1;
            }
            _ => assert_eq!(content, b"old", "{step}"),
        }
    }
    assert!(whole > 0);
}

/// Whole runs of `patch FILE` and `restore FILE` on a driver. The reported
/// changes lead from the first limit to the final one.
#[test]
fn each_of_two_runs_over_a_driver_reports_its_own_changes() {
    two_runs_over_a_driver(|_| {});
}

/// The same where a replaced file is missing for a moment, as on NTFS-3G.
#[test]
fn a_file_that_another_run_renames_is_waited_for() {
    two_runs_over_a_driver(|disk| disk.split_renames());
}

fn two_runs_over_a_driver(prepare: impl Fn(&RunDisk<'_>)) {
    let specimen = Spec::xp_sp3().with_text_kib(1).build();
    let (old, at) = (&specimen.file, specimen.value_offset());
    let path = Path::new("/disc/tcpip.sys");
    let to = |limit| Task::Patch { limit };
    let back = Task::Restore { use_backup: true };
    let once = [to(100), to(100)];
    for tasks in [once, [to(100), to(200)], [to(100), back]] {
        let disk = FaultyDisk::with(&[("/disc/tcpip.sys", old)]);
        let jobs = tasks.map(job);
        let [one, two] = &jobs;
        let run = |job: &Job, disk: &RunDisk<'_>| {
            prepare(disk);
            job.run(disk, path)
        };
        let runs: [&dyn Fn(&RunDisk<'_>) -> FileResult; 2] =
            [&|disk| run(one, disk), &|disk| run(two, disk)];
        let (mut both, mut waited) = (0, 0);
        every_order(&disk, false, runs, |disk, done| {
            let mut changes = Vec::new();
            for done in done {
                match &done.outcome {
                    Outcome::Changed => {
                        let plan = &done.facts[0].plan;
                        changes.push((plan.before, plan.after));
                    }
                    Outcome::Unchanged => {}
                    Outcome::Failed(Failure::Locked(_)) => waited += 1,
                    other => panic!("{other:?}"),
                }
                if let Some(kept) = &done.kept {
                    let kept = kept.display().to_string();
                    assert!(disk.content(&kept).is_some(), "{kept}");
                }
            }
            if changes.len() == 2 && changes[0].0 != 10 {
                changes.reverse();
            }
            let limit = changes.iter().fold(10, |limit, &(before, after)| {
                assert_eq!(limit, before, "{changes:?}");
                after
            });
            let content = disk.content("/disc/tcpip.sys").unwrap();
            let there = content[at..].first_chunk().unwrap();
            assert_eq!(u32::from_le_bytes(*there), limit, "{changes:?}");
            assert!(!changes.is_empty());
            assert!(tasks != once || changes.len() == 1, "{changes:?}");
            let paths = disk.paths();
            let is_original = |path: &String| disk.content(path).as_ref() == Some(old);
            assert!(paths.iter().any(is_original), "{paths:?}");
            assert!(paths.len() <= 3, "{paths:?}");
            both += usize::from(changes.len() == 2);
        });
        assert!(
            waited > 0 && (both > 0 || tasks == once),
            "{waited}, {both}"
        );
    }
}
