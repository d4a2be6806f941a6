//! `install`: copies, registers, loads; rolls back on failure.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use scanner_core::{Arch, Headers, Module};
use tcplimit_report::{Exit, hash, hex};

use crate::access::{self, Writers};
use crate::console::Console;
use crate::driver_client;
use crate::failure::Failure;
use crate::installation::{
    FILE, LEGACY, LEGACY_FILE, Paths, SERVICE, Survey, TITLE, read_if_present, register_source,
};
use crate::os::{Os, Registration, Start};
use crate::rollback::{Rollback, UndoStep};
use crate::service;
use crate::shortcut::StartMenuEntry;

/// Installs, repairs or upgrades, with a Start menu entry if `shortcut`. Does nothing if everything
/// is present.
pub(crate) fn run(os: &dyn Os, console: &mut Console<'_>, shortcut: bool) -> Result<(), Failure> {
    let paths = Paths::locate(os)?;
    let driver = read_driver(os, &paths)?;
    // Refuses before changing anything.
    let entry = shortcut.then(|| StartMenuEntry::plan(os)).transpose()?;
    let survey = Survey::take(os, &paths)?;
    let is_this = survey.is_complete() && survey.is_quiet() && survey.driver == Some(hash(&driver));
    if is_this && survey.is_active() && driver_client::has_device(os) {
        let is_made = match &entry {
            Some(entry) => entry.make(os, console)?,
            None => false,
        };
        if !is_made {
            console.step(phrase!(
                "Nothing was done: tcplimit is installed and loaded already."
            ));
        }
        return report_limit(os, console);
    }
    let mut rollback = Rollback::default();
    let installed = install(os, console, &paths, &driver, &survey, &mut rollback);
    // The last step: it undoes itself if it fails.
    let installed = installed.and_then(|()| match &entry {
        Some(entry) => entry.make(os, console).map(|_| ()),
        None => Ok(()),
    });
    if let Err(failure) = installed {
        return Err(roll_back(os, console, &paths, rollback, failure));
    }
    console.print(phrase!("To undo it: tcplimit uninstall"));
    report_limit(os, console)
}

fn install(
    os: &dyn Os,
    console: &mut Console<'_>,
    paths: &Paths,
    driver: &[u8],
    survey: &Survey,
    rollback: &mut Rollback,
) -> Result<(), Failure> {
    // Without its device the driver is unloaded, and Windows still holds it.
    let is_held = survey.service_is_correct && !driver_client::has_device(os);
    if survey.is_active() && !is_held {
        // Recorded first, because it stops some time after the request.
        rollback.push(UndoStep::Unloaded);
        service::stop(os)?;
        console.step(phrase!("Unloaded the previous tcplimit.sys."));
    }
    let before = read_if_present(os, &paths.driver)?;
    if before.as_deref() != Some(driver) {
        let copy = FileCopy {
            os,
            console,
            bytes: driver,
            temporary: &paths.temporary,
            to: &paths.driver,
            was_loaded: survey.service.is_some(),
        };
        copy.run(|| rollback.push(UndoStep::Copied(before)))?;
        console.step(text!("Copied {FILE} to {to}.", FILE, to = paths.driver));
    } else {
        console.step(text!("{path} is already up to date.", path = paths.driver));
    }
    if survey.temporary && os.read(&paths.temporary).is_ok() {
        os.delete(&paths.temporary)
            .map_err(|error| Failure::file(phrase!("delete"), &paths.temporary, error))?;
    }
    // Keeps starting with Windows.
    let start = match &survey.service {
        Some(service) if service.start == Start::Auto => Start::Auto,
        _ => Start::Demand,
    };
    let registration = Registration {
        name: SERVICE,
        title: TITLE,
        image: &paths.driver,
        start,
    };
    match &survey.service {
        Some(_) if survey.service_is_correct && survey.is_quiet() => {}
        Some(service) => {
            os.change_service(&registration)
                .map_err(|error| Failure::win32(phrase!("register the service"), error))?;
            rollback.push(UndoStep::Changed(service.clone()));
            console.step(text!("Registered the service {SERVICE} again.", SERVICE));
        }
        None => {
            os.create_service(&registration)
                .map_err(|error| Failure::win32(phrase!("register the service"), error))?;
            rollback.push(UndoStep::Created);
            console.step(text!(
                "Registered the service {SERVICE}: a driver, started on demand.",
                SERVICE
            ));
        }
    }
    if !survey.source_is_correct {
        if !survey.source {
            // Recorded first, because it takes several calls.
            rollback.push(UndoStep::Source);
        }
        register_source(os)
            .map_err(|error| Failure::win32(phrase!("register the event source"), error))?;
        console.step(phrase!("Registered its messages for Event Viewer."));
    }
    service::start(os, console)?;
    console.step(phrase!("Loaded tcplimit.sys."));
    Ok(())
}

