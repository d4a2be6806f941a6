//! The copies in an offline Windows, as one transaction.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tcplimit_report::{Exit, is_module};

use super::drivers::drivers_in;
use super::failure::Failure;
use super::filesystem::HostFileSystem;
use super::job::{Job, Prepared};
use super::journal::{self, Recovery, Replacement, replace_all};
use super::lock::{self, Locks, OwnerState};
use super::outcome::{FileResult, Outcome, Target};
use super::refusal::Refusal;
use super::replace::check_writable;
use super::reporter::Reporter;
use super::windows_install::{DriverCopy, WindowsInstall};
use crate::terminal::print_error;
use crate::text::count;

/// A run lists the copies at most this many times.
const LISTS: u32 = 3;

const REFUSED: &str = "A copy is refused or can't be read, so none is changed: all copies change together or not at all.";

type Ready = (DriverCopy, PathBuf, Result<Prepared, Failure>);
/// The result of the transaction, if it was attempted.
type TransactionResult = Option<Result<(), Failure>>;

/// Patches or restores each Windows on a disk.
pub(super) struct OfflineWindows<'a> {
    pub(super) job: &'a Job,
    pub(super) fs: &'a HostFileSystem,
    pub(super) stop: &'a AtomicBool,
    /// Whether messages must name the Windows.
    pub(super) is_one_of_several: bool,
    pub(super) reporter: &'a mut Reporter,
}

