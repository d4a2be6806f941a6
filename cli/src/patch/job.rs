//! One file, from the plan to the proof. [`Job::run`] is the whole path.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scanner_core::Module;
use tcplimit_report::sha256;

use super::drivers::{Drivers, PlannedDriver};
use super::failure::{Failure, read_failure};
use super::filesystem::{FileSystem, folder_of};
use super::journal;
use super::lock::{self, Locks, OwnerState};
use super::refusal::Refusal;
use super::replace::{Keep, Replacement, check_replaceable, replace, write_new};
use super::restore::{Lookup, original};

pub use super::outcome::{DriverFacts, FileResult, Outcome, Source, Target, Task};

/// Task, target, and the module that files are taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What is to become of files.
    pub task: Task,
    /// Where it goes.
    pub target: Target,
    /// Takes files for this module, whatever their names say.
    pub module: Option<Module>,
    /// Whether changed files get the time of the change, not that of the old
    /// file.
    pub touch: bool,
    /// What the running Windows has loaded.
    pub running: Vec<PathBuf>,
    /// Cabinets of several files are rewritten.
    pub cabinets: bool,
}

/// A file that can be changed: its bytes now and then.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What was found out about each driver in it.
    pub facts: Vec<DriverFacts>,
    /// The whole file as it is; none where there is none.
    pub before: Option<Arc<Vec<u8>>>,
    /// The whole file as it shall be.
    pub after: Arc<Vec<u8>>,
    /// What becomes of the file as it is.
    pub keep: Keep,
    /// The file whose owner, permissions and times it gets, if not its own.
    pub like: Option<PathBuf>,
}

impl Prepared {
    /// Whether the file is as it shall be.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }

    /// The exchange of a file by this name; none where there is no file.
    pub(crate) fn replacement(&self, path: PathBuf, touch: bool) -> Option<Replacement> {
        Some(Replacement {
            path,
            before: self.before.clone()?,
            after: self.after.clone(),
            keep: self.keep,
            like: self.like.clone(),
            touch,
        })
    }
}

impl Job {
    /// Does it with one file:
    ///
    /// 1. plan what each driver in it is to become, and check that the file can
    ///    give its place to another; that may be all, and nobody was held up;
    /// 2. lock the folder, and do 1 again, since another run may have been at
    ///    work until now;
    /// 3. write backup and new content, rename, read again, and locate the limit
    ///    anew; where that fails, put the old content back ([`replace`]).
    pub fn run(&self, fs: &impl FileSystem, path: &Path) -> FileResult {
        let mut result = FileResult::new(path, Outcome::Unchanged);
        result.outcome = self
            .try_run(fs, path, &mut result)
            .unwrap_or_else(Outcome::Failed);
        result
    }

    fn try_run(
        &self,
        fs: &impl FileSystem,
        path: &Path,
        result: &mut FileResult,
    ) -> Result<Outcome, Failure> {
        // 1.
        let prepared = self.plan_and_check(fs, path, result)?;
        match self.check_journal(fs, path, None) {
            Ok(()) => {
                if let Some(outcome) = self.outcome_without_writing(fs, &prepared, result)? {
                    return Ok(outcome);
                }
            }
            Err(failure) if self.target == Target::DryRun => return Err(failure),
            // Its run may be at work: the locks wait for that.
            Err(_) => {}
        }
        // A large cabinet is not held twice.
        drop(prepared);

        // 2.
        let folder = match &self.target {
            Target::Output(output) => folder_of(output),
            _ => folder_of(path),
        };
        let locks = Locks::acquire(fs, [folder], self.task.name())?;
        let prepared = self.plan_and_check(fs, path, result)?;
        self.check_journal(fs, path, Some(&locks))?;
        if let Some(outcome) = self.outcome_without_writing(fs, &prepared, result)? {
            return Ok(outcome);
        }

        // 3.
        let new = &prepared.after;
        let like = prepared.like.as_deref().unwrap_or(path);
        let verify = |now: &[u8]| self.verify(path, &prepared, now);
        match (
            &self.target,
            prepared.replacement(path.to_owned(), self.touch),
        ) {
            (Target::Output(output), _) => write_new(&locks, output, like, self.touch, new)?,
            (_, None) => {
                write_new(&locks, path, like, self.touch, new)?;
                verify(new)?;
            }
            (_, Some(replacement)) => result.kept = replace(&locks, &replacement, &verify)?,
        }
        Ok(Outcome::Changed)
    }

    /// What was planned is said even where the file is refused.
    fn plan_and_check(
        &self,
        fs: &impl FileSystem,
        path: &Path,
        result: &mut FileResult,
    ) -> Result<Prepared, Failure> {
        let prepared = self.plan(fs, path)?;
        result.facts.clone_from(&prepared.facts);
        self.check(fs, path, &prepared)?;
        Ok(prepared)
    }

    /// Finds out what is to be done with a file. Nothing is written.
    ///
    /// # Errors
    /// Why nothing can be done.
    pub(crate) fn plan(&self, fs: &impl FileSystem, path: &Path) -> Result<Prepared, Failure> {
        match self.task {
            Task::Patch { limit } => self.plan_patch(fs, path, limit),
            Task::Restore { use_backup } => self.plan_restore(fs, path, use_backup),
        }
    }