/// Reads the driver beside the program, if it is one for this system.
fn read_driver(os: &dyn Os, paths: &Paths) -> Result<Vec<u8>, Failure> {
    let Some(driver) = read_if_present(os, &paths.shipped)? else {
        return Err(Failure {
            exit: Exit::Unreadable,
            ..Failure::refused(
                text!(
                    "{FILE} is not beside tcplimit.exe: {path}",
                    FILE,
                    path = paths.shipped
                ),
                phrase!(
                    "Unpack the whole zip into one folder, and run tcplimit from there. If the \
                     file was there before, antivirus software may have removed it."
                ),
            )
        });
    };
    match Headers::parse(&driver) {
        Ok(headers) if headers.is_native() && headers.arch() == arch(os) => Ok(driver),
        Ok(headers) if headers.is_native() => Err(Failure::refused(
            text!(
                "{path} is for {arch}, but this Windows is not.",
                path = paths.shipped,
                arch = headers.arch()
            ),
            text!(
                "Use the zip whose name ends in winxp-{arch}.",
                arch = arch(os)
            ),
        )),
        _ => Err(Failure::refused(
            text!("{path} is damaged: not a driver.", path = paths.shipped),
            phrase!("Unpack the zip again."),
        )),
    }
}

/// The architecture of this program and its driver.
fn arch(os: &dyn Os) -> Arch {
    if os.is_x64() { Arch::X64 } else { Arch::X86 }
}

/// A copy made under a temporary name, so that a partial driver is never loaded.
struct FileCopy<'a> {
    os: &'a dyn Os,
    console: &'a Console<'a>,
    bytes: &'a [u8],
    temporary: &'a str,
    to: &'a str,
    /// Whether the driver at the target may have been loaded until now.
    was_loaded: bool,
}

impl FileCopy<'_> {
    /// Copies, and compares the hash afterwards. Calls `renamed` once the old file is replaced.
    fn run(&self, renamed: impl FnOnce()) -> Result<(), Failure> {
        let FileCopy {
            os,
            console,
            temporary,
            to,
            ..
        } = self;
        let written = os.write(temporary, self.bytes);
        let rename = || os.rename(temporary, to);
        let placed = written
            .and_then(|()| service::retry_file_operation(*os, console, self.was_loaded, rename));
        if let Err(error) = placed {
            // A part of it may exist.
            let _ = os.delete(temporary);
            return Err(Failure::file(phrase!("write"), to, error));
        }
        renamed();
        let copied = os
            .read(to)
            .map_err(|error| Failure::file(phrase!("read"), to, error))?;
        let (copied, wanted) = (hash(&copied), hash(self.bytes));
        if copied == wanted {
            return Ok(());
        }
        Err(Failure {
            exit: Exit::Unreadable,
            ..Failure::refused(
                text!(
                    "The copy differs from the original: {to} has the SHA-256 {found}, not \
                     {wanted}.",
                    to,
                    found = hex(&copied),
                    wanted = hex(&wanted)
                ),
                phrase!("The disk may be failing, or other software changes the file."),
            )
        })
    }
}

/// Rolls back; returns the failure with the outcome of the rollback.
fn roll_back(
    os: &dyn Os,
    console: &Console<'_>,
    paths: &Paths,
    rollback: Rollback,
    mut failure: Failure,
) -> Failure {
    let nothing = rollback.is_empty();
    let left = rollback.undo(os, console, paths);
    let outcome = match left.as_slice() {
        [] if nothing => phrase!("Nothing was changed.").to_string(),
        [] => phrase!("All changes were undone.").to_string(),
        left => text!(
            "Could not undo: {left}. Run: tcplimit repair",
            left = left.join(", ")
        ),
    };
    failure.message = format!("{} {outcome}", failure.message);
    failure
}

