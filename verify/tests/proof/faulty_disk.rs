//! Patching on a file system that fails, fills up, or stops at any step: files
//! are always complete, and the next run succeeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use specimen::Spec;
use tcplimit::patch::Refusal;
use tcplimit::patch::filesystem::FileSystem;
use tcplimit::patch::job::{FileResult, Job, Outcome, Target, Task};
use tcplimit::patch::journal::{self, ContentCheck, Recovery, recover, replace_all};
use tcplimit::patch::lock::{self, Locks};
use tcplimit::patch::replace::{Failure, Keep, Replacement, replace};
use verify::faulty_disk::{Fault, FaultyDisk};
use verify::patching::job;

const FILE: &str = "/disc/tcpip.sys";

fn specimen(value: u32) -> Vec<u8> {
    let spec = Spec {
        start_up: value,
        ..Spec::xp_sp3().with_text_kib(4)
    };
    spec.build().file
}

fn backup_of(path: &Path, content: &[u8]) -> PathBuf {
    Keep::Backup
        .path(path, content)
        .expect("backups have names")
}

/// All files except a lock file that could not be removed.
fn paths(disk: &FaultyDisk) -> Vec<String> {
    let mut paths = disk.paths();
    paths.retain(|path| !path.ends_with(lock::NAME));
    paths
}

/// Replaces the content of one file.
fn replaced(
    disk: &FaultyDisk,
    keep: Keep,
    check: &dyn Fn(&[u8]) -> Result<(), Failure>,
) -> Result<Option<PathBuf>, Failure> {
    let exchange = Replacement {
        path: PathBuf::from(FILE),
        before: b"old".to_vec().into(),
        after: b"new".to_vec().into(),
        keep,
        like: None,
        touch: false,
    };
    let locks = Locks::acquire(disk, [Path::new("/disc")], "patch")?;
    replace(&locks, &exchange, check)
}

/// All faults at all steps of a run on a disk.
fn faults(disk: &FaultyDisk, run: impl Fn(&FaultyDisk)) -> Vec<Fault> {
    let counted = disk.after();
    run(&counted);
    assert!(counted.steps() > 5, "{} steps", counted.steps());
    (0..counted.steps()).flat_map(Fault::at).collect()
}

/// The outcome of a job under each fault, the disk after it, and the content of
/// the file, which is old or new.
fn outcomes<'a>(
    disk: &'a FaultyDisk,
    job: &'a Job,
    contents: [&'a Vec<u8>; 2],
) -> impl Iterator<Item = (Fault, FileResult, FaultyDisk, Vec<u8>)> {
    let run = |disk: &FaultyDisk| job.run(disk, Path::new(FILE));
    let faults = faults(disk, |disk| drop(run(disk)));
    faults.into_iter().map(move |fault| {
        let faulty = disk.faulty(fault);
        let done = run(&faulty);
        let after = faulty.after();
        let content = after.content(FILE).expect("the file is there");
        assert!(contents.contains(&&content), "{fault:?}");
        (fault, done, after, content)
    })
}

