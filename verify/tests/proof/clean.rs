//! `clean` on a file system that fails, fills up or stops at any step: no build
//! is ever lost, and the next run removes the rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use specimen::Spec;
use tcplimit::patch::filesystem::FileSystem;
use tcplimit::patch::job::{Outcome, Task};
use tcplimit::patch::journal::{self, recover, replace_all};
use tcplimit::patch::leftover::{Leftover, LeftoverKind, Removal, clean, leftovers};
use tcplimit::patch::lock::Locks;
use tcplimit::patch::replace::{Failure, Keep, Replacement};
use verify::faulty_disk::interleaving::{KILLED, RunDisk, every_order};
use verify::faulty_disk::{Fault, FaultyDisk};
use verify::patching::job;

const HOME: &str = "/disc/WINDOWS";
const CACHE: &str = "/disc/WINDOWS/cache/tcpip.sys";
const DRIVER: &str = "/disc/WINDOWS/drivers/tcpip.sys";
const BUILDS: [u64; 3] = [1, 2, 3];
const LIMITS: [u32; 3] = [10, 50, 100];

fn specimen(build: u64, value: u32) -> Vec<u8> {
    let spec = Spec {
        start_up: value,
        seed: build,
        ..Spec::xp_sp3().with_text_kib(1)
    };
    spec.build().file
}

fn backup(path: &str, content: &[u8]) -> String {
    let backup = Keep::Backup.path(Path::new(path), content);
    backup.expect("it has a name").display().to_string()
}

fn staged(path: &str, number: u32) -> String {
    format!("{path}.{number}.tcplimit-new")
}

fn folders() -> Vec<PathBuf> {
    ["", "cache", "drivers"]
        .map(|name| match name {
            "" => PathBuf::from(HOME),
            name => Path::new(HOME).join(name),
        })
        .to_vec()
}

fn cleaned(disk: &impl FileSystem) -> Result<Vec<(Leftover, Removal)>, Failure> {
    clean(disk, Path::new(HOME), &folders(), &|| true)
}

/// The leftovers that `clean` would remove.
fn useless(disk: &FaultyDisk) -> Vec<Leftover> {
    let mut left = leftovers(disk, Path::new(HOME), &folders(), None).expect("it is readable");
    left.retain(|left| left.is_removable);
    left
}

/// The builds of the complete files on a disk, and whether they are unpatched.
fn builds(disk: &FaultyDisk) -> BTreeSet<(u64, bool)> {
    static KNOWN: LazyLock<Vec<(u64, bool, Vec<u8>)>> = LazyLock::new(|| {
        let all = BUILDS
            .into_iter()
            .flat_map(|build| LIMITS.map(|limit| (build, limit)));
        let build = |(build, limit)| (build, limit == 10, specimen(build, limit));
        all.map(build).collect()
    });
    let mut found = BTreeSet::new();
    for path in disk.paths() {
        let content = disk.content(&path);
        let is = |(.., known): &&(u64, bool, Vec<u8>)| Some(known) == content.as_ref();
        if let Some((build, is_pristine, _)) = KNOWN.iter().find(is) {
            // An unpatched file is also a copy of its build.
            found.insert((*build, false));
            found.insert((*build, *is_pristine));
        }
    }
    found
}

/// Every file, with its content.
fn all(disk: &FaultyDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let paths = disk.paths().into_iter();
    paths
        .map(|path| (path.clone(), disk.content(&path)))
        .collect()
}

/// A disk with every kind of file, and the paths that stay.
fn disk() -> (FaultyDisk, Vec<String>) {
    let [old, new, between] = [10, 100, 50].map(|value| specimen(1, value));
    let [cached, other] = [2, 3].map(|build| specimen(build, 10));
    // Complete, but not made by this program.
    let odd = specimen(1, 0);
    let torn = &new[..new.len() / 2];
    let in_cache = backup(CACHE, &cached);
    let stays = [
        (CACHE.to_owned(), cached.as_slice()),
        (DRIVER.to_owned(), &new),
        // The backup of a patched file.
        (backup(DRIVER, &old), &old),
        // The only copy of another build.
        (staged(DRIVER, 2), &other),
        (staged(DRIVER, 4), &odd),
        // A backup whose name does not match its content.
        (format!("{DRIVER}.0123456789abcdef.orig"), b"mine"),
        (format!("{DRIVER}.0123456789abcdef.damaged"), torn),
        (
            "/disc/WINDOWS/drivers/afd.sys.1.tcplimit-new".to_owned(),
            torn,
        ),
    ];
    let goes = [
        (in_cache, cached.as_slice()),
        (staged(CACHE, 1), &cached),
        (staged(DRIVER, 1), &between),
        (staged(DRIVER, 3), torn),
        (staged(&backup(DRIVER, &old), 1), &old),
        ("/disc/WINDOWS/drivers/tcplimit.lock".to_owned(), b""),
        (format!("{HOME}/tcplimit.journal"), b"tcplimit jour"),
    ];
    let all = stays.iter().chain(&goes);
    let files: Vec<(&str, &[u8])> = all
        .map(|(path, content)| (path.as_str(), *content))
        .collect();
    let mut kept: Vec<String> = stays.iter().map(|(path, _)| path.clone()).collect();
    kept.sort();
    (FaultyDisk::with(&files), kept)
}

