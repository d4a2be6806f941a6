//! `install`: copies, registers, loads; or takes back what it did.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use scanner_core::{Arch, Headers, Module};
use tcplimit_report::{Exit, hash, hex};

use crate::access::{self, Writers};
use crate::client;
use crate::console::Console;
use crate::failure::Failure;
use crate::installation::{
    FILE, LEGACY, LEGACY_FILE, Paths, SERVICE, Survey, TITLE, read, register_source,
};
use crate::journal::{Journal, Step};
use crate::service;
use crate::shortcut::Entry;
use crate::windows::{Registration, Start, Windows};

/// Installs, or mends, or upgrades, with an entry in the Start menu if `shortcut`. Where
/// all is there already nothing is done.
pub(crate) fn run(
    windows: &dyn Windows,
    console: &mut Console<'_>,
    shortcut: bool,
) -> Result<(), Failure> {
    let paths = Paths::of(windows)?;
    let driver = source(windows, &paths)?;
    // What must be refused is refused before anything is done.
    let entry = shortcut.then(|| Entry::plan(windows)).transpose()?;
    let survey = Survey::of(windows, &paths)?;
    let is_this = survey.is_whole() && survey.is_quiet() && survey.driver == Some(hash(&driver));
    if is_this && survey.is_active() && client::has_device(windows) {
        let is_made = match &entry {
            Some(entry) => entry.make(windows, console)?,
            None => false,
        };
        if !is_made {
            console.did(phrase!(
                "Nothing was done: tcplimit is installed and loaded already."
            ));
        }
        return located(windows, console);
    }
    let mut journal = Journal::default();
    let installed = install(windows, console, &paths, &driver, &survey, &mut journal);
    // The last step: it takes itself back where it fails.
    let installed = installed.and_then(|()| match &entry {
        Some(entry) => entry.make(windows, console).map(|_| ()),
        None => Ok(()),
    });
    if let Err(failure) = installed {
        return Err(take_back(windows, console, &paths, journal, failure));
    }
    console.say(phrase!("To undo it: tcplimit uninstall"));
    located(windows, console)
}

fn install(
    windows: &dyn Windows,
    console: &mut Console<'_>,
    paths: &Paths,
    driver: &[u8],
    survey: &Survey,
    journal: &mut Journal,
) -> Result<(), Failure> {
    // Without its device it was unloaded, and Windows holds on to it.
    let is_held = survey.service_is_right && !client::has_device(windows);
    if survey.is_active() && !is_held {
        // Noted before, for it stops a while after it was asked to.
        journal.note(Step::Unloaded);
        service::stop(windows)?;
        console.did(phrase!(
            "Unloaded the tcplimit.sys that was installed before."
        ));
    }
    let before = read(windows, &paths.driver)?;
    if before.as_deref() != Some(driver) {
        let copy = Copy {
            windows,
            console,
            bytes: driver,
            part: &paths.part,
            to: &paths.driver,
            was_loaded: survey.service.is_some(),
        };
        copy.make(|| journal.note(Step::Copied(before)))?;
        console.did(text!("Copied {FILE} to {to}.", FILE, to = paths.driver));
    } else {
        console.did(text!("{path} is there already.", path = paths.driver));
    }
    if survey.part && windows.read(&paths.part).is_ok() {
        windows
            .delete(&paths.part)
            .map_err(|error| Failure::file(phrase!("delete"), &paths.part, error))?;
    }
    // What starts with Windows goes on to.
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
        Some(_) if survey.service_is_right && survey.is_quiet() => {}
        Some(service) => {
            windows
                .change_service(&registration)
                .map_err(|error| Failure::windows(phrase!("register the service"), error))?;
            journal.note(Step::Changed(service.clone()));
            console.did(text!("Registered the service {SERVICE} anew.", SERVICE));
        }
        None => {
            windows
                .create_service(&registration)
                .map_err(|error| Failure::windows(phrase!("register the service"), error))?;
            journal.note(Step::Created);
            console.did(text!(
                "Registered the service {SERVICE}: a driver, started on demand.",
                SERVICE
            ));
        }
    }
    if !survey.source_is_right {
        if !survey.source {
            // Noted before, for it is made by several calls.
            journal.note(Step::Source);
        }
        register_source(windows)
            .map_err(|error| Failure::windows(phrase!("register the event source"), error))?;
        console.did(phrase!("Registered its messages for Event Viewer."));
    }
    service::start(windows, console)?;
    console.did(phrase!("Loaded tcplimit.sys."));
    Ok(())
}

