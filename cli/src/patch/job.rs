//! What is done with one file, from reading it to what is to be said of it.

use std::path::{Path, PathBuf};

use scanner_core::Module;

use super::disk::Disk;
use super::form::Form;
use super::replace::{Failure, backup_of, has_backup, has_one_name, replace, unread, write_new};
use super::restore::{Source, as_shipped, original};
use super::{Plan, Refusal, apply, journal, plan};
use crate::manifest::Manifest;
use crate::probe::sha256;

/// What is to become of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Start-up code is to set this limit.
    Patch {
        /// 1 to 16777215.
        limit: u32,
    },
    /// It is to set the limit that it did set before.
    Restore {
        /// From a backup, where there is one; otherwise always 10.
        use_backup: bool,
    },
}

/// Where the changed file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: what would be changed is shown.
    Show,
    /// In the place of the file.
    InPlace,
    /// To another file, which is not there yet.
    Output(PathBuf),
}

/// Task, target, and the module that files are taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What is to become of files.
    pub task: Task,
    /// Where it goes.
    pub target: Target,
    /// Takes files for this module, whatever their names say.
    pub module: Option<Module>,
    /// What the running Windows has loaded.
    pub running: Vec<PathBuf>,
}

/// What became of a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It would be changed.
    WouldChange,
    /// It was changed, or the changed copy was written.
    Changed,
    /// It is as it should be already.
    Unchanged,
    /// It could be changed, but other copies can't: why it was not.
    NotDone(String),
    /// It is refused, or something failed; the file is as it was, unless the
    /// failure says otherwise.
    Failed(Failure),
}

/// What is said of a file.
#[derive(Debug)]
pub struct Done {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found out about it, unless it was refused.
    pub facts: Option<Facts>,
    /// The backup that was made, or was there.
    pub backup: Option<PathBuf>,
    /// The changed copy.
    pub output: Option<PathBuf>,
}

/// What was found out about a file that is not refused.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The member of a cabinet.
    pub member: Option<String>,
    /// What changes in the image.
    pub plan: Plan,
    /// Where the old content comes from, when it is restored.
    pub source: Option<Source>,
    /// SHA-256 of the image as it is.
    pub before: String,
    /// SHA-256 of the image as it shall be.
    pub after: String,
}

impl Facts {
    /// What the built-in manifest or another calls the build as shipped that
    /// the image will be, byte for byte.
    pub(crate) fn as_shipped<'a>(&self, manifest: &'a Manifest) -> Option<&'a str> {
        as_shipped(manifest, &self.after)
    }
}

/// A file that can be changed: its bytes now and then.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What was found out.
    pub facts: Facts,
    /// The whole file as it is.
    pub before: Vec<u8>,
    /// The whole file as it shall be.
    pub after: Vec<u8>,
}

impl Done {
    /// Nothing is known of the file yet but this.
    pub(crate) fn new(path: &Path, verdict: Verdict) -> Done {
        Done {
            path: path.to_owned(),
            verdict,
            facts: None,
            backup: None,
            output: None,
        }
    }
}

impl Job {
    /// Does it with one file.
    pub fn run(&self, disk: &impl Disk, path: &Path) -> Done {
        let mut done = Done::new(path, Verdict::Unchanged);
        done.verdict = self
            .prepare(disk, path)
            .and_then(|prepared| {
                let verdict = self
                    .is_alone(disk, path)
                    .and_then(|()| self.is_free(disk, path, &prepared))
                    .and_then(|()| self.carry_out(disk, path, &prepared, &mut done));
                done.facts = Some(prepared.facts);
                verdict
            })
            .unwrap_or_else(Verdict::Failed);
        done
    }

