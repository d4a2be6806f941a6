//! The driver's service: loaded, unloaded, removed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;

use crate::client;
use crate::console::Console;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::installation::{LEGACY, Paths, SERVICE, SOURCE, Survey, delete_key, key, read};
use crate::win32::Win32;
use crate::windows::{Activity, Service, Windows};

/// How long Windows may hold on to a driver that was unloaded, or take to unload
/// one: so many times [`PAUSE`].
const PATIENCE: u32 = 20;
/// Milliseconds.
const PAUSE: u32 = 250;

/// Starts the service. After an unload Windows may still hold on to the driver
/// and say that it runs.
pub(crate) fn start(windows: &dyn Windows) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let error = match windows.start_service(SERVICE) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error != Win32::SERVICE_ALREADY_RUNNING {
            return Err(Failure::loading(error));
        }
        if find(windows, SERVICE)?.is_some_and(|service| service.activity == Activity::Running) {
            return Ok(());
        }
        tries += 1;
        if tries == PATIENCE {
            return Err(Failure::loading(error));
        }
        windows.wait(PAUSE);
    }
}

/// Does something to the driver's file. Shortly after an unload, this program's
/// or another's, Windows may still hold on to that, as it does to the driver.
pub(crate) fn with_file(
    windows: &dyn Windows,
    was_loaded: bool,
    act: impl Fn() -> Result<(), Win32>,
) -> Result<(), Win32> {
    for _ in 1..PATIENCE {
        match act() {
            Err(Win32::ACCESS_DENIED | Win32::SHARING_VIOLATION | Win32::USER_MAPPED_FILE)
                if was_loaded =>
            {
                windows.wait(PAUSE);
            }
            result => return result,
        }
    }
    act()
}

/// Stops the service, and waits until the driver is gone.
pub(crate) fn stop(windows: &dyn Windows) -> Result<(), Failure> {
    stop_named(windows, SERVICE)
}

fn stop_named(windows: &dyn Windows, name: &str) -> Result<(), Failure> {
    match windows.stop_service(name) {
        // It stops already, or did so by itself.
        Ok(()) | Err(Win32::SERVICE_NOT_ACTIVE | Win32::SERVICE_CANNOT_ACCEPT_CTRL) => {}
        Err(error) => return Err(Failure::windows("unload the driver", error)),
    }
    for _ in 0..PATIENCE {
        match find(windows, name)? {
            Some(service) if service.activity != Activity::Stopped => {}
            _ => return Ok(()),
        }
        windows.wait(PAUSE);
    }
    Err(Failure::refused(
        "Windows does not unload the driver: a program has it open.",
        "Close programs that use it, \"tcplimit watch\" for one, or restart Windows.",
    ))
}

fn find(windows: &dyn Windows, name: &str) -> Result<Option<Service>, Failure> {
    windows
        .service(name)
        .map_err(|error| Failure::windows("ask the service manager", error))
}

/// The service, or what to do about its absence.
pub(crate) fn installed(windows: &dyn Windows) -> Result<Service, Failure> {
    find(windows, SERVICE)?.ok_or_else(|| Failure {
        exit: Exit::Unreachable,
        ..Failure::refused("The driver is not installed.", "Run: tcplimit install")
    })
}

/// `load`.
pub(crate) fn load(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    if installed(windows)?.activity == Activity::Running {
        console.did("Nothing was done: the driver is loaded already.");
        return Ok(());
    }
    start(windows)?;
    console.did("Loaded the driver. To undo it: tcplimit unload");
    Ok(())
}

/// `unload`.
pub(crate) fn unload(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    if installed(windows)?.activity == Activity::Stopped {
        console.did("Nothing was done: the driver is not loaded.");
        return Ok(());
    }
    let stays = stays(windows);
    stop(windows)?;
    console.did("Unloaded the driver. To undo it: tcplimit load");
    console.say(&stays);
    Ok(())
}