    /// Refuses a file that can't give its place to another. What would only be
    /// shown is refused as well, so that it is known beforehand.
    ///
    /// # Errors
    /// Why it can't.
    pub(crate) fn check(
        &self,
        fs: &impl FileSystem,
        path: &Path,
        prepared: &Prepared,
    ) -> Result<(), Failure> {
        if prepared.is_unchanged() || matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        if self.is_running(fs, path) {
            return Err(Refusal::InUse(path.display().to_string()).into());
        }
        let before = prepared.before.as_deref().map(Vec::as_slice);
        check_replaceable(fs, path, before, prepared.keep)
    }

    fn plan_patch(
        &self,
        fs: &impl FileSystem,
        path: &Path,
        limit: u32,
    ) -> Result<Prepared, Failure> {
        let before = Arc::new(fs.read(path).map_err(read_failure(path))?);
        let drivers = Drivers::parse(&before, self.cabinets)?;
        let real = canonical(fs, path);
        let planned = drivers.plan(&real.to_string_lossy(), self.module, limit)?;
        let is_done = planned.iter().all(|driver| driver.plan.changes.is_empty());
        let (facts, changed) = planned.into_iter().map(PlannedDriver::into_parts).unzip();
        // What is as it should be stays as it is, to the byte.
        let after = match is_done {
            true => Arc::clone(&before),
            false => Arc::new(drivers.pack(changed)?),
        };
        Ok(Prepared {
            facts,
            after,
            before: Some(before),
            keep: Keep::Backup,
            like: None,
        })
    }

    fn plan_restore(
        &self,
        fs: &impl FileSystem,
        path: &Path,
        use_backup: bool,
    ) -> Result<Prepared, Failure> {
        let before = match fs.read(path) {
            Ok(before) => Some(Arc::new(before)),
            Err(error) if use_backup && error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(read_failure(path)(error)),
        };
        let how = Lookup {
            module: self.module,
            use_backup,
            cabinets: self.cabinets,
        };
        let now = before.as_deref().map(Vec::as_slice);
        let old = original(fs, &canonical(fs, path), now, how)?;
        let is_damaged = old.facts.iter().any(|facts| facts.damage.is_some());
        let like = match old.backup {
            Some(name) if is_damaged => Some(path.with_file_name(name)),
            _ => None,
        };
        Ok(Prepared {
            keep: match is_damaged && before.is_some() {
                true => Keep::Damaged,
                false => Keep::Nothing,
            },
            facts: old.facts,
            before,
            after: Arc::new(old.file),
            like,
        })
    }

    /// Refuses a file that is one of several of a transaction that was
    /// interrupted, or is not finished yet. The locks that this run holds are no
    /// other run's.
    fn check_journal<D: FileSystem>(
        &self,
        fs: &D,
        path: &Path,
        locks: Option<&Locks<'_, D>>,
    ) -> Result<(), Failure> {
        if matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        let Some(home) = journal::pending_above(fs, &canonical(fs, path))? else {
            return Ok(());
        };
        match lock::inspect(fs, &home)? {
            Some(held)
                if held.owner_state == OwnerState::Running
                    && !locks.is_some_and(|locks| locks.contains(&held.path)) =>
            {
                Err(Failure::Locked(vec![held]))
            }
            _ => Err(Refusal::JournalPending(home.display().to_string()).into()),
        }
    }

    /// Whether the running Windows has loaded a file, by whatever way it is
    /// named.
    fn is_running(&self, fs: &impl FileSystem, path: &Path) -> bool {
        let path = canonical(fs, path);
        self.running
            .iter()
            .any(|driver| canonical(fs, driver) == path)
    }

    /// What is to be said where nothing is to be written.
    fn outcome_without_writing(
        &self,
        fs: &impl FileSystem,
        prepared: &Prepared,
        result: &mut FileResult,
    ) -> Result<Option<Outcome>, Failure> {
        match &self.target {
            Target::Output(output) => {
                result.output = Some(output.clone());
                if !fs.exists(output).map_err(read_failure(output))? {
                    return Ok(None);
                }
                let there = fs.read(output).map_err(read_failure(output))?;
                match there == *prepared.after {
                    true => Ok(Some(Outcome::Unchanged)),
                    false => Err(Refusal::OutputExists(output.display().to_string()).into()),
                }
            }
            _ if prepared.is_unchanged() => Ok(Some(Outcome::Unchanged)),
            Target::DryRun => Ok(Some(Outcome::WouldChange)),
            Target::InPlace => Ok(None),
        }
    }

    /// Locates the limit anew in what was read again of a changed file.
    ///
    /// # Errors
    /// When it is not what it was to be.
    pub(crate) fn verify(
        &self,
        path: &Path,
        prepared: &Prepared,
        now: &[u8],
    ) -> Result<(), Failure> {
        let drivers = Drivers::parse(now, self.cabinets)?;
        if drivers.images().count() != prepared.facts.len() {
            return Err(Refusal::VerificationFailed.into());
        }
        for (image, facts) in drivers.images().zip(&prepared.facts) {
            // The name was judged before.
            let module = Some(facts.plan.module);
            let again =
                super::plan::plan(&path.to_string_lossy(), image, module, facts.plan.after)?;
            if !again.changes.is_empty() || sha256(image) != facts.after {
                return Err(Refusal::VerificationFailed.into());
            }
        }
        Ok(())
    }
}

/// The path by which a file is judged: links in the one that was given don't
/// count.
fn canonical(fs: &impl FileSystem, path: &Path) -> PathBuf {
    fs.canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