/// The driver beside the program, if it is one for this system.
fn source(windows: &dyn Windows, paths: &Paths) -> Result<Vec<u8>, Failure> {
    let Some(driver) = read(windows, &paths.source)? else {
        return Err(Failure {
            exit: Exit::Unreadable,
            ..Failure::refused(
                text!(
                    "{FILE} is not beside tcplimit.exe: {path}",
                    FILE,
                    path = paths.source
                ),
                phrase!(
                    "Unpack the whole zip into one folder, and run tcplimit from there. If the file \
                 was there before, antivirus software may have taken it away."
                ),
            )
        });
    };
    match Headers::parse(&driver) {
        Ok(headers) if headers.is_native() && headers.arch() == arch(windows) => Ok(driver),
        Ok(headers) if headers.is_native() => Err(Failure::refused(
            text!(
                "{path} is for {arch}, and this Windows is not.",
                path = paths.source,
                arch = headers.arch()
            ),
            text!(
                "Take the zip whose name ends in winxp-{arch}.",
                arch = arch(windows)
            ),
        )),
        _ => Err(Failure::refused(
            text!("{path} is damaged: it is no driver.", path = paths.source),
            phrase!("Unpack the zip again."),
        )),
    }
}

/// What this program and its driver are built for.
fn arch(windows: &dyn Windows) -> Arch {
    if windows.is_x64() {
        Arch::X64
    } else {
        Arch::X86
    }
}

/// A copy that is made by another name first, so that half of a driver is never
/// loaded.
struct Copy<'a> {
    windows: &'a dyn Windows,
    console: &'a Console<'a>,
    bytes: &'a [u8],
    part: &'a str,
    to: &'a str,
    /// Whether the driver in that place may have been loaded until now.
    was_loaded: bool,
}

impl Copy<'_> {
    /// Makes it, and compares its hash afterwards. `renamed` is told when the old
    /// file is gone.
    fn make(&self, renamed: impl FnOnce()) -> Result<(), Failure> {
        let Copy {
            windows,
            console,
            part,
            to,
            ..
        } = self;
        let written = windows.write(part, self.bytes);
        let rename = || windows.rename(part, to);
        let placed =
            written.and_then(|()| service::with_file(*windows, console, self.was_loaded, rename));
        if let Err(error) = placed {
            // Half of it may be there.
            let _ = windows.delete(part);
            return Err(Failure::file(phrase!("write"), to, error));
        }
        renamed();
        let copied = windows
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
                    "The copy is not what was copied: {to} has the SHA-256 {found}, and not {wanted}.",
                    to,
                    found = hex(&copied),
                    wanted = hex(&wanted)
                ),
                phrase!("The disk may be failing, or other software changes the file."),
            )
        })
    }
}

/// Takes back what was done; the failure, with what became of that.
fn take_back(
    windows: &dyn Windows,
    console: &Console<'_>,
    paths: &Paths,
    journal: Journal,
    mut failure: Failure,
) -> Failure {
    let nothing = journal.is_empty();
    let left = journal.take_back(windows, console, paths);
    let outcome = match left.as_slice() {
        [] if nothing => phrase!("Nothing was changed.").to_string(),
        [] => phrase!("All that was done was taken back.").to_string(),
        left => text!(
            "This is left and could not be taken back: {left}. Run: tcplimit repair",
            left = left.join(", ")
        ),
    };
    failure.message = format!("{} {outcome}", failure.message);
    failure
}