#[test]
fn after_any_fault_a_patched_file_is_old_or_new_and_the_next_run_succeeds() {
    let (old, new) = (specimen(10), specimen(100));
    let backup = backup_of(Path::new(FILE), &old).display().to_string();
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let patch = job(Task::Patch { limit: 100 });
    let run = |disk: &FaultyDisk| patch.run(disk, Path::new(FILE));
    for (fault, done, after, content) in outcomes(&disk, &patch, [&old, &new]) {
        assert_eq!(after.metadata(FILE), Some(1), "{fault:?}");
        if let Some(backup) = after.content(&backup) {
            assert_eq!(backup, old, "{fault:?}");
        }
        if content == new {
            assert!(after.content(&backup).is_some(), "{fault:?}: no backup");
        }
        if !fault.ends() {
            // The result matches the disk.
            match done.outcome {
                Outcome::Changed => assert_eq!(content, new, "{fault:?}"),
                Outcome::Failed(_) => assert_eq!(content, old, "{fault:?}"),
                _ => panic!("{fault:?}: {done:?}"),
            }
            let left = |path: &String| path != FILE && *path != backup;
            let left: Vec<String> = paths(&after).into_iter().filter(left).collect();
            assert_eq!(left, [""; 0], "{fault:?}");
        }

        let again = run(&after);
        assert!(
            matches!(again.outcome, Outcome::Changed | Outcome::Unchanged),
            "{fault:?}: {again:?}"
        );
        assert_eq!(after.content(FILE).as_ref(), Some(&new), "{fault:?}");
        assert_eq!(after.content(&backup).as_ref(), Some(&old), "{fault:?}");
        assert_eq!(after.metadata(&backup), Some(1), "{fault:?}");
    }
}

#[test]
fn after_any_fault_a_restored_file_is_old_or_new_and_the_next_run_succeeds() {
    let (old, new) = (specimen(70), specimen(30));
    let backup = backup_of(Path::new(FILE), &new).display().to_string();
    let disk = FaultyDisk::with(&[(FILE, &old), (&backup, &new)]);
    let restore = job(Task::Restore { use_backup: true });
    let run = |disk: &FaultyDisk| restore.run(disk, Path::new(FILE));
    for (fault, _, after, _) in outcomes(&disk, &restore, [&old, &new]) {
        assert_eq!(after.content(&backup).as_ref(), Some(&new), "{fault:?}");
        run(&after);
        assert_eq!(after.content(FILE).as_ref(), Some(&new), "{fault:?}");
        assert_eq!(after.metadata(FILE), Some(1), "{fault:?}");
    }
}

#[test]
fn after_any_fault_a_changed_copy_is_complete_or_absent_and_the_next_run_succeeds() {
    const OUT: &str = "/out/out.sys";
    let (old, new) = (specimen(10), specimen(100));
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let to_output = Job {
        target: Target::Output(PathBuf::from(OUT)),
        ..job(Task::Patch { limit: 100 })
    };
    let run = |disk: &FaultyDisk| to_output.run(disk, Path::new(FILE));
    for fault in faults(&disk, |disk| drop(run(disk))) {
        let faulty = disk.faulty(fault);
        let done = run(&faulty);
        let after = faulty.after();
        assert_eq!(after.content(FILE).as_ref(), Some(&old), "{fault:?}");
        let there = after.content(OUT);
        assert!(there.is_none() || there.as_ref() == Some(&new), "{fault:?}");
        if !fault.ends() {
            let written = matches!(done.outcome, Outcome::Changed);
            assert_eq!(there.is_some(), written, "{fault:?}: {done:?}");
            let left = paths(&after).len();
            assert_eq!(left, 1 + usize::from(written), "{fault:?}");
        }
        let again = run(&after);
        assert!(
            matches!(again.outcome, Outcome::Changed | Outcome::Unchanged),
            "{fault:?}: {again:?}"
        );
        assert_eq!(after.content(OUT).as_ref(), Some(&new), "{fault:?}");
        assert_eq!(after.metadata(OUT), Some(1), "{fault:?}");
    }
}

const HOME: &str = "/disc/WINDOWS";

/// Four files in three folders, before and after.
fn files() -> Vec<Replacement> {
    [
        "dllcache/a.sys",
        "drivers/a.sys",
        "drivers/b.sys",
        "sp/a.sys",
    ]
    .into_iter()
    .zip(0_u8..)
    .map(|(path, number)| Replacement {
        path: PathBuf::from(path),
        before: vec![number; 600].into(),
        after: [vec![number; 300], vec![number + 100; 4], vec![number; 296]]
            .concat()
            .into(),
        keep: Keep::Backup,
        like: None,
        touch: false,
    })
    .collect()
}

