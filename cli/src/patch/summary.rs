//! Totals of a run.

use serde::Serialize;
use tcplimit_report::Exit;

use super::failure::Failure;
use super::outcome::Outcome;

/// Totals of a run, as docs/json.md describes them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) files: u64,
    pub(crate) changed: u64,
    pub(crate) would_change: u64,
    pub(crate) unchanged: u64,
    pub(crate) not_done: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) cabinets: u64,
    pub(crate) links: u64,
    /// Disc images.
    #[serde(skip)]
    pub(crate) images: u64,
    /// Consequences of the changes, or of the planned changes.
    pub(crate) notes: Vec<String>,
    /// Files of interrupted runs that were rolled back; `None` without such a run.
    pub(crate) put_back: Option<Vec<String>>,
    /// Files of interrupted runs that another program has changed or removed.
    pub(crate) left: Vec<String>,
    /// Why nothing, or not everything, was done.
    pub(crate) reason: Option<String>,
    pub(crate) interrupted: bool,
    exit_code: u8,
    #[serde(skip)]
    exit: Exit,
}

impl Summary {
    /// Counts the outcome for a driver.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        let (number, exit) = match outcome {
            Outcome::WouldChange => (&mut self.would_change, Exit::Done),
            Outcome::Changed => (&mut self.changed, Exit::Done),
            Outcome::Unchanged => (&mut self.unchanged, Exit::Done),
            // The copy that prevented it determines the exit code.
            Outcome::NotDone(_) => (&mut self.not_done, Exit::Done),
            Outcome::Failed(failure @ Failure::Refused(_)) => (&mut self.refused, failure.exit()),
            Outcome::Failed(failure) => (&mut self.failed, failure.exit()),
        };
        *number += 1;
        self.files += 1;
        self.exit = self.exit.max(exit);
    }

    /// Adds a reason why nothing, or not everything, was done.
    pub(crate) fn add_reason(&mut self, exit: Exit, reason: &str) {
        self.exit = self.exit.max(exit);
        self.reason = Some(match self.reason.take() {
            Some(before) => format!("{before}\n{reason}"),
            None => reason.to_owned(),
        });
    }

    /// Ends the run and returns its exit code.
    pub(crate) fn close(&mut self) -> Exit {
        let exit = match self.interrupted {
            true => Exit::Interrupted,
            false => self.exit,
        };
        self.exit_code = exit.code();
        exit
    }
}
