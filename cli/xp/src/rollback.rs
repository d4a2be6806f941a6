//! What an install has done so far, and how to take it back.

use alloc::string::String;
use alloc::vec::Vec;

use crate::console::Console;
use crate::installation::{EVENT_SOURCE_KEY, Paths, SERVICE, TITLE};
use crate::os::{Os, Registration, Service};
use crate::service;
use crate::win32_error::Win32Error;

/// One thing that was done.
#[derive(Debug)]
pub(crate) enum UndoStep {
    /// A driver that ran was to be unloaded.
    Unloaded,
    /// The file was written; what was there before.
    Copied(Option<Vec<u8>>),
    /// The service was created.
    Created,
    /// It was registered anew; what it was before.
    Changed(Service),
    /// The source of events was registered; it was not there before.
    Source,
}

/// The steps, the first first.
#[derive(Debug, Default)]
pub(crate) struct Rollback(Vec<UndoStep>);

impl Rollback {
    pub(crate) fn push(&mut self, step: UndoStep) {
        self.0.push(step);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all of it back, the last first. What could not be taken back, in
    /// words.
    pub(crate) fn undo(self, os: &dyn Os, console: &Console<'_>, paths: &Paths) -> Vec<String> {
        let mut left = Vec::new();
        for step in self.0.into_iter().rev() {
            let (undone, remnant) = step.undo(os, console, paths);
            if !undone {
                left.push(remnant.into());
            }
        }
        left
    }
}

impl UndoStep {
    /// Whether it was taken back, and what is left if it was not.
    fn undo(self, os: &dyn Os, console: &Console<'_>, paths: &Paths) -> (bool, &'static str) {
        match self {
            UndoStep::Unloaded => (
                service::start(os, console).is_ok(),
                phrase!("tcplimit.sys is no longer loaded"),
            ),
            UndoStep::Copied(None) => (
                is_deleted(os.delete(&paths.driver)),
                phrase!("the copied file"),
            ),
            UndoStep::Copied(Some(bytes)) => {
                let written = os.write(&paths.part, &bytes);
                let renamed = written.and_then(|()| os.rename(&paths.part, &paths.driver));
                (renamed.is_ok(), phrase!("the copied file"))
            }
            UndoStep::Created => (os.delete_service(SERVICE).is_ok(), phrase!("the service")),
            UndoStep::Changed(service) => {
                let changed = os.change_service(&Registration {
                    name: SERVICE,
                    title: TITLE,
                    image: &paths.normalize(&service.image),
                    start: service.start,
                });
                (changed.is_ok(), phrase!("the changed service"))
            }
            UndoStep::Source => (
                is_deleted(os.delete_key(EVENT_SOURCE_KEY)),
                phrase!("the event source"),
            ),
        }
    }
}

/// Whether something is gone, also where it never came.
fn is_deleted(deleted: Result<(), Win32Error>) -> bool {
    match deleted {
        Ok(()) => true,
        Err(error) => error.is_absence(),
    }
}
