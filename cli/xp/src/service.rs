//! The driver's service: loaded, unloaded, removed.

use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_report::Exit;

use crate::client;
use crate::console::Console;
use crate::failure::Failure;
use crate::installation::{LEGACY, Paths, SERVICE, SOURCE, Survey, delete_key, key, read};
use crate::shortcut;
use crate::win32::Win32;
use crate::windows::{Activity, Service, Windows};

/// How long Windows may take to unload a driver: so many times [`PAUSE`].
const PATIENCE: u32 = 20;
/// How long Windows may hold on to a driver that was unloaded, 40 seconds. The
/// event log takes no entries for 30 seconds after a start, and those that wait hold
/// on to the driver that made them.
const HELD: u32 = 160;
/// After this long the reason is told.
const SILENCE: u32 = 4;
/// Milliseconds.
const PAUSE: u32 = 250;

/// Does something that Windows refuses as long as it holds on to a driver that was
/// unloaded, `is_held` by its error; again and again, until it is done, fails in
/// another way, or time is up.
fn until_let_go(
    windows: &dyn Windows,
    console: &Console<'_>,
    act: impl Fn() -> Result<(), Win32>,
    is_held: impl Fn(Win32) -> bool,
) -> Result<(), Win32> {
    for tries in 1..HELD {
        match act() {
            Err(error) if is_held(error) => {}
            result => return result,
        }
        if tries == SILENCE {
            console.say(phrase!(
                "Windows still holds on to the tcplimit.sys that was unloaded: shortly after a \
                 start its entries wait for the event log. Waiting for up to 40 seconds."
            ));
        }
        windows.wait(PAUSE);
    }
    act()
}

/// Starts the service. Windows says that it runs already also where it holds on to
/// the driver that was unloaded; then there is no device.
pub(crate) fn start(windows: &dyn Windows, console: &Console<'_>) -> Result<(), Failure> {
    let start = || match windows.start_service(SERVICE) {
        Err(Win32::SERVICE_ALREADY_RUNNING) if client::has_device(windows) => Ok(()),
        result => result,
    };
    until_let_go(windows, console, start, |error| {
        error == Win32::SERVICE_ALREADY_RUNNING
    })
    .map_err(Failure::loading)
}

/// Does something to the driver's file. Shortly after an unload, this program's
/// or another's, Windows may still hold on to that, as it does to the driver.
pub(crate) fn with_file(
    windows: &dyn Windows,
    console: &Console<'_>,
    was_loaded: bool,
    act: impl Fn() -> Result<(), Win32>,
) -> Result<(), Win32> {
    until_let_go(windows, console, act, |error| {
        let held = [
            Win32::ACCESS_DENIED,
            Win32::SHARING_VIOLATION,
            Win32::USER_MAPPED_FILE,
        ];
        was_loaded && held.contains(&error)
    })
}

/// Stops the service, and waits until the driver is gone.
pub(crate) fn stop(windows: &dyn Windows) -> Result<(), Failure> {
    stop_named(windows, SERVICE)
}

fn stop_named(windows: &dyn Windows, name: &str) -> Result<(), Failure> {
    match windows.stop_service(name) {
        // It stops already, or did so by itself.
        Ok(()) | Err(Win32::SERVICE_NOT_ACTIVE | Win32::SERVICE_CANNOT_ACCEPT_CTRL) => {}
        Err(error) => return Err(Failure::windows(phrase!("unload tcplimit.sys"), error)),
    }
    for _ in 0..PATIENCE {
        match find(windows, name)? {
            Some(service) if service.activity != Activity::Stopped => {}
            _ => return Ok(()),
        }
        windows.wait(PAUSE);
    }
    Err(Failure::refused(
        phrase!("Windows does not unload tcplimit.sys: a program has it open."),
        phrase!("Close programs that use it, \"tcplimit watch\" for one, or restart Windows."),
    ))
}

fn find(windows: &dyn Windows, name: &str) -> Result<Option<Service>, Failure> {
    windows
        .service(name)
        .map_err(|error| Failure::windows(phrase!("ask the service manager"), error))
}

/// The service, or what to do about its absence.
pub(crate) fn installed(windows: &dyn Windows) -> Result<Service, Failure> {
    find(windows, SERVICE)?.ok_or_else(|| Failure {
        exit: Exit::Unreadable,
        ..Failure::refused(
            phrase!("tcplimit.sys is not installed."),
            phrase!("Run: tcplimit install"),
        )
    })
}