fn path(file: &Replacement) -> String {
    Path::new(HOME).join(&file.path).display().to_string()
}

fn system() -> FaultyDisk {
    let files = files();
    let paths: Vec<String> = files.iter().map(path).collect();
    let pairs = paths.iter().zip(&files);
    let pairs: Vec<(&str, &[u8])> = pairs
        .map(|(path, file)| (path.as_str(), file.before.as_slice()))
        .collect();
    FaultyDisk::with(&pairs)
}

fn locks(disk: &FaultyDisk) -> Result<Locks<'_, FaultyDisk>, Failure> {
    let files = files();
    let files = files.iter().map(|file| file.path.as_path());
    let folders = journal::folders_to_lock(disk, Path::new(HOME), files)?;
    Locks::acquire(disk, folders.iter().map(PathBuf::as_path), "patch")
}

fn exchange_if(
    disk: &FaultyDisk,
    go_on: &dyn Fn() -> bool,
    check: &ContentCheck<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    replace_all(&locks(disk)?, Path::new(HOME), &files(), go_on, check)
}

fn exchange(disk: &FaultyDisk) -> Result<Vec<PathBuf>, Failure> {
    exchange_if(disk, &|| true, &|_, _| Ok(()))
}

fn put_back(disk: &FaultyDisk) -> Result<Recovery, Failure> {
    recover(&locks(disk)?, Path::new(HOME))
}

/// The state of the files: all old, all new, or a mix.
#[derive(Debug, PartialEq, Eq)]
enum DiskState {
    Before,
    After,
    Mixed,
}

fn disk_state(disk: &FaultyDisk) -> DiskState {
    let contents = files().into_iter().map(|file| {
        let content = disk.content(&path(&file)).expect("the file is there");
        assert!(
            content == *file.before || content == *file.after,
            "{}",
            path(&file)
        );
        content == *file.after
    });
    let after: Vec<bool> = contents.collect();
    match (after.iter().all(|&is| is), after.iter().any(|&is| is)) {
        (true, _) => DiskState::After,
        (_, false) => DiskState::Before,
        _ => DiskState::Mixed,
    }
}

#[test]
fn all_files_are_exchanged_and_nothing_but_backups_is_left() {
    let disk = system();
    let backups = exchange(&disk).unwrap();
    assert_eq!(disk_state(&disk), DiskState::After);
    assert_eq!(disk.paths().len(), 8, "{:?}", disk.paths());
    for (backup, file) in backups.iter().zip(files()) {
        assert_eq!(
            disk.content(&backup.display().to_string()),
            Some(file.before.to_vec())
        );
    }
    for (like, file) in (1..).zip(files()) {
        assert_eq!(disk.metadata(&path(&file)), Some(like));
    }
}

#[test]
fn after_any_fault_many_files_are_one_transaction() {
    let disk = system();
    let mut mixed = 0;
    for fault in faults(&disk, |disk| drop(exchange(disk))) {
        let faulty = disk.faulty(fault);
        let result = exchange(&faulty);
        let after = faulty.after();
        let now = disk_state(&after);
        let pending = journal::is_pending(&after, Path::new(HOME)).unwrap();
        assert!(
            now != DiskState::Mixed || pending,
            "{fault:?}: mixed, and no journal"
        );
        mixed += u32::from(now == DiskState::Mixed);
        if !fault.ends() {
            // The result matches the disk.
            match result {
                Ok(_) => assert_eq!((now, pending), (DiskState::After, false), "{fault:?}"),
                Err(Failure::RollbackFailed { .. }) => assert!(pending, "{fault:?}"),
                Err(_) => {
                    assert_eq!((now, pending), (DiskState::Before, false), "{fault:?}");
                    assert_eq!(paths(&after), disk.paths(), "{fault:?}");
                }
            }
        }
        let found = put_back(&after).unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
        assert_eq!(found == Recovery::Nothing, !pending, "{fault:?}");
        assert_ne!(disk_state(&after), DiskState::Mixed, "{fault:?}");
        let put_back = !pending || disk_state(&after) == DiskState::Before;
        assert!(put_back, "{fault:?}");
        if disk_state(&after) == DiskState::Before {
            exchange(&after).unwrap();
        }
        assert_eq!(disk_state(&after), DiskState::After, "{fault:?}");
        assert!(!journal::is_pending(&after, Path::new(HOME)).unwrap());
        for (like, file) in (1..).zip(files()) {
            assert_eq!(after.metadata(&path(&file)), Some(like), "{fault:?}");
        }
    }
    assert!(mixed > 20, "{mixed}: the journal was never needed");
}