/// What becomes of a limit that was set, once the driver is gone.
fn stays(windows: &dyn Windows) -> String {
    let changed = Module::ALL.into_iter().filter_map(|module| {
        let answer = client::query(windows, module).ok()?;
        let limit = answer.limit.get();
        (limit != 0 && limit != client::SHIPPED).then(|| format!("{module} has {limit}"))
    });
    let changed: Vec<String> = changed.collect();
    match changed.as_slice() {
        [] => "The limit is 10.".into(),
        changed => format!(
            "The limit stays until Windows is restarted: {}.",
            changed.join(", ")
        ),
    }
}

/// `uninstall`.
pub(crate) fn uninstall(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::of(windows)?;
    let survey = Survey::of(windows, &paths)?;
    if survey.is_empty() {
        console.did("Nothing was done: tcplimit is not installed.");
        return Ok(());
    }
    let stays = survey.is_active().then(|| stays(windows));
    remove(windows, console, &paths, &survey)?;
    if let Some(stays) = stays {
        console.say(&stays);
    }
    console.say("To undo it: tcplimit install");
    Ok(())
}

/// `repair`.
pub(crate) fn repair(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::of(windows)?;
    let survey = Survey::of(windows, &paths)?;
    let legacy = stale(windows, &paths)?;
    if (survey.is_whole() || survey.is_empty()) && !legacy {
        console.did(if survey.is_whole() {
            "Nothing was done: the installation is whole."
        } else {
            "Nothing was done: tcplimit is not installed, and nothing is left of it."
        });
        return Ok(());
    }
    if legacy {
        delete(windows, LEGACY)?;
        console.did(format!("Deleted the service {LEGACY}: its file is gone."));
    }
    if !survey.is_whole() && !survey.is_empty() {
        remove(windows, console, &paths, &survey)?;
        console.say("Nothing is left of it. To install it anew: tcplimit install");
    }
    Ok(())
}

/// Removes whatever is there. A step that fails ends it; all are repeated by the
/// next attempt.
fn remove(
    windows: &dyn Windows,
    console: &mut Console<'_>,
    paths: &Paths,
    survey: &Survey,
) -> Result<(), Failure> {
    if survey.is_active() {
        stop(windows)?;
        console.did("Unloaded the driver.");
    }
    if survey.service.is_some() || survey.key {
        delete(windows, SERVICE)?;
        console.did(format!("Deleted the service {SERVICE} and its settings."));
    }
    if survey.source {
        windows
            .delete_key(SOURCE)
            .map_err(|error| Failure::windows("delete the event source", error))?;
        console.did("Deleted the registration for Event Viewer.");
    }
    for (path, is_there) in [
        (&paths.driver, survey.driver.is_some()),
        (&paths.part, survey.part),
    ] {
        if is_there {
            with_file(windows, survey.service.is_some(), || windows.delete(path))
                .map_err(|error| Failure::file("delete", path, error))?;
            console.did(format!("Deleted {path}."));
        }
    }
    Ok(())
}

/// Deletes a service, by hand where the service manager knows only its key.
fn delete(windows: &dyn Windows, name: &str) -> Result<(), Failure> {
    match windows.delete_service(name) {
        Ok(()) | Err(Win32::SERVICE_DOES_NOT_EXIST) => {}
        Err(error) => return Err(Failure::windows("delete the service", error)),
    }
    let left = |error| Failure::windows("delete the service's key", error);
    if find(windows, name)?.is_none() && windows.has_key(&key(name)).map_err(left)? {
        delete_key(windows, name).map_err(left)?;
    }
    Ok(())
}

/// Whether a program of 2005 has left its service behind, without its file.
fn stale(windows: &dyn Windows, paths: &Paths) -> Result<bool, Failure> {
    match find(windows, LEGACY)? {
        Some(service) if service.activity == Activity::Stopped => {
            Ok(read(windows, &paths.plain(&service.image))?.is_none())
        }
        _ => Ok(false),
    }
}
