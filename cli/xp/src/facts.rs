//! The state of the machine: driver, limits, stored limits, files, events.

use alloc::vec::Vec;

use scanner_core::Module;
use tcplimit_protocol::{Answer, setting};
use tcplimit_report::{Exit, Report};

use crate::driver_client;
use crate::event_log;
use crate::failure::Failure;
use crate::file_report;
use crate::installation::{LEGACY, Paths, Survey, parameters_key};
use crate::os::{Activity, Os};
use crate::stored_limits::{self, StoredLimit};
use crate::win32_error::Win32Error;

/// One of the two drivers of the system.
#[derive(Debug)]
pub(crate) struct ModuleFacts {
    pub(crate) module: Module,
    pub(crate) on_disk: Report,
    /// The driver's answer, or why there is none.
    pub(crate) memory: Result<Answer, Failure>,
    pub(crate) stored: StoredLimit,
}

/// The state of a machine.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) survey: Survey,
    pub(crate) modules: Vec<ModuleFacts>,
    /// Event 4226 since Windows started.
    pub(crate) events: Result<usize, Win32Error>,
    /// Whether the test-only value is in the registry.
    pub(crate) test_only: bool,
    /// Whether the start-up guard's mark is set.
    pub(crate) guarded: bool,
    /// Whether a 2005 program has loaded a driver under the legacy name.
    pub(crate) legacy: bool,
}

impl Facts {
    /// Queries Windows and the driver.
    pub(crate) fn gather(os: &dyn Os) -> Result<Facts, Failure> {
        let paths = Paths::locate(os)?;
        let survey = Survey::take(os, &paths)?;
        let mut modules = Vec::new();
        for module in Module::ALL {
            let path = paths.driver_file(module.file_name());
            let memory = driver_client::query(os, module);
            let absent = match &memory {
                Ok(answer) => driver_client::is_not_installed(module, answer),
                Err(_) => module == Module::Tcpip6,
            };
            let no_file = matches!(os.read(&path), Err(error) if error.is_absence());
            if absent && no_file {
                continue;
            }
            modules.push(ModuleFacts {
                module,
                on_disk: file_report::inspect(os, &path),
                memory,
                stored: stored_limits::read(os, module)?,
            });
        }
        let events = os
            .boot_time()
            .and_then(|boot| event_log::limit_events_since(os, boot))
            .map(|events| events.len());
        let test_only = os.number(&parameters_key(), setting::ACCEPT_UNKNOWN_RIGHTS);
        Ok(Facts {
            survey,
            modules,
            events,
            test_only: test_only == Ok(Some(1)),
            guarded: stored_limits::is_guarded(os),
            legacy: matches!(
                os.service(LEGACY),
                Ok(Some(service)) if service.activity == Activity::Running
            ),
        })
    }

    /// Whether a driver with our device is loaded.
    pub(crate) fn has_device(&self) -> bool {
        let errors = self.modules.iter().map(|facts| facts.memory.as_ref().err());
        let error_of = |error: Option<&Failure>| error?.error;
        !errors
            .map(error_of)
            .any(|error| error == Some(Win32Error::FILE_NOT_FOUND))
    }

    /// Done if the limit of tcpip.sys is known.
    pub(crate) fn exit(&self) -> Exit {
        match self
            .modules
            .first()
            .map(|facts| (facts.module, &facts.memory))
        {
            Some((module, Ok(answer))) => {
                driver_client::refusal(module, answer).map_or(Exit::Done, |refusal| refusal.exit)
            }
            _ => Exit::Unreadable,
        }
    }
}