impl OfflineWindows<'_> {
    /// Patches all copies in a Windows as one transaction, unless the run is to end.
    pub(super) fn patch(&mut self, windir: &Path) -> io::Result<()> {
        if self.reporter.summary.interrupted || self.stop.load(Ordering::Relaxed) {
            self.reporter.summary.interrupted = true;
            return Ok(());
        }
        let done = with_unchanged_copies(|| match WindowsInstall::find(windir) {
            Ok(install) => {
                let (ready, changed) = self.run_transaction(&install)?;
                Ok(Ok((install, ready, changed)))
            }
            Err(reason) => Ok(Err(reason)),
        });
        match done {
            Ok(Ok((install, ready, changed))) => self.report_all(&install, ready, changed),
            Ok(Err(reason)) => {
                self.reporter.report_problem(Exit::Unreadable, &reason);
                Ok(())
            }
            Err(failure) => {
                let reason = self.with_folder(windir, failure.to_string());
                self.reporter.report_problem(failure.exit(), &reason);
                Ok(())
            }
        }
    }

    /// Prepares all copies, and changes them if requested and if all can be changed.
    /// Returns the result of the change, if it was attempted.
    fn run_transaction(
        &mut self,
        install: &WindowsInstall,
    ) -> Result<(Vec<Ready>, TransactionResult), Failure> {
        let fs = self.fs;
        let is_pending = journal::is_pending(fs, &install.windir)?;
        let ready = self.prepare_all(install);
        let changes = |(.., prepared): &Ready| match prepared {
            Ok(prepared) => !prepared.is_unchanged(),
            Err(_) => false,
        };
        let has_work = all_prepared(&ready) && ready.iter().any(changes);
        let is_missing =
            |(.., prepared): &Ready| prepared.as_ref().is_err_and(Failure::may_be_a_rename);
        if has_work {
            check_writable(fs, &install.windir)?;
        }
        if self.job.target != Target::InPlace {
            if is_pending {
                self.report_pending(&install.windir)?;
            }
            return Ok((ready, None));
        }
        if !is_pending && !has_work && !ready.iter().any(is_missing) {
            return Ok((ready, None));
        }
        let copies = install.copies.iter().map(|copy| copy.path.as_path());
        let folders = journal::folders_to_lock(fs, &install.windir, copies)?;
        let folders = folders.iter().map(PathBuf::as_path);
        let locks = match Locks::acquire(fs, folders, self.job.task.name()) {
            Err(Failure::Locked(held)) => return Err(Failure::Locked(held)),
            // The missing copy is the reason to report.
            Err(_) if !is_pending && !has_work => return Ok((ready, None)),
            locks => locks?,
        };
        check_copies(install)?;
        let found = journal::recover(&locks, &install.windir)?;
        self.report_recovery(&install.windir, found);
        // Another run may have been in progress until now.
        let ready = self.prepare_all(install);
        let changed = all_prepared(&ready).then(|| self.replace_copies(&locks, install, &ready));
        Ok((ready, changed))
    }

    fn prepare_all(&self, install: &WindowsInstall) -> Vec<Ready> {
        let copies = install.copies.iter();
        let copies = copies.filter(|copy| self.is_copy(&install.windir, copy));
        let prepare = |copy: &DriverCopy| {
            let path = install.windir.join(&copy.path);
            let prepared = self.job.plan(self.fs, &path).and_then(|prepared| {
                self.job.check(self.fs, &path, &prepared)?;
                Ok(prepared)
            });
            (copy.clone(), path, prepared)
        };
        let linked = install.linked.iter().filter(|copy| !copy.is_cabinet_file);
        let refused = |copy: &DriverCopy| {
            let path = install.windir.join(&copy.path);
            let refusal = Refusal::SymbolicLink(path.display().to_string());
            (copy.clone(), path, Err(refusal.into()))
        };
        linked.map(refused).chain(copies.map(prepare)).collect()
    }

    /// Whether this is a copy to change. An unreadable cabinet may be one: with
    /// `--cabinets` it is refused.
    fn is_copy(&self, windir: &Path, copy: &DriverCopy) -> bool {
        if !copy.is_cabinet_file {
            return true;
        }
        let path = windir.join(&copy.path);
        self.job.cabinets
            && (is_module(&path.to_string_lossy())
                || drivers_in(&path).map_or(true, |drivers| !drivers.is_empty()))
    }

    fn report_all(
        &mut self,
        install: &WindowsInstall,
        ready: Vec<Ready>,
        changed: TransactionResult,
    ) -> io::Result<()> {
        let packed = install.copies.iter().filter(|copy| copy.is_cabinet_file);
        let rewrites = self.job.cabinets;
        for copy in packed.filter(|_| !rewrites) {
            let path = install.windir.join(&copy.path);
            self.reporter
                .report_cabinet(&path, drivers_in(&path), Some(copy.role))?;
        }
        for copy in install.linked.iter().filter(|copy| copy.is_cabinet_file) {
            let path = install.windir.join(&copy.path);
            self.reporter.report_link(&path, Some(copy.role))?;
        }
        if ready.is_empty() {
            let windir = install.windir.display();
            let reason = format!("{windir}: found neither tcpip.sys nor tcpip6.sys");
            self.reporter.report_problem(Exit::Refused, &reason);
            return Ok(());
        }
        let is_sound = all_prepared(&ready);
        for (copy, path, prepared) in ready {
            let result = match prepared {
                Ok(prepared) => {
                    let mut result =
                        FileResult::new(&path, outcome(&prepared, is_sound, changed.as_ref()));
                    if let (Outcome::Changed, Some(before)) = (&result.outcome, &prepared.before) {
                        result.kept = prepared.keep.path(&path, before);
                    }
                    result.facts = prepared.facts;
                    result
                }
                Err(failure) => FileResult::new(&path, Outcome::Failed(failure)),
            };
            self.reporter.report_file(result, Some(copy.role))?;
        }
        match changed {
            Some(Err(Failure::Interrupted)) => self.reporter.summary.interrupted = true,
            Some(Err(failure)) => {
                self.reporter.flush()?;
                let reason = match &failure {
                    Failure::RollbackFailed { .. } => failure.to_string(),
                    _ => format!("{failure}. No copy was changed."),
                };
                let reason = self.with_folder(&install.windir, reason);
                self.reporter.report_problem(failure.exit(), &reason);
            }
            None if !is_sound => {
                self.reporter.flush()?;
                let reason = self.with_folder(&install.windir, REFUSED.to_owned());
                self.reporter.report_problem(Exit::Done, &reason);
            }
            _ => {}
        }
        Ok(())
    }

    fn replace_copies(
        &self,
        locks: &Locks<'_, HostFileSystem>,
        install: &WindowsInstall,
        ready: &[Ready],
    ) -> Result<(), Failure> {
        let sound = ready.iter().filter_map(|(copy, path, prepared)| {
            let prepared = prepared.as_ref().ok()?;
            let file = prepared.replacement(copy.path.clone(), self.job.touch)?;
            (!prepared.is_unchanged()).then_some((file, (path, prepared)))
        });
        let (files, sound): (Vec<Replacement>, Vec<_>) = sound.unzip();
        if files.is_empty() {
            return Ok(());
        }
        let check = |file: &Replacement, now: &[u8]| {
            let pairs = files.iter().zip(&sound);
            match pairs.into_iter().find(|(known, _)| *known == file) {
                Some((_, (path, prepared))) => self.job.verify(path, prepared, now),
                None => Err(Refusal::VerificationFailed.into()),
            }
        };
        let go_on = || !self.stop.load(Ordering::Relaxed);
        replace_all(locks, &install.windir, &files, &go_on, &check).map(|_| ())
    }

    /// Notes that a run has left a journal, or is in progress.
    fn report_pending(&mut self, windir: &Path) -> Result<(), Failure> {
        let held = lock::inspect(self.fs, windir)?;
        let note = match held.filter(|held| held.owner_state == OwnerState::Running) {
            Some(held) => format!("another run of tcplimit is in progress here and holds {held}."),
            None => format!(
                "an earlier run was interrupted and left {}. The next run with --in-place first rolls back its changes.",
                windir.join(journal::NAME).display()
            ),
        };
        self.reporter.add_note(note);
        Ok(())
    }

    /// A reason, with the Windows folder if there may be several.
    fn with_folder(&self, windir: &Path, reason: String) -> String {
        match self.is_one_of_several {
            true => format!("{}: {reason}", windir.display()),
            false => reason,
        }
    }

    /// Reports the rollback of an interrupted run.
    fn report_recovery(&mut self, windir: &Path, found: Recovery) {
        let (back, left) = match found {
            Recovery::Nothing => return,
            Recovery::Unfinished => (Vec::new(), Vec::new()),
            Recovery::RolledBack { back, left } => {
                let number = u64::try_from(back.len()).unwrap_or(u64::MAX);
                let mut text = format!(
                    "an earlier run was interrupted: {} rolled back first.",
                    count(number, "file")
                );
                if !left.is_empty() {
                    text.push_str(&format!(
                        " Left unchanged, because another program changed or removed them: {}.",
                        left.join(", ")
                    ));
                }
                print_error(&text);
                (back, left)
            }
        };
        let every = self.is_one_of_several;
        let named = |path: String| match every {
            true => windir.join(path).to_string_lossy().into_owned(),
            false => path,
        };
        let put_back = self.reporter.summary.put_back.get_or_insert_default();
        put_back.extend(back.into_iter().map(named));
        self.reporter
            .summary
            .left
            .extend(left.into_iter().map(named));
    }
}

