//! What became of files: the data that every report is made of.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::plan::Plan;
use super::refusal::Refusal;
use super::windows_install::Role;

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
    pub(crate) fn name(self) -> &'static str {
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
    DryRun,
    /// In the place of the file.
    InPlace,
    /// To another file, which is not there yet.
    Output(PathBuf),
}

/// Where the old content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A backup beside the file; its name.
    Backup(OsString),
    /// The file itself, with the value 10.
    Pristine,
    /// What the last sector of a disc image says.
    DiscRecord,
}

/// What became of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
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

const OTHER_REFUSED: &str =
    "Another driver in this cabinet is refused, so the cabinet is left as it is.";

/// What is said of a file.
#[derive(Debug)]
pub struct FileResult {
    /// The file.
    pub path: PathBuf,
    /// The file in it, where it is a disc image.
    pub within: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was found out about each driver in it, unless it was refused.
    pub facts: Vec<DriverFacts>,
    /// The backup that was made, or was there; or where a damaged file is kept.
    pub kept: Option<PathBuf>,
    /// The changed copy.
    pub output: Option<PathBuf>,
}

/// What was found out about a file that is not refused.
#[derive(Clone, Debug)]
pub struct DriverFacts {
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

impl DriverFacts {
    /// Whether the image is to be another one.
    pub(crate) fn is_change(&self) -> bool {
        self.before != self.after
    }
}

impl FileResult {
    /// Nothing is known of the file yet but this.
    pub(crate) fn new(path: &Path, outcome: Outcome) -> FileResult {
        FileResult {
            path: path.to_owned(),
            within: None,
            outcome,
            facts: Vec::new(),
            kept: None,
            output: None,
        }
    }

    /// What it is within the file: from the outermost to the innermost, with
    /// `/`.
    pub(crate) fn inner_path(&self) -> Option<String> {
        let within = self.within.as_deref();
        let member = self.facts.first().and_then(|facts| facts.member.as_deref());
        let parts: Vec<&str> = within.into_iter().chain(member).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// What is said of each driver, where there are several in the file.
    pub(crate) fn split_by_driver(mut self) -> Vec<FileResult> {
        if let Outcome::Failed(Failure::Refused(Refusal::InCabinet(drivers))) = self.outcome {
            let within = |member: String| match &self.within {
                Some(outer) => format!("{outer}/{member}"),
                None => member,
            };
            let refused = drivers.into_iter().map(|(member, refusal)| FileResult {
                within: Some(within(member)),
                outcome: match refusal {
                    Some(refusal) => Outcome::Failed(refusal.into()),
                    None => Outcome::NotDone(OTHER_REFUSED.to_owned()),
                },
                ..FileResult::new(&self.path, Outcome::Unchanged)
            });
            return refused.collect();
        }
        if self.facts.len() < 2 {
            return vec![self];
        }
        let facts = std::mem::take(&mut self.facts);
        let each = facts.into_iter().map(|facts| {
            let is_same = !facts.is_change() && facts.damage.is_none();
            let mut result = FileResult {
                within: self.within.clone(),
                kept: self.kept.clone(),
                output: self.output.clone(),
                facts: vec![facts],
                ..FileResult::new(&self.path, self.outcome.clone())
            };
            // The other one in the cabinet is why it is written.
            if is_same && matches!(result.outcome, Outcome::Changed | Outcome::WouldChange) {
                (result.outcome, result.output) = (Outcome::Unchanged, None);
            }
            result
        });
        each.collect()
    }
}

/// What a run is about, as its reports say it.
#[derive(Debug)]
pub(crate) struct ReportOptions {
    /// What it is to do.
    pub(crate) task: Task,
    /// Where it writes.
    pub(crate) target: Target,
    /// Whether changed files get the time of the change.
    pub(crate) touch: bool,
    /// Several files may be meant, so that totals are of interest.
    pub(crate) covers_many_files: bool,
    /// It is about the copies in a Windows.
    pub(crate) covers_windows: bool,
    /// Nothing says that only showing is meant.
    pub(crate) suggests_writing: bool,
    /// Only what must be said is.
    pub(crate) is_quiet: bool,
}

impl ReportOptions {
    /// Whether it patches.
    pub(crate) fn is_patch(&self) -> bool {
        matches!(self.task, Task::Patch { .. })
    }
}

/// An entry of a report: one driver.
pub(crate) struct ReportEntry<'a> {
    /// What became of it.
    pub(crate) result: &'a FileResult,
    /// What the copy is for, in a Windows.
    pub(crate) role: Option<Role>,
    /// The known build that it is as shipped, byte for byte.
    pub(crate) as_shipped: Option<&'a str>,
}

/// What is left aside: a cabinet, a link.
pub(crate) struct Skipped<'a> {
    /// The file.
    pub(crate) path: &'a str,
    /// What the copy is for, in a Windows.
    pub(crate) role: Option<Role>,
    /// `cabinet` or `link`.
    pub(crate) state: &'static str,
    /// Why it is left aside.
    pub(crate) reason: &'a str,
    /// The drivers in it.
    pub(crate) members: &'a [String],
}