#[test]
fn clean_removes_only_useless_files() {
    let (disk, stays) = disk();
    let before = builds(&disk);
    assert_eq!(before.len(), 6, "{before:?}");
    let done = cleaned(&disk).unwrap();
    assert_eq!(disk.paths(), stays);
    assert_eq!(builds(&disk), before);
    for (left, outcome) in &done {
        let is_there = disk.content(&left.path.display().to_string()).is_some();
        let removed = matches!(outcome, Removal::Removed);
        assert_eq!(removed, !is_there, "{left:?}");
    }
    assert_eq!(useless(&disk), []);
    let steps = disk.steps();
    assert!(
        cleaned(&disk)
            .unwrap()
            .iter()
            .all(|(left, _)| !left.is_removable)
    );
    assert!(steps < disk.steps());
    assert_eq!(disk.paths(), stays);
}

#[test]
fn an_unpatched_driver_stays_where_its_build_is_patched_everywhere_else() {
    let left = staged(DRIVER, 1);
    for (content, stays) in [(specimen(1, 10), true), (specimen(1, 50), false)] {
        let disk = FaultyDisk::with(&[(DRIVER, &specimen(1, 100)), (&left, &content)]);
        cleaned(&disk).unwrap();
        assert_eq!(disk.content(&left).is_some(), stays);
    }
}

#[test]
fn after_any_fault_no_build_is_lost_and_the_next_run_removes_the_rest() {
    let (disk, stays) = disk();
    let before = builds(&disk);
    let counted = disk.after();
    cleaned(&counted).unwrap();
    let mut seen = BTreeSet::new();
    for step in 0..counted.steps() {
        // A fifth of the power losses at each step, in turn.
        let faults = (step..).zip(Fault::at(step));
        let faults = faults.filter(|(turn, fault)| {
            turn.is_multiple_of(5) || !matches!(fault, Fault::PowerLoss(..))
        });
        for (_, fault) in faults {
            let faulty = disk.faulty(fault);
            let done = cleaned(&faulty);
            let after = faulty.after();
            assert_eq!(builds(&after), before, "{fault:?}");
            for path in &stays {
                assert_eq!(after.content(path), disk.content(path), "{fault:?}: {path}");
            }
            if !fault.ends() {
                // The result matches the disk.
                for (left, outcome) in done.iter().flatten() {
                    let there = after.content(&left.path.display().to_string());
                    let removed = matches!(outcome, Removal::Removed);
                    let is_lock = left.kind == LeftoverKind::Lock;
                    assert!(is_lock || removed == there.is_none(), "{fault:?}: {left:?}");
                }
            }
            // Steps that only read leave the same disk.
            if !seen.insert(all(&after)) {
                continue;
            }
            cleaned(&after).unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
            assert_eq!(after.paths(), stays, "{fault:?}");
        }
    }
}

/// A user copied the file back, and the system has not flushed it yet.
#[test]
fn a_backup_stays_until_the_file_with_its_content_is_flushed() {
    let old = specimen(1, 10);
    let backup = backup(DRIVER, &old);
    let disk = FaultyDisk::with(&[(&backup, &old)]);
    disk.create(Path::new(DRIVER), &old).unwrap();
    let disk = disk.after();
    let counted = disk.after();
    cleaned(&counted).unwrap();
    assert_eq!(counted.paths(), [DRIVER]);
    for step in 0..=counted.steps() {
        for fault in Fault::at(step) {
            let faulty = disk.faulty(fault);
            drop(cleaned(&faulty));
            let after = faulty.after();
            let is_there = |path: &str| after.content(path).as_ref() == Some(&old);
            assert!(is_there(&backup) || is_there(DRIVER), "{fault:?}");
        }
    }
}

#[test]
fn a_backup_stays_when_the_file_changes_at_the_last_moment() {
    let (old, new) = (specimen(1, 10), specimen(1, 50));
    let backup = backup(DRIVER, &old);
    let disk = FaultyDisk::with(&[(DRIVER, &old), (&backup, &old)]);
    let counted = disk.clone();
    cleaned(&counted).unwrap();
    assert_eq!(counted.paths(), [DRIVER]);
    // The file changes between two reads. The last of five reads is right
    // before the removal of the backup.
    for seen in 1..5 {
        let disk = disk.clone().with_foreign_write(DRIVER, &new, seen);
        drop(cleaned(&disk));
        assert_eq!(disk.content(DRIVER).as_ref(), Some(&new), "{seen}");
        assert_eq!(disk.content(&backup).as_ref(), Some(&old), "{seen}");
    }
}

const COPIES: [&str; 2] = ["cache/tcpip.sys", "drivers/tcpip.sys"];

fn locks(disk: &FaultyDisk) -> Result<Locks<'_, FaultyDisk>, Failure> {
    let folders = journal::folders_to_lock(disk, Path::new(HOME), COPIES.map(Path::new))?;
    Locks::acquire(disk, folders.iter().map(PathBuf::as_path), "patch")
}

