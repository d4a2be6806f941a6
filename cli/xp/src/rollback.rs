//! The steps of an install, and how to undo them.

use alloc::string::String;
use alloc::vec::Vec;

use crate::console::Console;
use crate::installation::{EVENT_SOURCE_KEY, Paths, SERVICE, TITLE};
use crate::os::{Os, Registration, Service};
use crate::service;
use crate::win32_error::Win32Error;

/// A completed step.
#[derive(Debug)]
pub(crate) enum UndoStep {
    /// A running driver was asked to unload.
    Unloaded,
    /// The file was written; its previous contents.
    Copied(Option<Vec<u8>>),
    /// The service was created.
    Created,
    /// The service was registered again; its previous state.
    Changed(Service),
    /// The event source was registered; it did not exist before.
    Source,
}

/// The steps in order.
#[derive(Debug, Default)]
pub(crate) struct Rollback(Vec<UndoStep>);

impl Rollback {
    pub(crate) fn push(&mut self, step: UndoStep) {
        self.0.push(step);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Undoes all steps, the last first. Returns the names of those that could not be undone.
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
    /// Whether the step was undone, and the name of what remains otherwise.
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
                let written = os.write(&paths.temporary, &bytes);
                let renamed = written.and_then(|()| os.rename(&paths.temporary, &paths.driver));
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

/// Whether something no longer exists, or never did.
fn is_deleted(deleted: Result<(), Win32Error>) -> bool {
    match deleted {
        Ok(()) => true,
        Err(error) => error.is_absence(),
    }
}
