//! Outcomes for files: the data of every report.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::plan::Plan;
use super::refusal::Refusal;
use super::windows_install::Role;

/// The operation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Make start-up code set this limit.
    Patch {
        /// 1 to 16777215.
        limit: u32,
    },
    /// Make it set the previous limit again.
    Restore {
        /// Whether to use a backup if there is one; otherwise the limit is 10.
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

/// The destination of the changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// None: the planned changes are shown.
    DryRun,
    /// The file itself.
    InPlace,
    /// Another file, which must not exist.
    Output(PathBuf),
}

/// The source of the old content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The backup with this name beside the file.
    Backup(OsString),
    /// The file itself, with the value 10.
    Pristine,
    /// The record in the last sector of a disc image.
    DiscRecord,
}

/// The outcome for a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It would be changed.
    WouldChange,
    /// It was changed, or the changed copy was written.
    Changed,
    /// It was already correct.
    Unchanged,
    /// It was not changed because of other copies; the reason.
    NotDone(String),
    /// It was refused, or something failed; the file is unchanged unless the failure
    /// says otherwise.
    Failed(Failure),
}

impl Outcome {
    /// Why the file was not changed, where something prevented it.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Outcome::Failed(failure) => Some(failure.to_string()),
            Outcome::NotDone(reason) => Some(reason.clone()),
            _ => None,
        }
    }
}

const OTHER_REFUSED: &str =
    "Another driver in this cabinet is refused, so the cabinet is left unchanged.";

/// The result for a file.
#[derive(Debug)]
pub struct FileResult {
    /// The file.
    pub path: PathBuf,
    /// For a disc image, the file in it.
    pub within: Option<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// Facts about each driver in it, unless it was refused.
    pub facts: Vec<DriverFacts>,
    /// The new or existing backup, or the file that keeps the damaged content.
    pub kept: Option<PathBuf>,
    /// The changed copy.
    pub output: Option<PathBuf>,
}

/// Facts about a driver that was not refused.
#[derive(Clone, Debug)]
pub struct DriverFacts {
    /// The name of the member, in a cabinet.
    pub member: Option<String>,
    /// The changes in the image.
    pub plan: Plan,
    /// The source of the old content, for a restore.
    pub source: Option<Source>,
    /// The damage of the file, if a backup replaces it.
    pub damage: Option<String>,
    /// SHA-256 of the present image; of a damaged file, that of the file.
    pub before: String,
    /// SHA-256 of the new image.
    pub after: String,
}

impl DriverFacts {
    /// Whether the image changes.
    pub(crate) fn is_change(&self) -> bool {
        self.before != self.after
    }
}

impl FileResult {
    /// A result without facts.
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

    /// The path within the file, outermost first, with `/`.
    pub(crate) fn inner_path(&self) -> Option<String> {
        let within = self.within.as_deref();
        let member = self.facts.first().and_then(|facts| facts.member.as_deref());
        let parts: Vec<&str> = within.into_iter().chain(member).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// One result for each driver in the file.
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
            // The cabinet is written because of another driver in it.
            if is_same && matches!(result.outcome, Outcome::Changed | Outcome::WouldChange) {
                (result.outcome, result.output) = (Outcome::Unchanged, None);
            }
            result
        });
        each.collect()
    }
}

/// The settings of a run that its reports depend on.
#[derive(Debug)]
pub(crate) struct ReportOptions {
    /// The operation.
    pub(crate) task: Task,
    /// The destination.
    pub(crate) target: Target,
    /// Whether changed files get the time of the change.
    pub(crate) touch: bool,
    /// Whether it may cover several files, so that totals matter.
    pub(crate) covers_many_files: bool,
    /// Whether it covers the copies in a Windows.
    pub(crate) covers_windows: bool,
    /// Whether to explain how to write: `--dry-run` was not given.
    pub(crate) suggests_writing: bool,
    /// Whether notes and totals are omitted.
    pub(crate) is_quiet: bool,
}

impl ReportOptions {
    /// Whether it is a patch, not a restore.
    pub(crate) fn is_patch(&self) -> bool {
        matches!(self.task, Task::Patch { .. })
    }
}

/// An entry of a report: one driver.
pub(crate) struct ReportEntry<'a> {
    /// Its result.
    pub(crate) result: &'a FileResult,
    /// The purpose of the copy, in a Windows.
    pub(crate) role: Option<Role>,
    /// The name of the known build that equals it, byte for byte.
    pub(crate) as_shipped: Option<&'a str>,
}

/// A skipped file: a cabinet or a link.
pub(crate) struct Skipped<'a> {
    /// The file.
    pub(crate) path: &'a str,
    /// The purpose of the copy, in a Windows.
    pub(crate) role: Option<Role>,
    /// `cabinet` or `link`.
    pub(crate) state: &'static str,
    /// Why it was skipped.
    pub(crate) reason: &'a str,
    /// The names of the drivers in it.
    pub(crate) members: &'a [String],
}