#[test]
fn a_rollback_can_be_interrupted_anywhere() {
    let disk = system();
    let counted = disk.after();
    exchange(&counted).unwrap();
    let mut kills = 0;
    let mut left = std::collections::BTreeSet::new();
    for step in 0..counted.steps() {
        let stopped = disk.faulty(Fault::Killed(step));
        drop(exchange(&stopped));
        let stopped = stopped.after();
        let names = stopped.paths().into_iter();
        let all: Vec<_> = names.map(|name| (stopped.content(&name), name)).collect();
        let is_pending = journal::is_pending(&stopped, Path::new(HOME)).unwrap();
        // Steps that only read leave the same disk.
        if !is_pending || !left.insert(all) {
            continue;
        }
        let counted = stopped.after();
        put_back(&counted).unwrap();
        for second in 0..counted.steps() {
            for fault in Fault::at(second) {
                let again = stopped.faulty(fault);
                drop(put_back(&again));
                let again = again.after();
                put_back(&again).unwrap_or_else(|failure| panic!("{step}, {fault:?}: {failure}"));
                assert_eq!(disk_state(&again), DiskState::Before, "{step}, {fault:?}");
                kills += 1;
            }
        }
    }
    assert!(kills > 5000, "{kills}");
}

#[test]
fn ctrl_c_between_two_files_rolls_back_everything() {
    for allowed in 0..4 {
        let disk = system();
        let asked = std::cell::Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= allowed
        };
        let result = exchange_if(&disk, &go_on, &|_, _| Ok(()));
        assert!(matches!(result, Err(Failure::Interrupted)), "{allowed}");
        assert_eq!(disk_state(&disk), DiskState::Before, "{allowed}");
        assert_eq!(disk.paths(), system().paths(), "{allowed}");
    }
}

#[test]
fn a_file_that_fails_the_check_rolls_back_everything() {
    let disk = system();
    let check = |file: &Replacement, _: &[u8]| match file.path.ends_with("b.sys") {
        true => Err(Failure::Interrupted),
        false => Ok(()),
    };
    let result = exchange_if(&disk, &|| true, &check);
    assert!(result.is_err());
    assert_eq!(disk_state(&disk), DiskState::Before);
}

/// An update or a person changes any of the files before the next run, after a
/// kill at any step of the exchange.
#[test]
fn a_file_changed_or_removed_by_others_stays_and_the_rest_is_rolled_back() {
    let disk = system();
    let counted = disk.after();
    exchange(&counted).unwrap();
    let mut mixed = 0;
    for step in 0..counted.steps() {
        for changed in files().iter().map(path) {
            for update in [None, Some(b"an update's")] {
                let stopped = disk.faulty(Fault::Killed(step));
                drop(exchange(&stopped));
                let stopped = stopped.after();
                if !journal::is_pending(&stopped, Path::new(HOME)).unwrap() {
                    continue;
                }
                mixed += u32::from(disk_state(&stopped) == DiskState::Mixed);
                stopped.remove(Path::new(&changed)).unwrap();
                if let Some(update) = update {
                    stopped.create(Path::new(&changed), update).unwrap();
                }
                let found = put_back(&stopped).unwrap();
                assert!(!journal::is_pending(&stopped, Path::new(HOME)).unwrap());
                let content = update.map(|update| update.to_vec());
                assert_eq!(stopped.content(&changed), content, "{step}");
                let others = files().into_iter().filter(|file| path(file) != changed);
                for file in others {
                    assert_eq!(stopped.content(&path(&file)), Some(file.before.to_vec()));
                }
                match found {
                    Recovery::Unfinished => {}
                    Recovery::RolledBack { left, .. } => {
                        assert_eq!(left.len(), 1, "{step}");
                        assert!(changed.ends_with(&left[0]), "{step}: {left:?}");
                    }
                    Recovery::Nothing => panic!("{step}"),
                }
            }
        }
    }
    assert!(mixed > 20, "{mixed}");
}