    /// Finds out what is to be done with a file. Nothing is written.
    ///
    /// # Errors
    /// Why nothing can be done.
    pub fn prepare(&self, disk: &impl Disk, path: &Path) -> Result<Prepared, Failure> {
        let before = disk.read(path).map_err(unread(path))?;
        let real = real(disk, path);
        let shown = real.to_string_lossy();
        let (form, image) = Form::open(&before)?;
        let hash = sha256(&image);
        let facts = |plan, source, after| Facts {
            member: form.member().map(str::to_owned),
            plan,
            source,
            before: hash,
            after,
        };
        let (facts, after) = match self.task {
            Task::Patch { limit } => {
                let plan = plan(&shown, &image, self.module, limit)?;
                let changed = apply(&shown, &plan, &image)?;
                // What is as it should be stays as it is, to the byte.
                let after = match plan.changes.is_empty() {
                    true => before.clone(),
                    false => form.pack(&changed)?,
                };
                (facts(plan, None, sha256(&changed)), after)
            }
            Task::Restore { use_backup } => {
                let old = original(disk, &real, &before, self.module, use_backup)?;
                (facts(old.plan, Some(old.source), old.sha256), old.file)
            }
        };
        Ok(Prepared {
            facts,
            before,
            after,
        })
    }

    /// Refuses a file that is one of several of a change that was interrupted.
    fn is_alone(&self, disk: &impl Disk, path: &Path) -> Result<(), Failure> {
        if matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        match journal::pending_above(disk, &real(disk, path))? {
            Some(home) => Err(Refusal::Pending(home.display().to_string()).into()),
            None => Ok(()),
        }
    }

    /// Refuses a file that can't give its place to another. What would only be
    /// shown is refused as well, so that it is known beforehand.
    ///
    /// # Errors
    /// Why it can't.
    pub(crate) fn is_free(
        &self,
        disk: &impl Disk,
        path: &Path,
        prepared: &Prepared,
    ) -> Result<(), Failure> {
        let Prepared { before, after, .. } = prepared;
        if before == after || matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        if self.is_running(disk, path) {
            return Err(Refusal::InUse(path.display().to_string()).into());
        }
        has_one_name(disk, path)?;
        if self.makes_backup() {
            has_backup(disk, &backup_of(path, before), before)?;
        }
        Ok(())
    }

    /// Whether the running Windows has loaded a file, by whatever way it is
    /// named.
    fn is_running(&self, disk: &impl Disk, path: &Path) -> bool {
        let path = real(disk, path);
        self.running.iter().any(|driver| real(disk, driver) == path)
    }

    /// Whether the old content is kept beside the new one.
    pub(crate) fn makes_backup(&self) -> bool {
        matches!(self.task, Task::Patch { .. })
    }

    fn carry_out(
        &self,
        disk: &impl Disk,
        path: &Path,
        prepared: &Prepared,
        done: &mut Done,
    ) -> Result<Verdict, Failure> {
        let Prepared { before, after, .. } = prepared;
        match &self.target {
            Target::Output(output) => {
                done.output = Some(output.clone());
                if disk.exists(output).map_err(unread(output))? {
                    let there = disk.read(output).map_err(unread(output))?;
                    let shown = output.display().to_string();
                    return match there == *after {
                        true => Ok(Verdict::Unchanged),
                        false => Err(Refusal::OutputExists(shown).into()),
                    };
                }
                write_new(disk, output, path, after)?;
                Ok(Verdict::Changed)
            }
            _ if before == after => Ok(Verdict::Unchanged),
            Target::Show => Ok(Verdict::WouldChange),
            Target::InPlace => {
                let check = |now: &[u8]| self.look_again(path, prepared, now);
                let backup = self.makes_backup();
                done.backup = replace(disk, path, before, after, backup, &check)?;
                Ok(Verdict::Changed)
            }
        }
    }

    /// Locates the limit anew in what was read again of a changed file.
    ///
    /// # Errors
    /// When it is not what it was to be.
    pub fn look_again(&self, path: &Path, prepared: &Prepared, now: &[u8]) -> Result<(), Failure> {
        let (_, image) = Form::open(now)?;
        let limit = prepared.facts.plan.after;
        // The name was judged before.
        let again = plan(
            &path.to_string_lossy(),
            &image,
            Some(prepared.facts.plan.module),
            limit,
        )?;
        match again.changes.is_empty() && sha256(&image) == prepared.facts.after {
            true => Ok(()),
            false => Err(Refusal::NotItself.into()),
        }
    }
}

/// The path by which a file is judged: links in the one that was given don't
/// count.
fn real(disk: &impl Disk, path: &Path) -> PathBuf {
    disk.real(path).unwrap_or_else(|_| path.to_owned())
}