/// Patches both copies, which are of different builds.
fn patch_all(disk: &FaultyDisk) -> Result<(), Failure> {
    let files: Vec<Replacement> = COPIES
        .iter()
        .zip(BUILDS)
        .map(|(path, build)| Replacement {
            path: PathBuf::from(path),
            before: specimen(build, 10).into(),
            after: specimen(build, 100).into(),
            keep: Keep::Backup,
            like: None,
            touch: false,
        })
        .collect();
    let locks = locks(disk)?;
    replace_all(&locks, Path::new(HOME), &files, &|| true, &|_, _| Ok(())).map(|_| ())
}

/// A run over both copies is killed at any step, and then `clean` is, too.
#[test]
fn files_of_a_killed_run_are_removed_only_without_a_pending_rollback() {
    let pair = [(CACHE, specimen(1, 10)), (DRIVER, specimen(2, 10))];
    let disk = FaultyDisk::with(&[(CACHE, &pair[0].1), (DRIVER, &pair[1].1)]);
    let counted = disk.after();
    patch_all(&counted).unwrap();
    let (mut seen, mut mixed, mut finished) = (BTreeSet::new(), 0, 0);
    for step in 0..counted.steps() {
        let stopped = disk.faulty(Fault::Killed(step));
        drop(patch_all(&stopped));
        let stopped = stopped.after();
        if !seen.insert(all(&stopped)) {
            continue;
        }
        let before = builds(&stopped);
        let patched = |disk: &FaultyDisk| {
            let is = |(path, old): &&(&str, Vec<u8>)| disk.content(path).as_ref() != Some(old);
            pair.iter().filter(is).count()
        };
        let was = patched(&stopped);
        let counted = stopped.after();
        cleaned(&counted).unwrap();
        let mut left = BTreeSet::new();
        for second in 0..=counted.steps() {
            let again = stopped.faulty(Fault::Killed(second));
            drop(cleaned(&again));
            let again = again.after();
            assert_eq!(builds(&again), before, "{step}, {second}");
            assert_eq!(patched(&again), was, "{step}, {second}");
            if !left.insert(all(&again)) {
                continue;
            }
            let found = all(&again);
            cleaned(&again).unwrap();
            let pending = journal::is_pending(&again, Path::new(HOME)).unwrap();
            assert_eq!(pending, was == 1, "{step}, {second}");
            match pending {
                // Everything needed for the rollback is there.
                true => {
                    assert_eq!(all(&again), found, "{step}, {second}");
                    mixed += 1;
                    recover(&locks(&again).unwrap(), Path::new(HOME)).unwrap();
                    assert_eq!(patched(&again), 0, "{step}, {second}");
                }
                false => finished += 1,
            }
            cleaned(&again).unwrap();
            assert_eq!(again.paths().len(), if was == 2 { 4 } else { 2 });
        }
    }
    assert!(mixed > 0 && finished > 100, "{mixed}, {finished}");
}

/// The result of a run.
#[derive(Debug)]
enum RunResult {
    Patched(Outcome),
    Cleaned(Result<Vec<(Leftover, Removal)>, Failure>),
}

#[test]
fn clean_removes_no_file_of_a_running_patch() {
    let (old, new) = (specimen(1, 10), specimen(1, 100));
    let kept = backup(DRIVER, &old);
    let left = staged(DRIVER, 1);
    let disk = FaultyDisk::with(&[(DRIVER, &old), (&kept, &old), (&left, &new)]);
    let job = job(Task::Patch { limit: 100 });
    let runs: [&dyn Fn(&RunDisk<'_>) -> RunResult; 2] = [
        &|disk| RunResult::Patched(job.run(disk, Path::new(DRIVER)).outcome),
        &|disk| RunResult::Cleaned(cleaned(disk)),
    ];
    let (mut changed, mut removed, mut killed) = (0, 0, 0);
    every_order(&disk, true, runs, |disk, did| {
        let content = disk.content(DRIVER).expect("the file is there");
        assert!(content == old || content == new, "{did:?}");
        let is_kept = disk.content(&kept).as_ref() == Some(&old);
        assert!(is_kept || content == old, "{did:?}");
        let [RunResult::Patched(patched), RunResult::Cleaned(cleaned)] = did else {
            panic!("{did:?}");
        };
        match patched {
            Outcome::Changed => {
                assert!(content == new && is_kept, "{did:?}");
                changed += 1;
            }
            Outcome::Failed(Failure::Locked(_)) => {}
            Outcome::Failed(failure) if failure.to_string().contains(KILLED) => killed += 1,
            other => panic!("{other:?}"),
        }
        removed += u32::from(match cleaned {
            Ok(done) => done.iter().any(|(_, how)| matches!(how, Removal::Removed)),
            Err(Failure::Locked(_)) => false,
            Err(other) => panic!("{other:?}"),
        });
    });
    assert!(
        changed > 2 && removed > 2 && killed > 2,
        "{changed}, {removed}, {killed}"
    );
}
