//! Processes one file, from the plan to the verification: see [`Job::run`].

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

/// The task, the target and the options of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The operation.
    pub task: Task,
    /// The destination.
    pub target: Target,
    /// The module of the files, regardless of their names.
    pub module: Option<Module>,
    /// Whether changed files get the time of the change instead of the old time.
    pub touch: bool,
    /// The drivers that the running Windows has loaded.
    pub running: Vec<PathBuf>,
    /// Whether to rewrite cabinets of several files.
    pub cabinets: bool,
}

/// A file that can be changed, with its old and new content.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Facts about each driver in it.
    pub facts: Vec<DriverFacts>,
    /// The present content of the file; `None` if it is missing.
    pub before: Option<Arc<Vec<u8>>>,
    /// The new content of the file.
    pub after: Arc<Vec<u8>>,
    /// How to keep the present content.
    pub keep: Keep,
    /// The file whose owner, permissions and times it gets; `None`: its own.
    pub like: Option<PathBuf>,
}

impl Prepared {
    /// Whether the file already has the new content.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }

    /// The replacement of the file at this path; `None` if it is missing.
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
    /// Processes one file:
    ///
    /// 1. plan the change of each driver in it, and check that the file can be
    ///    replaced; if nothing is to be written, stop without locking;
    /// 2. lock the folder, and repeat step 1, since another run may have been in
    ///    progress until now;
    /// 3. write the backup and the new content, rename, read back, and locate the
    ///    limit again; if that fails, restore the old content ([`replace`]).
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
        // A large cabinet is in memory only once: the plan ends with its arm.
        let missing = match self.plan_and_check(fs, path, result) {
            Ok(prepared) => match self.check_journal(fs, path, None) {
                Ok(()) => match self.outcome_without_writing(fs, &prepared, result)? {
                    Some(outcome) => return Ok(outcome),
                    None => None,
                },
                Err(failure) if self.target == Target::DryRun => return Err(failure),
                // Its run may be in progress: acquiring the locks waits for it.
                Err(_) => None,
            },
            Err(failure) if self.target == Target::InPlace && failure.may_be_a_rename() => {
                Some(failure)
            }
            Err(failure) => return Err(failure),
        };

        // 2.
        let folder = match &self.target {
            Target::Output(output) => folder_of(output),
            _ => folder_of(path),
        };
        let locks = match (Locks::acquire(fs, [folder], self.task.name()), missing) {
            (Err(failure), Some(missing)) if !matches!(failure, Failure::Locked(_)) => {
                return Err(missing);
            }
            (locks, _) => locks?,
        };
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

    /// Plans and checks a file. `result` gets the facts even if the check fails.
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

    /// Plans the change of a file. Nothing is written.
    ///
    /// # Errors
    /// Why the file can't be changed.
    pub(crate) fn plan(&self, fs: &impl FileSystem, path: &Path) -> Result<Prepared, Failure> {
        match self.task {
            Task::Patch { limit } => self.plan_patch(fs, path, limit),
            Task::Restore { use_backup } => self.plan_restore(fs, path, use_backup),
        }
    }

    /// Checks that a file can be replaced, in a dry run too.
    ///
    /// # Errors
    /// Why it can't be replaced.
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
        // A file that is already correct stays unchanged, to the byte.
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
        let lookup = Lookup {
            module: self.module,
            use_backup,
            cabinets: self.cabinets,
        };
        let now = before.as_deref().map(Vec::as_slice);
        let old = original(fs, &canonical(fs, path), now, lookup)?;
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

    /// Refuses a file that may belong to an interrupted or unfinished transaction.
    /// `locks` are those that this run itself holds.
    fn check_journal<D: FileSystem>(
        &self,
        fs: &D,
        path: &Path,
        locks: Option<&Locks<'_, D>>,
    ) -> Result<(), Failure> {
        if matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        let Some(windir) = journal::pending_above(fs, &canonical(fs, path))? else {
            return Ok(());
        };
        match lock::inspect(fs, &windir)? {
            Some(held)
                if held.owner_state == OwnerState::Running
                    && !locks.is_some_and(|locks| locks.contains(&held.path)) =>
            {
                Err(Failure::Locked(vec![held]))
            }
            _ => Err(Refusal::JournalPending(windir.display().to_string()).into()),
        }
    }

    /// Whether the running Windows has loaded a file, under any path.
    fn is_running(&self, fs: &impl FileSystem, path: &Path) -> bool {
        let path = canonical(fs, path);
        self.running
            .iter()
            .any(|driver| canonical(fs, driver) == path)
    }

    /// The outcome if nothing is to be written; `None` otherwise.
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

    /// Locates the limit again in the content of a changed file that was read back.
    ///
    /// # Errors
    /// When the content is not the planned one.
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
            // The name was checked before.
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

/// The path with links resolved, by which a file is judged.
fn canonical(fs: &impl FileSystem, path: &Path) -> PathBuf {
    fs.canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::filesystem::HostFileSystem;
    use super::*;
    use crate::default_inputs::SPECIMEN;

    pub(in super::super) fn patch_to(limit: u32) -> Job {
        Job {
            task: Task::Patch { limit },
            target: Target::InPlace,
            module: None,
            touch: false,
            running: Vec::new(),
            cabinets: false,
        }
    }

    #[test]
    fn only_the_planned_content_passes_the_verification() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tcpip.sys");
        std::fs::write(&path, SPECIMEN).unwrap();
        let job = patch_to(100);
        let prepared = job.plan(&HostFileSystem::default(), &path).unwrap();
        let verify = |now: &[u8]| job.verify(&path, &prepared, now);
        verify(&prepared.after).unwrap();
        let mut other = prepared.after.to_vec();
        // A byte of the DOS header that no reader uses; the checksum covers it.
        other[20] ^= 1;
        for wrong in [SPECIMEN, &other, &other[..5000], b""] {
            assert!(verify(wrong).is_err(), "{} bytes", wrong.len());
        }
    }
}
