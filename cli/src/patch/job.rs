//! What is done with one file, from reading it to what is to be said of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scanner_core::Module;

use super::disk::{Disk, folder_of};
use super::drivers::{Drivers, Planned};
use super::lock::{self, Life, Locks};
use super::replace::{
    Exchange, Failure, Keep, has_one_name, is_kept, may_write, replace, unread, write_new,
};
use super::restore::{Lookup, Source, as_shipped, original};
use super::{Plan, Refusal, journal, plan};
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

impl Task {
    /// The verb of the command line.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Task::Patch { .. } => "patch",
            Task::Restore { .. } => "restore",
        }
    }
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
    /// Whether changed files get the time of the change, not that of the old
    /// file.
    pub touch: bool,
    /// What the running Windows has loaded.
    pub running: Vec<PathBuf>,
    /// Cabinets of several files are rewritten.
    pub cabinets: bool,
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

impl Verdict {
    /// The same once more, for another driver in the file.
    fn again(&self) -> Verdict {
        match self {
            Verdict::WouldChange => Verdict::WouldChange,
            Verdict::Changed => Verdict::Changed,
            Verdict::Unchanged => Verdict::Unchanged,
            Verdict::NotDone(reason) => Verdict::NotDone(reason.clone()),
            Verdict::Failed(failure) => Verdict::Failed(failure.again()),
        }
    }
}

const OTHER_REFUSED: &str =
    "Another driver in this cabinet is refused, so the cabinet is left as it is.";

/// What is said of a file.
#[derive(Debug)]
pub struct Done {
    /// The file.
    pub path: PathBuf,
    /// The file in it, where it is a disc image.
    pub within: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found out about each driver in it, unless it was refused.
    pub facts: Vec<Facts>,
    /// The backup that was made, or was there; or where a damaged file is kept.
    pub kept: Option<PathBuf>,
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
    /// What is wrong with the file, where a backup takes its place.
    pub damage: Option<String>,
    /// SHA-256 of the image as it is; of a damaged file that of the file.
    pub before: String,
    /// SHA-256 of the image as it shall be.
    pub after: String,
}

impl Facts {
    /// Whether the image is to be another one.
    pub(crate) fn is_change(&self) -> bool {
        self.before != self.after
    }

    /// What the built-in manifest or another calls the build as shipped that
    /// the image will be, byte for byte.
    pub(crate) fn as_shipped<'a>(&self, manifest: &'a Manifest) -> Option<&'a str> {
        as_shipped(manifest, &self.after)
    }
}

/// A file that can be changed: its bytes now and then.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What was found out about each driver in it.
    pub facts: Vec<Facts>,
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
    pub(crate) fn is_done(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }

    /// The exchange of a file by this name; none where there is no file.
    pub(crate) fn exchange(&self, path: PathBuf, touch: bool) -> Option<Exchange> {
        Some(Exchange {
            path,
            before: self.before.clone()?,
            after: self.after.clone(),
            keep: self.keep,
            like: self.like.clone(),
            touch,
        })
    }
}

impl Done {
    /// Nothing is known of the file yet but this.
    pub(crate) fn new(path: &Path, verdict: Verdict) -> Done {
        Done {
            path: path.to_owned(),
            within: None,
            verdict,
            facts: Vec::new(),
            kept: None,
            output: None,
        }
    }

    /// What it is within the file: from the outermost to the innermost, with
    /// `/`.
    pub(crate) fn member(&self) -> Option<String> {
        let within = self.within.as_deref();
        let member = self.facts.first().and_then(|facts| facts.member.as_deref());
        let parts: Vec<&str> = within.into_iter().chain(member).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// What is said of each driver, where there are several in the file.
    pub(crate) fn each(mut self) -> Vec<Done> {
        if let Verdict::Failed(Failure::Refused(Refusal::InCabinet(drivers))) = self.verdict {
            let within = |member: String| match &self.within {
                Some(outer) => format!("{outer}/{member}"),
                None => member,
            };
            let refused = drivers.into_iter().map(|(member, refusal)| Done {
                within: Some(within(member)),
                verdict: match refusal {
                    Some(refusal) => Verdict::Failed(refusal.into()),
                    None => Verdict::NotDone(OTHER_REFUSED.to_owned()),
                },
                ..Done::new(&self.path, Verdict::Unchanged)
            });
            return refused.collect();
        }
        if self.facts.len() < 2 {
            return vec![self];
        }
        let facts = std::mem::take(&mut self.facts);
        let each = facts.into_iter().map(|facts| {
            let is_same = !facts.is_change() && facts.damage.is_none();
            let mut done = Done {
                within: self.within.clone(),
                kept: self.kept.clone(),
                output: self.output.clone(),
                facts: vec![facts],
                ..Done::new(&self.path, self.verdict.again())
            };
            // The other one in the cabinet is why it is written.
            if is_same && matches!(done.verdict, Verdict::Changed | Verdict::WouldChange) {
                (done.verdict, done.output) = (Verdict::Unchanged, None);
            }
            done
        });
        each.collect()
    }
}

impl Job {
    /// Does it with one file.
    pub fn run(&self, disk: &impl Disk, path: &Path) -> Done {
        let mut done = Done::new(path, Verdict::Unchanged);
        done.verdict = self
            .work(disk, path, &mut done)
            .unwrap_or_else(Verdict::Failed);
        done
    }

