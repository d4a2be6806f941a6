//! The driver's service: load, unload, uninstall, repair.

use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_report::Exit;

use crate::console::Console;
use crate::driver_client;
use crate::failure::Failure;
use crate::installation::{
    EVENT_SOURCE_KEY, LEGACY, Paths, SERVICE, Survey, delete_key, read_if_present, service_key,
};
use crate::os::{Activity, Os, Service};
use crate::shortcut;
use crate::win32_error::Win32Error;

/// Number of checks for an unload, [`PAUSE`] apart.
const STOP_TRIES: u32 = 20;
/// Number of tries while Windows holds an unloaded driver, 40 s in all. The event log takes no entries
/// for 30 seconds after a start, and waiting entries hold the driver that made them.
const HELD_TRIES: u32 = 160;
/// Number of tries before the reason is printed.
const NOTICE_AFTER: u32 = 4;
/// Milliseconds.
const PAUSE: u32 = 250;

/// Retries an operation that Windows refuses while it holds an unloaded driver (`is_held` by its
/// error), until it succeeds, fails otherwise, or the tries are used up.
fn retry_while_held(
    os: &dyn Os,
    console: &Console<'_>,
    operation: impl Fn() -> Result<(), Win32Error>,
    is_held: impl Fn(Win32Error) -> bool,
) -> Result<(), Win32Error> {
    for tries in 1..HELD_TRIES {
        match operation() {
            Err(error) if is_held(error) => {}
            result => return result,
        }
        if tries == NOTICE_AFTER {
            console.print(phrase!(
                "Windows still holds the unloaded tcplimit.sys: shortly after a start its \
                 entries wait for the event log. Waiting up to 40 seconds."
            ));
        }
        os.wait(PAUSE);
    }
    operation()
}

/// Starts the service. Windows also reports a held driver as already running, but then there is no
/// device.
pub(crate) fn start(os: &dyn Os, console: &Console<'_>) -> Result<(), Failure> {
    let start = || match os.start_service(SERVICE) {
        Err(Win32Error::SERVICE_ALREADY_RUNNING) if driver_client::has_device(os) => Ok(()),
        result => result,
    };
    retry_while_held(os, console, start, |error| {
        error == Win32Error::SERVICE_ALREADY_RUNNING
    })
    .map_err(Failure::loading)
}

/// Runs an operation on the driver's file. Windows may hold the file for a while after an unload.
pub(crate) fn retry_file_operation(
    os: &dyn Os,
    console: &Console<'_>,
    was_loaded: bool,
    operation: impl Fn() -> Result<(), Win32Error>,
) -> Result<(), Win32Error> {
    retry_while_held(os, console, operation, |error| {
        let held = [
            Win32Error::ACCESS_DENIED,
            Win32Error::SHARING_VIOLATION,
            Win32Error::USER_MAPPED_FILE,
        ];
        was_loaded && held.contains(&error)
    })
}

/// Stops the service, and waits until the driver is unloaded.
pub(crate) fn stop(os: &dyn Os) -> Result<(), Failure> {
    stop_named(os, SERVICE)
}

fn stop_named(os: &dyn Os, name: &str) -> Result<(), Failure> {
    match os.stop_service(name) {
        // It is stopping already, or has stopped.
        Ok(()) | Err(Win32Error::SERVICE_NOT_ACTIVE | Win32Error::SERVICE_CANNOT_ACCEPT_CTRL) => {}
        Err(error) => return Err(Failure::win32(phrase!("unload tcplimit.sys"), error)),
    }
    for _ in 0..STOP_TRIES {
        match find(os, name)? {
            Some(service) if service.activity != Activity::Stopped => {}
            _ => return Ok(()),
        }
        os.wait(PAUSE);
    }
    Err(Failure::refused(
        phrase!("Windows does not unload tcplimit.sys: a program has it open."),
        phrase!("Close programs that use it, such as \"tcplimit watch\", or restart Windows."),
    ))
}

fn find(os: &dyn Os, name: &str) -> Result<Option<Service>, Failure> {
    os.service(name)
        .map_err(|error| Failure::win32(phrase!("query the service manager"), error))
}

/// The service, or a failure with advice if there is none.
pub(crate) fn require_installed(os: &dyn Os) -> Result<Service, Failure> {
    find(os, SERVICE)?.ok_or_else(|| Failure {
        exit: Exit::Unreadable,
        ..Failure::refused(
            phrase!("tcplimit.sys is not installed."),
            phrase!("Run: tcplimit install"),
        )
    })
}

/// `load`.
pub(crate) fn load(os: &dyn Os, console: &mut Console<'_>) -> Result<(), Failure> {
    let activity = require_installed(os)?.activity;
    if activity == Activity::Running && driver_client::has_device(os) {
        console.step(phrase!("Nothing was done: tcplimit.sys is loaded already."));
        return Ok(());
    }
    start(os, console)?;
    console.step(phrase!("Loaded tcplimit.sys. To undo it: tcplimit unload"));
    Ok(())
}