#[test]
fn a_file_changed_during_the_exchange_stays_and_the_rest_is_rolled_back() {
    let disk = system();
    let changed = path(&files()[2]);
    let asked = std::cell::Cell::new(0);
    let go_on = || {
        asked.set(asked.get() + 1);
        if asked.get() == 3 {
            disk.remove(Path::new(&changed)).unwrap();
            disk.create(Path::new(&changed), b"an update's").unwrap();
        }
        true
    };
    let failure = exchange_if(&disk, &go_on, &|_, _| Ok(())).unwrap_err();
    let refused = matches!(failure, Failure::Refused(Refusal::ChangedMeanwhile(_)));
    assert!(refused, "{failure:?}");
    assert!(!journal::is_pending(&disk, Path::new(HOME)).unwrap());
    for file in files() {
        let content = match path(&file) == changed {
            true => b"an update's".to_vec(),
            false => file.before.to_vec(),
        };
        assert_eq!(disk.content(&path(&file)), Some(content));
    }
    // The backup is the only copy of the file that the update replaced.
    let backup = backup_of(Path::new(&changed), &files()[2].before);
    let backup = disk.content(&backup.display().to_string());
    assert_eq!(backup, Some(files()[2].before.to_vec()));
}

/// Changes too large for the journal are rolled back from a backup: those of a
/// recompressed cabinet, for example.
#[test]
fn a_file_whose_length_changed_is_restored_from_its_backup() {
    let mut files = files();
    for file in &mut files {
        Arc::make_mut(&mut file.after).extend_from_slice(b"more");
    }
    restore_from_kept_copies(&files);
}

#[test]
fn temporary_backups_stay_until_the_transaction_ends() {
    let mut files = files();
    for file in &mut files {
        file.keep = Keep::Nothing;
    }
    let count = |files: &[Replacement]| {
        let kept = restore_from_kept_copies(files);
        assert!(kept.iter().all(|path| path.ends_with(".tcplimit-old")));
        kept.len()
    };
    // The journal itself holds a few bytes.
    assert_eq!(count(&files), 0);
    Arc::make_mut(&mut files[1].after).extend_from_slice(b"more");
    assert_eq!(count(&files), 1);
    // Other bytes of the same length.
    (files[2].before, files[2].after) = (vec![1; 65].into(), vec![2; 65].into());
    assert_eq!(count(&files), 2);
}