/// Prints the limit if the installed driver has located it.
fn report_limit(os: &dyn Os, console: &Console<'_>) -> Result<(), Failure> {
    let module = Module::Tcpip;
    let answer = driver_client::query(os, module)?;
    if let Some(refusal) = driver_client::refusal(module, &answer) {
        return Err(Failure {
            message: text!(
                "tcplimit.sys is loaded, but {message}",
                message = refusal.message
            ),
            ..refusal
        });
    }
    let limit = answer.limit.get();
    console.print(&match driver_client::is_foreign(&answer) {
        false => text!(
            "{module}: the limit is {limit}. To change it: tcplimit set 100",
            module,
            limit
        ),
        true => text!(
            "{module}: the limit is {limit}, not set by tcplimit. To replace it:\n  {command}",
            module,
            limit,
            command = driver_client::command("set 100", module, Some(limit), false)
        ),
    });
    Ok(())
}

/// Refuses or warns if other groups can replace the driver that the program would load.
fn check_folder_rights(
    os: &dyn Os,
    console: &mut Console<'_>,
    folder: &str,
    force: bool,
) -> Result<(), Failure> {
    let groups = match access::writers(os, folder)? {
        Writers::Groups(groups) if groups.is_empty() => return Ok(()),
        Writers::Groups(groups) => groups.join(", "),
        Writers::NoLists => {
            console.step(text!(
                "Warning: {folder} is on a disk without access lists. Any user of this machine \
                 can replace this driver.",
                folder
            ));
            return Ok(());
        }
    };
    if !force {
        return Err(Failure::refused(
            text!(
                "{folder} is writable by: {groups}. Any user of this machine could replace this \
                 driver, and the program would load the replacement.",
                folder,
                groups
            ),
            phrase!(
                "After \"tcplimit install\" the program needs no driver in its folder. Or remove \
                 that right from these groups, or add: --force"
            ),
        ));
    }
    console.step(text!(
        "Warning: {folder} is writable by: {groups}. Any user of this machine can replace this \
         driver.",
        folder,
        groups
    ));
    Ok(())
}

/// `install --compat DIR`: puts the driver beside a 2005 program.
pub(crate) fn compat(
    os: &dyn Os,
    console: &mut Console<'_>,
    folder: &str,
    force: bool,
) -> Result<(), Failure> {
    if os.is_x64() {
        return Err(Failure::refused(
            phrase!(
                "The 2005 programs are for 32-bit Windows and load no driver on 64-bit Windows."
            ),
            phrase!(
                "Run \"tcplimit install\" without --compat: they find the device of TcpLimit and \
                 work."
            ),
        ));
    }
    let paths = Paths::locate(os)?;
    let driver = read_driver(os, &paths)?;
    let folder = folder.trim_end_matches('\\');
    let to = format!(r"{folder}\{LEGACY_FILE}");
    check_folder_rights(os, console, folder, force)?;
    let kept = format!("{to}.original");
    let before = read_if_present(os, &to)?;
    if before.as_deref() == Some(&*driver) {
        console.step(text!("Nothing was done: {to} is this driver already.", to));
        return Ok(());
    }
    // Only the first one is the program's own.
    let keep = before.is_some() && read_if_present(os, &kept)?.is_none();
    if keep {
        os.rename(&to, &kept)
            .map_err(|error| Failure::file(phrase!("rename"), &to, error))?;
        console.step(text!("Renamed the existing driver to {kept}.", kept));
    }
    let copy = FileCopy {
        os,
        console,
        bytes: &driver,
        temporary: &format!("{to}.new"),
        to: &to,
        was_loaded: false,
    };
    if let Err(mut failure) = copy.run(|| {}) {
        let outcome = match keep.then(|| os.rename(&kept, &to)) {
            Some(Err(_)) => text!("The existing driver is now {kept}.", kept),
            _ => phrase!("All changes were undone.").into(),
        };
        failure.message = format!("{} {outcome}", failure.message);
        return Err(failure);
    }
    console.step(text!("Copied {FILE} to {to}.", FILE, to));
    let undo = if keep || read_if_present(os, &kept)?.is_some() {
        text!(
            "To undo it: delete that file, and rename {LEGACY_FILE}.original back.",
            LEGACY_FILE
        )
    } else {
        phrase!("To undo it: delete that file.").into()
    };
    console.print(&undo);
    console.print(&text!(
        "The program loads it as the service {LEGACY}. While the service {SERVICE} is loaded, it \
         needs no driver of its own and loads none: both have the same devices.",
        LEGACY,
        SERVICE
    ));
    Ok(())
}