/// `unload`.
pub(crate) fn unload(os: &dyn Os, console: &mut Console<'_>) -> Result<(), Failure> {
    if require_installed(os)?.activity == Activity::Stopped {
        console.step(phrase!("Nothing was done: tcplimit.sys is not loaded."));
        return Ok(());
    }
    let remaining = remaining_limit(os);
    stop(os)?;
    console.step(phrase!("Unloaded tcplimit.sys. To undo it: tcplimit load"));
    console.print(&remaining);
    Ok(())
}

/// The limit that remains once the driver is unloaded.
fn remaining_limit(os: &dyn Os) -> String {
    let changed = Module::ALL.into_iter().filter_map(|module| {
        let answer = driver_client::query(os, module).ok()?;
        let limit = answer.limit.get();
        (limit != 0 && limit != PRISTINE_LIMIT)
            .then(|| text!("{module} has {limit}", module, limit))
    });
    let changed: Vec<String> = changed.collect();
    match changed.as_slice() {
        [] => phrase!("The limit is 10.").into(),
        changed => text!(
            "The limit stays until Windows is restarted: {changed}.",
            changed = changed.join(", ")
        ),
    }
}

/// `uninstall`.
pub(crate) fn uninstall(os: &dyn Os, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::locate(os)?;
    let survey = Survey::take(os, &paths)?;
    // Only this user's; other users keep theirs.
    if os.delete_settings().is_ok() {
        console.step(phrase!("Deleted the settings of the window."));
    }
    if survey.is_empty() {
        if !shortcut::remove(os, console)? {
            console.step(phrase!("Nothing was done: tcplimit is not installed."));
        }
        return Ok(());
    }
    let remaining = survey.is_active().then(|| remaining_limit(os));
    remove(os, console, &paths, &survey)?;
    shortcut::remove(os, console)?;
    if let Some(remaining) = remaining {
        console.print(&remaining);
    }
    console.print(phrase!("To undo it: tcplimit install"));
    Ok(())
}

/// `repair`.
pub(crate) fn repair(os: &dyn Os, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::locate(os)?;
    let survey = Survey::take(os, &paths)?;
    let legacy = is_legacy_stale(os, &paths)?;
    if legacy {
        delete(os, LEGACY)?;
        console.step(text!(
            "Deleted the service {LEGACY}: its file is missing.",
            LEGACY
        ));
    }
    if survey.is_complete() {
        if !legacy {
            console.step(phrase!("Nothing was done: the installation is complete."));
        }
        return Ok(());
    }
    let is_left = !survey.is_empty();
    if is_left {
        remove(os, console, &paths, &survey)?;
    }
    // Without a driver, an entry is a remnant too.
    if shortcut::remove(os, console)? || is_left {
        console.print(phrase!(
            "Removed all of it. To install again: tcplimit install"
        ));
    } else if !legacy {
        console.step(phrase!(
            "Nothing was done: tcplimit is not installed and left no remnants."
        ));
    }
    Ok(())
}

/// Removes every part that is present. A failed step ends it; the next attempt repeats all.
fn remove(
    os: &dyn Os,
    console: &mut Console<'_>,
    paths: &Paths,
    survey: &Survey,
) -> Result<(), Failure> {
    if survey.is_active() {
        stop(os)?;
        console.step(phrase!("Unloaded tcplimit.sys."));
    }
    if survey.service.is_some() || survey.key {
        delete(os, SERVICE)?;
        console.step(text!(
            "Deleted the service {SERVICE} and its settings.",
            SERVICE
        ));
    }
    if survey.source {
        os.delete_key(EVENT_SOURCE_KEY)
            .map_err(|error| Failure::win32(phrase!("delete the event source"), error))?;
        console.step(phrase!("Deleted the registration for Event Viewer."));
    }
    for (path, is_there) in [
        (&paths.driver, survey.driver.is_some()),
        (&paths.temporary, survey.temporary),
    ] {
        if is_there {
            let delete = || os.delete(path);
            retry_file_operation(os, console, survey.service.is_some(), delete)
                .map_err(|error| Failure::file(phrase!("delete"), path, error))?;
            console.step(text!("Deleted {path}.", path));
        }
    }
    Ok(())
}

/// Deletes a service, or its key if the service manager does not know it.
fn delete(os: &dyn Os, name: &str) -> Result<(), Failure> {
    match os.delete_service(name) {
        Ok(()) | Err(Win32Error::SERVICE_DOES_NOT_EXIST) => {}
        Err(error) => return Err(Failure::win32(phrase!("delete the service"), error)),
    }
    let left = |error| Failure::win32(phrase!("delete the service's key"), error);
    if find(os, name)?.is_none() && os.has_key(&service_key(name)).map_err(left)? {
        delete_key(os, name).map_err(left)?;
    }
    Ok(())
}

/// Whether a 2005 program left its service behind without its file.
fn is_legacy_stale(os: &dyn Os, paths: &Paths) -> Result<bool, Failure> {
    match find(os, LEGACY)? {
        Some(service) if service.activity == Activity::Stopped => {
            Ok(read_if_present(os, &paths.normalize(&service.image))?.is_none())
        }
        _ => Ok(false),
    }
}