/// Kills a run at every step and checks that the next one rolls back and leaves
/// nothing. Returns the temporary backups of all these runs.
fn restore_from_kept_copies(files: &[Replacement]) -> Vec<String> {
    let run = |disk: &FaultyDisk| {
        replace_all(&locks(disk)?, Path::new(HOME), files, &|| true, &|_, _| {
            Ok(())
        })
    };
    let before: Vec<(String, &[u8])> = files
        .iter()
        .map(|file| (path(file), &file.before[..]))
        .collect();
    let before: Vec<(&str, &[u8])> = before
        .iter()
        .map(|(path, content)| (&path[..], *content))
        .collect();
    let disk = FaultyDisk::with(&before);
    let counted = disk.after();
    run(&counted).unwrap();
    let backups = |disk: &FaultyDisk| {
        let mut paths = paths(disk);
        paths.retain(|path| !files.iter().any(|file| self::path(file) == *path));
        paths
    };
    let for_good = backups(&counted);
    assert!(for_good.iter().all(|path| path.ends_with(".orig")));
    let mut meanwhile = Vec::new();
    for step in 0..counted.steps() {
        let stopped = disk.faulty(Fault::Killed(step));
        drop(run(&stopped));
        let stopped = stopped.after();
        if journal::is_pending(&stopped, Path::new(HOME)).unwrap() {
            let kept = backups(&stopped);
            meanwhile.extend(kept.into_iter().filter(|path| path.ends_with("-old")));
            let found = put_back(&stopped).unwrap();
            for file in files {
                assert_eq!(stopped.content(&path(file)).as_ref(), Some(&*file.before));
            }
            // An incomplete journal names no file.
            if let Recovery::RolledBack { .. } = found {
                let left = backups(&stopped);
                let left = left.iter().filter(|path| !path.ends_with(".orig"));
                assert_eq!(left.collect::<Vec<_>>(), [""; 0], "killed at {step}");
            }
        }
    }
    meanwhile.sort();
    meanwhile.dedup();
    meanwhile
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let disk = FaultyDisk::with(&[(FILE, b"an update's")]);
    let result = replaced(&disk, Keep::Backup, &|_| Ok(()));
    let refused = matches!(result, Err(Failure::Refused(Refusal::ChangedMeanwhile(_))));
    assert!(refused, "{result:?}");
    assert_eq!(disk.content(FILE), Some(b"an update's".to_vec()));
    // It may be the only copy.
    let backup = backup_of(Path::new(FILE), b"old").display().to_string();
    assert_eq!(disk.paths(), [FILE, &backup]);
}

#[test]
fn a_different_file_under_the_backups_name_is_refused() {
    let backup = backup_of(Path::new(FILE), b"old").display().to_string();
    let replaced = |there: &[u8]| {
        let disk = FaultyDisk::with(&[(FILE, b"old"), (&backup, there)]);
        let result = replaced(&disk, Keep::Backup, &|_| Ok(()));
        assert_eq!(disk.content(&backup).as_deref(), Some(there));
        (result.is_ok(), disk.content(FILE).unwrap())
    };
    assert_eq!(replaced(b"foreign"), (false, b"old".to_vec()));
    assert_eq!(replaced(b"old"), (true, b"new".to_vec()));
}

#[test]
fn a_replaced_file_that_fails_the_check_is_restored() {
    let disk = FaultyDisk::with(&[(FILE, b"old")]);
    let check = |now: &[u8]| {
        assert_eq!(now, b"new");
        Err(Failure::Interrupted)
    };
    let result = replaced(&disk, Keep::Nothing, &check);
    assert!(matches!(result, Err(Failure::Interrupted)), "{result:?}");
    assert_eq!(disk.content(FILE), Some(b"old".to_vec()));
    assert_eq!(disk.paths(), [FILE]);
}

#[test]
fn an_existing_output_file_stays_in_either_letter_case() {
    let old = specimen(10);
    for (output, case_blind) in [
        ("/disc/TCPIP.SYS", true),
        ("/disc/Mine.sys", true),
        ("/disc/mine.sys", false),
    ] {
        let disk = FaultyDisk::with(&[(FILE, &old), ("/disc/mine.sys", b"mine")]);
        let disk = match case_blind {
            true => disk.case_blind(),
            false => disk,
        };
        let before = disk.paths();
        let to_output = Job {
            target: Target::Output(PathBuf::from(output)),
            ..job(Task::Patch { limit: 100 })
        };
        let done = to_output.run(&disk, Path::new(FILE));
        let refused = matches!(
            done.outcome,
            Outcome::Failed(Failure::Refused(Refusal::OutputExists(_)))
        );
        assert!(refused, "{output}: {done:?}");
        assert_eq!(disk.paths(), before, "{output}");
        assert_eq!(disk.content(FILE), Some(old.clone()), "{output}");
        assert_eq!(disk.content("/disc/mine.sys").unwrap(), b"mine", "{output}");
    }
}

