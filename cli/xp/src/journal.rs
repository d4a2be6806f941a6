//! What an install has done so far, and how to take it back.

use alloc::string::String;
use alloc::vec::Vec;

use crate::installation::{Paths, SERVICE, SOURCE, TITLE};
use crate::win32::Win32;
use crate::windows::{Registration, Service, Windows};

/// One thing that was done.
#[derive(Debug)]
pub(crate) enum Step {
    /// A driver that ran was unloaded.
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

    /// Takes all of it back, the last first. What could not be taken back, in
    /// words.
    pub(crate) fn take_back(self, windows: &dyn Windows, paths: &Paths) -> Vec<String> {
        let mut left = Vec::new();
        for step in self.0.into_iter().rev() {
            let (result, what) = step.take_back(windows, paths);
            if result.is_err() {
                left.push(what.into());
            }
        }
        left
    }
}

impl Step {
    fn take_back(self, windows: &dyn Windows, paths: &Paths) -> (Result<(), Win32>, &'static str) {
        match self {
            Step::Unloaded => (
                windows.start_service(SERVICE),
                "the driver is no longer loaded",
            ),
            Step::Copied(before) => (
                match before {
                    None => windows.delete(&paths.driver),
                    Some(bytes) => windows
                        .write(&paths.part, &bytes)
                        .and_then(|()| windows.rename(&paths.part, &paths.driver)),
                },
                "the copied file",
            ),
            Step::Created => (windows.delete_service(SERVICE), "the service"),
            Step::Changed(service) => (
                windows.change_service(&Registration {
                    name: SERVICE,
                    title: TITLE,
                    image: &paths.plain(&service.image),
                    start: service.start,
                }),
                "the changed service",
            ),
            Step::Source => (windows.delete_key(SOURCE), "the event source"),
        }
    }
}
