//! What an install has done so far, and how to take it back.

use alloc::string::String;
use alloc::vec::Vec;

use crate::console::Console;
use crate::installation::{Paths, SERVICE, SOURCE, TITLE};
use crate::service;
use crate::win32::Win32;
use crate::windows::{Registration, Service, Windows};

/// One thing that was done.
#[derive(Debug)]
pub(crate) enum Step {
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
pub(crate) struct Journal(Vec<Step>);

impl Journal {
    pub(crate) fn note(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all of it back, the last first. What could not be taken back, in
    /// words.
    pub(crate) fn take_back(
        self,
        windows: &dyn Windows,
        console: &Console<'_>,
        paths: &Paths,
    ) -> Vec<String> {
        let mut left = Vec::new();
        for step in self.0.into_iter().rev() {
            let (taken_back, what) = step.take_back(windows, console, paths);
            if !taken_back {
                left.push(what.into());
            }
        }
        left
    }
}

impl Step {
    /// Whether it was taken back, and what is left if it was not.
    fn take_back(
        self,
        windows: &dyn Windows,
        console: &Console<'_>,
        paths: &Paths,
    ) -> (bool, &'static str) {
        match self {
            Step::Unloaded => (
                service::start(windows, console).is_ok(),
                phrase!("tcplimit.sys is no longer loaded"),
            ),
            Step::Copied(None) => (
                gone(windows.delete(&paths.driver)),
                phrase!("the copied file"),
            ),
            Step::Copied(Some(bytes)) => {
                let written = windows.write(&paths.part, &bytes);
                let renamed = written.and_then(|()| windows.rename(&paths.part, &paths.driver));
                (renamed.is_ok(), phrase!("the copied file"))
            }
            Step::Created => (
                windows.delete_service(SERVICE).is_ok(),
                phrase!("the service"),
            ),
            Step::Changed(service) => {
                let changed = windows.change_service(&Registration {
                    name: SERVICE,
                    title: TITLE,
                    image: &paths.plain(&service.image),
                    start: service.start,
                });
                (changed.is_ok(), phrase!("the changed service"))
            }
            Step::Source => (
                gone(windows.delete_key(SOURCE)),
                phrase!("the event source"),
            ),
        }
    }
}

/// Whether something is gone, also where it never came.
fn gone(deleted: Result<(), Win32>) -> bool {
    match deleted {
        Ok(()) => true,
        Err(error) => error.is_absence(),
    }
}