#[test]
fn an_output_file_created_at_the_last_moment_stays() {
    let old = specimen(10);
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let to_output = Job {
        target: Target::Output(PathBuf::from("/disc/out.sys")),
        ..job(Task::Patch { limit: 100 })
    };
    // It is missed only if it appears before the check for it.
    let counted = disk.clone();
    to_output.run(&counted, Path::new(FILE));
    let mut appeared = 0;
    for step in 0..counted.steps() {
        let disk = disk.with_foreign_file(step, "/disc/out.sys", b"another's");
        let done = to_output.run(&disk, Path::new(FILE));
        let written = matches!(done.outcome, Outcome::Changed);
        let there = disk.content("/disc/out.sys").unwrap();
        assert!(written || there == b"another's", "{step}: {done:?}");
        let temporary = |path: &String| path.ends_with(".tcplimit-new");
        assert!(!disk.paths().iter().any(temporary), "{step}");
        let refused = matches!(
            done.outcome,
            Outcome::Failed(Failure::Refused(Refusal::OutputExists(_)))
        );
        assert!(written || refused, "{step}: {done:?}");
        appeared += u32::from(!written);
    }
    assert!(appeared > 3, "{appeared}");
}

#[test]
fn without_its_own_backup_a_file_is_not_changed() {
    let old = specimen(10);
    let backup = backup_of(Path::new(FILE), &old).display().to_string();
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let patch = job(Task::Patch { limit: 100 });
    let counted = disk.clone();
    patch.run(&counted, Path::new(FILE));
    let mut appeared = 0;
    for step in 0..counted.steps() {
        let disk = disk.with_foreign_file(step, &backup, b"another's");
        let done = patch.run(&disk, Path::new(FILE));
        let there = disk.content(&backup).unwrap();
        match done.outcome {
            Outcome::Changed => assert_eq!(there, old, "{step}"),
            _ => {
                assert_eq!(there, b"another's", "{step}: {done:?}");
                assert_eq!(disk.content(FILE).as_ref(), Some(&old), "{step}");
                appeared += 1;
            }
        }
        assert_eq!(disk.paths().len(), 2, "{step}");
    }
    assert!(appeared > 3, "{appeared}");
}

#[test]
fn a_file_with_two_names_or_in_use_is_refused() {
    let old = specimen(10);
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    disk.link(Path::new(FILE), Path::new("/disc/other"))
        .unwrap();
    let patch = job(Task::Patch { limit: 100 });
    let done = patch.run(&disk, Path::new(FILE));
    let refused = matches!(
        done.outcome,
        Outcome::Failed(Failure::Refused(Refusal::HardLinked(_, 2)))
    );
    assert!(refused, "{done:?}");
    assert_eq!(disk.content(FILE), Some(old.clone()));
    assert_eq!(disk.paths(), ["/disc/other", FILE]);

    let disk = FaultyDisk::with(&[(FILE, &old)]).case_blind();
    for target in [Target::InPlace, Target::DryRun] {
        let loaded = Job {
            target,
            running: vec![PathBuf::from("/disc/TcpIp.sys")],
            ..job(Task::Patch { limit: 100 })
        };
        let done = loaded.run(&disk, Path::new(FILE));
        let refused = matches!(
            done.outcome,
            Outcome::Failed(Failure::Refused(Refusal::InUse(_)))
        );
        assert!(refused, "{done:?}");
        assert_eq!(disk.content(FILE).as_ref(), Some(&old));
    }
}