    fn work(&self, disk: &impl Disk, path: &Path, done: &mut Done) -> Result<Verdict, Failure> {
        let prepared = self.look(disk, path, done)?;
        let is_alone = self.is_alone(disk, path);
        if is_alone.is_ok() || self.target == Target::Show {
            is_alone?;
            if let Some(verdict) = self.is_settled(disk, &prepared, done)? {
                return Ok(verdict);
            }
        }
        // A large cabinet is not held twice.
        drop(prepared);
        let folder = match &self.target {
            Target::Output(output) => folder_of(output),
            _ => folder_of(path),
        };
        let locks = Locks::take(disk, [folder], self.task.verb())?;
        // Until now another run may have been at work here.
        let prepared = self.look(disk, path, done)?;
        self.is_alone_with(disk, path, Some(&locks))?;
        match self.is_settled(disk, &prepared, done)? {
            Some(verdict) => Ok(verdict),
            None => self.write(&locks, path, &prepared, done),
        }
    }

    /// Finds out what is to be done with a file by itself, and whether it can be
    /// done. Nothing is written.
    fn look(&self, disk: &impl Disk, path: &Path, done: &mut Done) -> Result<Prepared, Failure> {
        let prepared = self.prepare(disk, path)?;
        done.facts.clone_from(&prepared.facts);
        self.is_free(disk, path, &prepared)?;
        Ok(prepared)
    }

    /// Finds out what is to be done with a file. Nothing is written.
    ///
    /// # Errors
    /// Why nothing can be done.
    pub fn prepare(&self, disk: &impl Disk, path: &Path) -> Result<Prepared, Failure> {
        let real = real(disk, path);
        match self.task {
            Task::Patch { limit } => {
                let before = Arc::new(disk.read(path).map_err(unread(path))?);
                let drivers = Drivers::of(&before, self.cabinets)?;
                let planned = drivers.plan(&real.to_string_lossy(), self.module, limit)?;
                let is_done = planned.iter().all(|driver| driver.plan.changes.is_empty());
                let (facts, changed) = planned.into_iter().map(Planned::into_parts).unzip();
                // What is as it should be stays as it is, to the byte.
                let after = match is_done {
                    true => None,
                    false => Some(Arc::new(drivers.pack(changed)?)),
                };
                Ok(Prepared {
                    facts,
                    after: after.unwrap_or_else(|| Arc::clone(&before)),
                    before: Some(before),
                    keep: Keep::Backup,
                    like: None,
                })
            }
            Task::Restore { use_backup } => {
                let before = match disk.read(path) {
                    Ok(before) => Some(Arc::new(before)),
                    Err(error) if use_backup && error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(unread(path)(error)),
                };
                let how = Lookup {
                    module: self.module,
                    use_backup,
                    cabinets: self.cabinets,
                };
                let old = original(disk, &real, before.as_deref().map(Vec::as_slice), how)?;
                let like = match (&old.damage, &old.source) {
                    (Some(_), Source::Backup(name)) => Some(path.with_file_name(name)),
                    _ => None,
                };
                let facts = old.drivers.into_iter().map(|driver| Facts {
                    member: driver.member,
                    plan: driver.plan,
                    source: Some(old.source.clone()),
                    damage: old.damage.clone(),
                    before: driver.sha256_now,
                    after: driver.sha256,
                });
                Ok(Prepared {
                    keep: match (&old.damage, &before) {
                        (Some(_), Some(_)) => Keep::Aside,
                        _ => Keep::Nothing,
                    },
                    facts: facts.collect(),
                    before,
                    after: Arc::new(old.file),
                    like,
                })
            }
        }
    }