/// `load`.
pub(crate) fn load(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    let activity = installed(windows)?.activity;
    if activity == Activity::Running && client::has_device(windows) {
        console.did(phrase!("Nothing was done: tcplimit.sys is loaded already."));
        return Ok(());
    }
    start(windows, console)?;
    console.did(phrase!("Loaded tcplimit.sys. To undo it: tcplimit unload"));
    Ok(())
}

/// `unload`.
pub(crate) fn unload(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    if installed(windows)?.activity == Activity::Stopped {
        console.did(phrase!("Nothing was done: tcplimit.sys is not loaded."));
        return Ok(());
    }
    let stays = stays(windows);
    stop(windows)?;
    console.did(phrase!("Unloaded tcplimit.sys. To undo it: tcplimit load"));
    console.say(&stays);
    Ok(())
}

/// What becomes of a limit that was set, once the driver is gone.
fn stays(windows: &dyn Windows) -> String {
    let changed = Module::ALL.into_iter().filter_map(|module| {
        let answer = client::query(windows, module).ok()?;
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
pub(crate) fn uninstall(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::of(windows)?;
    let survey = Survey::of(windows, &paths)?;
    // Of this user; whoever else has opened the window keeps a number or two.
    if windows.delete_settings().is_ok() {
        console.did(phrase!("Deleted the settings of the window."));
    }
    if survey.is_empty() {
        if !shortcut::remove(windows, console)? {
            console.did(phrase!("Nothing was done: tcplimit is not installed."));
        }
        return Ok(());
    }
    let stays = survey.is_active().then(|| stays(windows));
    remove(windows, console, &paths, &survey)?;
    shortcut::remove(windows, console)?;
    if let Some(stays) = stays {
        console.say(&stays);
    }
    console.say(phrase!("To undo it: tcplimit install"));
    Ok(())
}

/// `repair`.
pub(crate) fn repair(windows: &dyn Windows, console: &mut Console<'_>) -> Result<(), Failure> {
    let paths = Paths::of(windows)?;
    let survey = Survey::of(windows, &paths)?;
    let legacy = stale(windows, &paths)?;
    if legacy {
        delete(windows, LEGACY)?;
        console.did(text!(
            "Deleted the service {LEGACY}: its file is gone.",
            LEGACY
        ));
    }
    if survey.is_whole() {
        if !legacy {
            console.did(phrase!("Nothing was done: the installation is whole."));
        }
        return Ok(());
    }
    let is_left = !survey.is_empty();
    if is_left {
        remove(windows, console, &paths, &survey)?;
    }
    // Without a driver an entry is a remnant, too.
    if shortcut::remove(windows, console)? || is_left {
        console.say(phrase!(
            "Nothing is left of it. To install it anew: tcplimit install"
        ));
    } else if !legacy {
        console.did(phrase!(
            "Nothing was done: tcplimit is not installed, and nothing is left of it."
        ));
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
        console.did(phrase!("Unloaded tcplimit.sys."));
    }
    if survey.service.is_some() || survey.key {
        delete(windows, SERVICE)?;
        console.did(text!(
            "Deleted the service {SERVICE} and its settings.",
            SERVICE
        ));
    }
    if survey.source {
        windows
            .delete_key(SOURCE)
            .map_err(|error| Failure::windows(phrase!("delete the event source"), error))?;
        console.did(phrase!("Deleted the registration for Event Viewer."));
    }
    for (path, is_there) in [
        (&paths.driver, survey.driver.is_some()),
        (&paths.part, survey.part),
    ] {
        if is_there {
            let delete = || windows.delete(path);
            with_file(windows, console, survey.service.is_some(), delete)
                .map_err(|error| Failure::file(phrase!("delete"), path, error))?;
            console.did(text!("Deleted {path}.", path));
        }
    }
    Ok(())
}

/// Deletes a service, by hand where the service manager knows only its key.
fn delete(windows: &dyn Windows, name: &str) -> Result<(), Failure> {
    match windows.delete_service(name) {
        Ok(()) | Err(Win32::SERVICE_DOES_NOT_EXIST) => {}
        Err(error) => return Err(Failure::windows(phrase!("delete the service"), error)),
    }
    let left = |error| Failure::windows(phrase!("delete the service's key"), error);
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