#[test]
fn one_file_of_an_interrupted_change_is_never_changed_alone() {
    let old = specimen(10);
    let home = "/disc/WINDOWS";
    for (path, is_below) in [
        ("/disc/WINDOWS/system32/drivers/tcpip.sys", true),
        ("/disc/WINDOWS/x/tcpip.sys", true),
        ("/disc/WINDOWS/tcpip.sys", true),
        ("/disc/WINDOWS/a/b/c/tcpip.sys", false),
        ("/disc/other/tcpip.sys", false),
    ] {
        let journal = format!("{home}/{}", journal::NAME);
        let disk = FaultyDisk::with(&[(path, &old), (&journal, b"")]);
        for task in [
            Task::Restore { use_backup: true },
            Task::Patch { limit: 100 },
        ] {
            let done = job(task).run(&disk, Path::new(path));
            let refused = matches!(
                &done.outcome,
                Outcome::Failed(Failure::Refused(Refusal::JournalPending(of))) if of == home
            );
            assert_eq!(refused, is_below, "{done:?}");
        }
        assert_eq!(disk.content(path).unwrap() == old, is_below, "{path}");
    }
}

#[test]
fn a_dry_run_reports_a_folder_without_rights_like_the_run_itself() {
    let old = specimen(10);
    let disk = FaultyDisk::with(&[(FILE, &old)]).without_rights("/disc");
    for task in [
        Task::Patch { limit: 100 },
        Task::Restore { use_backup: true },
    ] {
        let disk = match task {
            Task::Patch { .. } => disk.clone(),
            Task::Restore { .. } => {
                FaultyDisk::with(&[(FILE, &specimen(50))]).without_rights("/disc")
            }
        };
        let messages = [Target::DryRun, Target::InPlace].map(|target| {
            let run = Job {
                target,
                ..job(task)
            };
            match run.run(&disk, Path::new(FILE)).outcome {
                Outcome::Failed(failure) => failure.to_string(),
                other => panic!("{task:?}: {other:?}"),
            }
        });
        assert!(messages[0].contains("the folder /disc can't be written to"));
        assert_eq!(messages[0], messages[1]);
        assert_eq!(disk.paths(), [FILE]);
    }
    // An unchanged file needs no rights, nor does a copy in another folder.
    let done = job(Task::Patch { limit: 10 }).run(&disk, Path::new(FILE));
    assert!(matches!(done.outcome, Outcome::Unchanged), "{done:?}");
    let to_output = Job {
        target: Target::Output(PathBuf::from("/out/tcpip.sys")),
        ..job(Task::Patch { limit: 100 })
    };
    let done = to_output.run(&disk, Path::new(FILE));
    assert!(matches!(done.outcome, Outcome::Changed), "{done:?}");
}

#[test]
fn a_touched_file_gets_the_current_time_and_its_backup_keeps_the_old_one() {
    let (old, new) = (specimen(10), specimen(100));
    let backup = backup_of(Path::new(FILE), &old).display().to_string();
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let patch = Job {
        touch: true,
        ..job(Task::Patch { limit: 100 })
    };
    let run = |disk: &FaultyDisk| patch.run(disk, Path::new(FILE));
    for (fault, _, after, content) in outcomes(&disk, &patch, [&old, &new]) {
        if content == new {
            assert_eq!(after.is_touched(FILE), Some(true), "{fault:?}");
        }
        assert_ne!(after.is_touched(&backup), Some(true), "{fault:?}");
        // Restored content has the time of its restoration.
        let put_back = content == old && after.is_touched(FILE) == Some(true);
        assert!(!put_back || matches!(fault, Fault::Fails(_)), "{fault:?}");
        run(&after);
        assert_eq!(after.is_touched(FILE), Some(true), "{fault:?}");
        assert_eq!(after.metadata(FILE), Some(1), "{fault:?}");
        assert_eq!(after.is_touched(&backup), Some(put_back), "{fault:?}");
    }
}