/// Whether the installed driver can do its work here.
fn located(windows: &dyn Windows, console: &Console<'_>) -> Result<(), Failure> {
    let module = Module::Tcpip;
    let answer = client::query(windows, module)?;
    if let Some(refusal) = client::refusal(module, &answer) {
        return Err(Failure {
            message: text!(
                "tcplimit.sys is loaded, but {message}",
                message = refusal.message
            ),
            ..refusal
        });
    }
    let limit = answer.limit.get();
    console.say(&match client::is_foreign(&answer) {
        false => text!("{module}: the limit is {limit}. To change it: tcplimit set 100", module, limit),
        true => text!("{module}: the limit is {limit}, which tcplimit has not set. To replace it:\n  {command}", module, limit, command = client::command("set 100", module, Some(limit), false)),
    });
    Ok(())
}

/// Whoever may write to the folder can have the program load another driver.
fn warn(
    windows: &dyn Windows,
    console: &mut Console<'_>,
    folder: &str,
    force: bool,
) -> Result<(), Failure> {
    let groups = match access::writers(windows, folder)? {
        Writers::Groups(groups) if groups.is_empty() => return Ok(()),
        Writers::Groups(groups) => groups.join(", "),
        Writers::NoLists => {
            console.did(text!(
                "Warning: {folder} is on a disk without access lists. Whoever uses this machine \
                 can put another driver in the place of this one.",
                folder
            ));
            return Ok(());
        }
    };
    if !force {
        return Err(Failure::refused(
            text!(
                "{folder} can be written to by: {groups}. Whoever uses this machine could put \
                 another driver in the place of this one, and the program would load it.",
                folder,
                groups
            ),
            phrase!(
                "With \"tcplimit install\" the program needs no driver in its folder. Or take that \
             right away from them, or add: --force"
            ),
        ));
    }
    console.did(text!(
        "Warning: {folder} can be written to by: {groups}. Whoever uses this machine can put \
         another driver in the place of this one.",
        folder,
        groups
    ));
    Ok(())
}

/// `install --compat DIR`: the driver beside a program of 2005.
pub(crate) fn compat(
    windows: &dyn Windows,
    console: &mut Console<'_>,
    folder: &str,
    force: bool,
) -> Result<(), Failure> {
    if windows.is_x64() {
        return Err(Failure::refused(
            phrase!("Programs of 2005 are for 32-bit Windows, and load no driver on a 64-bit one."),
            phrase!(
                "Run \"tcplimit install\" without --compat: they find the device of TcpLimit, and work."
            ),
        ));
    }
    let paths = Paths::of(windows)?;
    let driver = source(windows, &paths)?;
    let folder = folder.trim_end_matches('\\');
    let to = format!(r"{folder}\{LEGACY_FILE}");
    warn(windows, console, folder, force)?;
    let kept = format!("{to}.original");
    let before = read(windows, &to)?;
    if before.as_deref() == Some(&*driver) {
        console.did(text!("Nothing was done: {to} is this driver already.", to));
        return Ok(());
    }
    // Only the first one found is the program's own.
    let keep = before.is_some() && read(windows, &kept)?.is_none();
    if keep {
        windows
            .rename(&to, &kept)
            .map_err(|error| Failure::file(phrase!("rename"), &to, error))?;
        console.did(text!("Renamed the driver that was there to {kept}.", kept));
    }
    let copy = Copy {
        windows,
        console,
        bytes: &driver,
        part: &format!("{to}.new"),
        to: &to,
        was_loaded: false,
    };
    if let Err(mut failure) = copy.make(|| {}) {
        let outcome = match keep.then(|| windows.rename(&kept, &to)) {
            Some(Err(_)) => text!("The driver that was there is now {kept}.", kept),
            _ => phrase!("All that was done was taken back.").into(),
        };
        failure.message = format!("{} {outcome}", failure.message);
        return Err(failure);
    }
    console.did(text!("Copied {FILE} to {to}.", FILE, to));
    let undo = if keep || read(windows, &kept)?.is_some() {
        text!(
            "To undo it: delete that file, and rename {LEGACY_FILE}.original back.",
            LEGACY_FILE
        )
    } else {
        phrase!("To undo it: delete that file.").into()
    };
    console.say(&undo);
    console.say(&text!(
        "The program loads it by itself, as the service {LEGACY}. While the service {SERVICE} \
         is loaded it needs no driver of its own, and loads none: both have the same devices.",
        LEGACY,
        SERVICE
    ));
    Ok(())
}