/// Attempts a transaction, again with a new list if the copies changed meanwhile.
fn with_unchanged_copies<T>(mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..LISTS {
        match attempt() {
            Err(Failure::CopiesChanged) => {}
            done => return done,
        }
    }
    attempt()
}

/// Checks, under the locks, that the list has every copy: another run may have been
/// renaming one while the list was made.
fn check_copies(install: &WindowsInstall) -> Result<(), Failure> {
    match WindowsInstall::find(&install.windir) {
        Ok(now) if now.copies == install.copies => Ok(()),
        _ => Err(Failure::CopiesChanged),
    }
}

fn all_prepared(ready: &[Ready]) -> bool {
    ready.iter().all(|(.., prepared)| prepared.is_ok())
}

/// The outcome for a copy that could be changed. `changed` is the result of the
/// transaction, if it was attempted.
fn outcome(prepared: &Prepared, is_sound: bool, changed: Option<&Result<(), Failure>>) -> Outcome {
    match changed {
        _ if prepared.is_unchanged() => Outcome::Unchanged,
        None if is_sound => Outcome::WouldChange,
        None => Outcome::NotDone(REFUSED.to_owned()),
        Some(Ok(())) => Outcome::Changed,
        // It concerns one copy, which the text names.
        Some(Err(failure @ (Failure::Refused(_) | Failure::Interrupted))) => {
            Outcome::NotDone(failure.to_string())
        }
        Some(Err(failure)) => Outcome::Failed(failure.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::filesystem::FileSystem;
    use super::super::job::Task;
    use super::super::job::tests::patch_to;
    use super::super::outcome::ReportOptions;
    use super::super::windows_install::tests::tree;
    use super::*;
    use crate::default_inputs::SPECIMEN;
    use crate::manifest::Manifest;
    use crate::terminal::Output;

    #[test]
    fn a_list_without_a_copy_that_was_missing_for_a_moment_is_refused() {
        let root = tree(&["system32/drivers/tcpip.sys", "system32/dllcache/tcpip.sys"]);
        let loaded = root.path().join("system32/drivers/tcpip.sys");
        let whole = WindowsInstall::find(root.path()).unwrap();
        assert!(check_copies(&whole).is_ok());
        std::fs::remove_file(&loaded).unwrap();
        let failed = check_copies(&whole).unwrap_err();
        assert_eq!(failed.exit(), Exit::Unreadable);
        let cached = WindowsInstall::find(root.path()).unwrap();
        assert!(check_copies(&cached).is_ok());
        std::fs::write(&loaded, b"").unwrap();
        let failed = check_copies(&cached).unwrap_err();
        assert!(matches!(failed, Failure::CopiesChanged), "{failed:?}");
    }

    #[test]
    fn copies_are_listed_again_while_they_change_but_not_forever() {
        for (changes, lists) in [(0, 1), (1, 2), (2, 3), (3, 3), (9, 3)] {
            let mut listed = 0;
            let done = with_unchanged_copies(|| {
                listed += 1;
                match listed > changes {
                    true => Ok(()),
                    false => Err(Failure::CopiesChanged),
                }
            });
            assert_eq!(
                (done.is_ok(), listed),
                (changes < LISTS, lists),
                "{changes}"
            );
        }
        let mut listed = 0;
        let done: Result<(), Failure> = with_unchanged_copies(|| {
            listed += 1;
            Err(Failure::Interrupted)
        });
        assert!(matches!(done, Err(Failure::Interrupted)), "{done:?}");
        assert_eq!(listed, 1);
    }

    fn reporter() -> Reporter {
        let options = ReportOptions {
            task: Task::Patch { limit: 100 },
            target: Target::InPlace,
            touch: false,
            covers_many_files: true,
            covers_windows: true,
            suggests_writing: true,
            is_quiet: true,
        };
        let out = Output::to(Box::new(io::sink()));
        Reporter::new(options, Manifest::default(), false, out)
    }

    /// Lets a run patch to a limit; its result, and the reporter after it.
    fn with_run<T>(
        limit: u32,
        prepare: impl FnOnce(&AtomicBool, &mut Reporter),
        act: impl FnOnce(&mut OfflineWindows<'_>) -> T,
    ) -> (T, Reporter) {
        let (stop, fs) = (AtomicBool::new(false), HostFileSystem::default());
        let (job, mut reporter) = (patch_to(limit), reporter());
        prepare(&stop, &mut reporter);
        let done = act(&mut OfflineWindows {
            job: &job,
            fs: &fs,
            stop: &stop,
            is_one_of_several: false,
            reporter: &mut reporter,
        });
        (done, reporter)
    }

    #[test]
    fn nothing_begins_after_an_interruption() {
        let root = tree(&["system32/drivers/tcpip.sys"]);
        let path = root.path().join("system32/drivers/tcpip.sys");
        std::fs::write(&path, SPECIMEN).unwrap();
        for (stopped, interrupted) in [(true, false), (false, true)] {
            let prepare = |stop: &AtomicBool, reporter: &mut Reporter| {
                stop.store(stopped, Ordering::Relaxed);
                reporter.summary.interrupted = interrupted;
            };
            let (done, reporter) = with_run(100, prepare, |run| run.patch(root.path()));
            done.unwrap();
            assert!(reporter.summary.interrupted);
            assert_eq!(reporter.summary.files, 0);
            assert_eq!(std::fs::read(&path).unwrap(), SPECIMEN);
        }
    }

    #[test]
    fn locks_are_acquired_only_for_work_or_a_missing_copy() {
        let root = tree(&["system32/drivers/tcpip.sys", "system32/dllcache/tcpip.sys"]);
        let paths = ["system32/drivers", "system32/dllcache"].map(|it| root.path().join(it));
        // A folder can't be locked.
        std::fs::create_dir(paths[0].join("tcplimit.lock")).unwrap();
        let copies = paths.map(|folder| folder.join("tcpip.sys"));
        let run = |limit, contents: [&[u8]; 2]| {
            for (copy, content) in copies.iter().zip(contents) {
                std::fs::write(copy, content).unwrap();
            }
            let install = WindowsInstall::find(root.path()).unwrap();
            copies
                .iter()
                .zip(contents)
                .filter(|(_, content)| content.is_empty())
                .for_each(|(copy, _)| std::fs::remove_file(copy).unwrap());
            with_run(limit, |_, _| {}, |run| run.run_transaction(&install)).0
        };
        let failed = run(100, [SPECIMEN; 2]).unwrap_err();
        assert!(matches!(failed, Failure::Io { .. }), "{failed:?}");
        for (limit, contents) in [(10, [SPECIMEN; 2]), (100, [SPECIMEN, b"text"])] {
            let (ready, changed) = run(limit, contents).unwrap();
            assert_eq!((ready.len(), changed.is_none()), (2, true));
        }
        // The missing copy is the reason to report.
        let (ready, changed) = run(100, [b"", SPECIMEN]).unwrap();
        let missing = ready.iter().filter_map(|(.., copy)| copy.as_ref().err());
        assert_eq!(missing.filter(|it| it.may_be_a_rename()).count(), 1);
        assert!(changed.is_none());
        // With a lock that can be acquired: nothing to do is no transaction.
        std::fs::remove_dir(root.path().join("system32/drivers/tcplimit.lock")).unwrap();
        assert!(run(10, [SPECIMEN; 2]).unwrap().1.is_none());
        assert!(run(100, [SPECIMEN; 2]).unwrap().1.is_some());
    }

    #[test]
    fn the_failure_of_a_transaction_is_reported_once_for_all_copies() {
        const ROLLBACK: &str = "could not be restored";
        let root = tree(&["system32/drivers/tcpip.sys"]);
        let path = root.path().join("system32/drivers/tcpip.sys");
        std::fs::write(&path, SPECIMEN).unwrap();
        let io = || Failure::Io {
            problem: "x".to_owned(),
            error: io::ErrorKind::StorageFull.into(),
        };
        let rollback = || Failure::RollbackFailed {
            reason: "x".to_owned(),
            path: path.clone(),
        };
        for (failure, is_interrupted, reason) in [
            (Failure::Interrupted, true, None),
            (io(), false, Some("x: ")),
            (io(), false, Some(". No copy was changed.")),
            (rollback(), false, Some(ROLLBACK)),
        ] {
            let install = WindowsInstall::find(root.path()).unwrap();
            let report = |run: &mut OfflineWindows<'_>| {
                let ready = run.prepare_all(&install);
                run.report_all(&install, ready, Some(Err(failure)))
            };
            let (done, reporter) = with_run(100, |_, _| {}, report);
            done.unwrap();
            assert_eq!(reporter.summary.interrupted, is_interrupted);
            let text = reporter.summary.reason.as_deref();
            assert_eq!(text.is_some(), reason.is_some(), "{text:?}");
            assert!(
                text.unwrap_or("").contains(reason.unwrap_or("")),
                "{text:?}"
            );
            let is_undone = text.is_some_and(|text| text.contains("No copy was changed"));
            assert_eq!(is_undone, reason.is_some_and(|text| text != ROLLBACK));
        }
    }

    #[test]
    fn each_copy_gets_the_outcome_of_the_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tcpip.sys");
        let fs = HostFileSystem::default();
        fs.create(&path, SPECIMEN).unwrap();
        let prepared = |limit| patch_to(limit).plan(&fs, &path).unwrap();
        let (same, other) = (prepared(10), prepared(100));
        let unsure = Err(Failure::RollbackFailed {
            reason: "x".to_owned(),
            path: path.clone(),
        });
        let failed = Err(Failure::Io {
            problem: "x".to_owned(),
            error: io::ErrorKind::StorageFull.into(),
        });
        let refused = Err(Refusal::VerificationFailed.into());
        let of = |is_sound, changed| outcome(&other, is_sound, changed);
        assert!(matches!(of(true, None), Outcome::WouldChange));
        assert!(matches!(of(false, None), Outcome::NotDone(_)));
        assert!(matches!(of(true, Some(&Ok(()))), Outcome::Changed));
        assert!(matches!(of(true, Some(&refused)), Outcome::NotDone(_)));
        assert!(matches!(
            of(true, Some(&Err(Failure::Interrupted))),
            Outcome::NotDone(_)
        ));
        assert!(matches!(
            of(true, Some(&unsure)),
            Outcome::Failed(Failure::RollbackFailed { .. })
        ));
        match of(true, Some(&failed)) {
            Outcome::Failed(again @ Failure::Io { .. }) => {
                assert!(again.to_string().contains("free some space"), "{again}");
            }
            other => panic!("{other:?}"),
        }
        for changed in [Some(&unsure), Some(&Ok(())), None] {
            let outcome = outcome(&same, true, changed);
            assert!(matches!(outcome, Outcome::Unchanged), "{outcome:?}");
        }
    }
}