    /// Refuses a file that is one of several of a transaction that was
    /// interrupted, or is not finished yet.
    fn is_alone(&self, disk: &impl Disk, path: &Path) -> Result<(), Failure> {
        self.is_alone_with(disk, path, None)
    }

    /// The same for a run that holds locks: those are no other run's.
    fn is_alone_with<D: Disk>(
        &self,
        disk: &D,
        path: &Path,
        locks: Option<&Locks<'_, D>>,
    ) -> Result<(), Failure> {
        if matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        let Some(home) = journal::pending_above(disk, &real(disk, path))? else {
            return Ok(());
        };
        match lock::holder(disk, &home)? {
            Some(held)
                if held.life == Life::AtWork
                    && !locks.is_some_and(|locks| locks.hold(&held.path)) =>
            {
                Err(Failure::Locked(vec![held]))
            }
            _ => Err(Refusal::Pending(home.display().to_string()).into()),
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
        if prepared.is_done() || matches!(self.target, Target::Output(_)) {
            return Ok(());
        }
        if self.is_running(disk, path) {
            return Err(Refusal::InUse(path.display().to_string()).into());
        }
        if let Some(before) = &prepared.before {
            has_one_name(disk, path)?;
            if let Some(kept) = prepared.keep.path(path, before) {
                is_kept(disk, &kept, before)?;
            }
        }
        may_write(disk, folder_of(path))
    }

    /// Whether the running Windows has loaded a file, by whatever way it is
    /// named.
    fn is_running(&self, disk: &impl Disk, path: &Path) -> bool {
        let path = real(disk, path);
        self.running.iter().any(|driver| real(disk, driver) == path)
    }

    /// What is to be said where nothing is to be written.
    fn is_settled(
        &self,
        disk: &impl Disk,
        prepared: &Prepared,
        done: &mut Done,
    ) -> Result<Option<Verdict>, Failure> {
        match &self.target {
            Target::Output(output) => {
                done.output = Some(output.clone());
                if !disk.exists(output).map_err(unread(output))? {
                    return Ok(None);
                }
                let there = disk.read(output).map_err(unread(output))?;
                match there == *prepared.after {
                    true => Ok(Some(Verdict::Unchanged)),
                    false => Err(Refusal::OutputExists(output.display().to_string()).into()),
                }
            }
            _ if prepared.is_done() => Ok(Some(Verdict::Unchanged)),
            Target::Show => Ok(Some(Verdict::WouldChange)),
            Target::InPlace => Ok(None),
        }
    }

    fn write(
        &self,
        locks: &Locks<'_, impl Disk>,
        path: &Path,
        prepared: &Prepared,
        done: &mut Done,
    ) -> Result<Verdict, Failure> {
        let like = prepared.like.as_deref().unwrap_or(path);
        match (&self.target, prepared.exchange(path.to_owned(), self.touch)) {
            (Target::Output(output), _) => {
                write_new(locks, output, like, self.touch, &prepared.after)?;
            }
            (_, None) => {
                write_new(locks, path, like, self.touch, &prepared.after)?;
                self.look_again(path, prepared, &prepared.after)?;
            }
            (_, Some(exchange)) => {
                let check = |now: &[u8]| self.look_again(path, prepared, now);
                done.kept = replace(locks, &exchange, &check)?;
            }
        }
        Ok(Verdict::Changed)
    }

    /// Locates the limit anew in what was read again of a changed file.
    ///
    /// # Errors
    /// When it is not what it was to be.
    pub fn look_again(&self, path: &Path, prepared: &Prepared, now: &[u8]) -> Result<(), Failure> {
        let drivers = Drivers::of(now, self.cabinets)?;
        if drivers.images().count() != prepared.facts.len() {
            return Err(Refusal::NotItself.into());
        }
        for (image, facts) in drivers.images().zip(&prepared.facts) {
            // The name was judged before.
            let module = Some(facts.plan.module);
            let again = plan(&path.to_string_lossy(), image, module, facts.plan.after)?;
            if !again.changes.is_empty() || sha256(image) != facts.after {
                return Err(Refusal::NotItself.into());
            }
        }
        Ok(())
    }
}

/// The path by which a file is judged: links in the one that was given don't
/// count.
fn real(disk: &impl Disk, path: &Path) -> PathBuf {
    disk.real(path).unwrap_or_else(|_| path.to_owned())
}
