//! The window's Start menu entry, for all users.
//!
//! An entry is ours if it starts a `tcplimitw.exe`, in any folder, and has our comment. One that a
//! user made has no comment, or another.

use alloc::format;
use alloc::string::String;

use tcplimit_report::Exit;

use crate::access::{self, Writers};
use crate::console::Console;
use crate::failure::Failure;
use crate::installation::{TITLE, read_if_present};
use crate::os::{Os, Shortcut};
use crate::win32_error::Win32Error;

/// The window's program, beside this one.
pub(crate) const WINDOW: &str = "tcplimitw.exe";

/// The name of the entry's file.
const FILE: &str = "tcplimit.lnk";

/// Paths of the entry.
#[derive(Debug)]
struct Paths {
    entry: String,
    /// The temporary name while writing.
    temporary: String,
}

impl Paths {
    fn locate(os: &dyn Os) -> Result<Paths, Failure> {
        let folder = os
            .programs_folder()
            .map_err(|error| Failure::win32(phrase!("find the Start menu's folder"), error))?;
        let entry = format!(r"{folder}\{FILE}");
        Ok(Paths {
            temporary: format!("{entry}.new"),
            entry,
        })
    }
}

/// An entry to create.
#[derive(Debug)]
pub(crate) struct StartMenuEntry {
    paths: Paths,
    shortcut: Shortcut,
    /// Whether a correct one exists already.
    is_correct: bool,
}

impl StartMenuEntry {
    /// Plans an entry for the window beside this program. Changes nothing.
    pub(crate) fn plan(os: &dyn Os) -> Result<StartMenuEntry, Failure> {
        let folder = os
            .program_folder()
            .map_err(|error| Failure::win32(phrase!("find the folder of tcplimit.exe"), error))?;
        let target = format!(r"{folder}\{WINDOW}");
        if read_if_present(os, &target)?.is_none() {
            return Err(Failure {
                exit: Exit::Unreadable,
                ..Failure::refused(
                    text!(
                        "{WINDOW} is not beside tcplimit.exe: {target}",
                        WINDOW,
                        target
                    ),
                    phrase!("Unpack the whole zip into one folder, and run tcplimit from there."),
                )
            });
        }
        let paths = Paths::locate(os)?;
        let present = match read_if_present(os, &paths.entry)? {
            None => None,
            Some(_) => Some(read_ours(os, &paths.entry)?.ok_or_else(|| {
                Failure::refused(
                    text!(
                        "The Start menu has another entry of that name: {path}",
                        path = paths.entry
                    ),
                    phrase!("Rename or delete that entry and try again, or omit --shortcut"),
                )
            })?),
        };
        let shortcut = Shortcut {
            target,
            comment: TITLE.into(),
        };
        Ok(StartMenuEntry {
            is_correct: present.is_some_and(|present| is_same(&present, &shortcut)),
            paths,
            shortcut,
        })
    }

    /// Creates it; returns whether there was anything to do.
    pub(crate) fn make(&self, os: &dyn Os, console: &mut Console<'_>) -> Result<bool, Failure> {
        let StartMenuEntry {
            paths, shortcut, ..
        } = self;
        if self.is_correct {
            return Ok(false);
        }
        warn(os, console, shortcut)?;
        let written = os.write_shortcut(&paths.temporary, shortcut);
        let placed = written.and_then(|()| os.rename(&paths.temporary, &paths.entry));
        if let Err(error) = placed {
            // It may exist.
            let _ = os.delete(&paths.temporary);
            return Err(Failure::file(phrase!("write"), &paths.entry, error));
        }
        console.step(text!(
            "Created a Start menu entry: {path}",
            path = paths.entry
        ));
        Ok(true)
    }
}

/// Warns if other groups can replace the window's program, which an Administrator would start.
fn warn(os: &dyn Os, console: &mut Console<'_>, shortcut: &Shortcut) -> Result<(), Failure> {
    let Some((folder, _)) = shortcut.target.rsplit_once('\\') else {
        return Ok(());
    };
    let danger = text!("Any user of this machine can replace {WINDOW}.", WINDOW);
    match access::writers(os, folder)? {
        Writers::Groups(groups) if groups.is_empty() => {}
        Writers::Groups(groups) => {
            let groups = groups.join(", ");
            console.step(text!(
                "Warning: {folder} is writable by: {groups}. {danger}",
                folder,
                groups,
                danger
            ));
        }
        Writers::NoLists => console.step(text!(
            "Warning: {folder} is on a disk without access lists. {danger}",
            folder,
            danger
        )),
    }
    Ok(())
}

/// The shortcut in that file, if it is ours.
fn read_ours(os: &dyn Os, path: &str) -> Result<Option<Shortcut>, Failure> {
    match os.shortcut(path) {
        Ok(shortcut) if is_ours(&shortcut) => Ok(Some(shortcut)),
        Ok(_) | Err(Win32Error::INVALID_DATA) => Ok(None),
        Err(error) => Err(Failure::file(phrase!("read"), path, error)),
    }
}

fn is_ours(shortcut: &Shortcut) -> bool {
    let name = shortcut.target.rsplit_once('\\').map(|(_, name)| name);
    shortcut.comment == TITLE && name.is_some_and(|name| name.eq_ignore_ascii_case(WINDOW))
}

fn is_same(one: &Shortcut, other: &Shortcut) -> bool {
    one.comment == other.comment && one.target.eq_ignore_ascii_case(&other.target)
}

/// Removes our entry and an unfinished one; returns whether there was any.
pub(crate) fn remove(os: &dyn Os, console: &mut Console<'_>) -> Result<bool, Failure> {
    let paths = Paths::locate(os)?;
    let mut any = false;
    if read_if_present(os, &paths.temporary)?.is_some() {
        delete(os, console, &paths.temporary)?;
        any = true;
    }
    if read_if_present(os, &paths.entry)?.is_some() && read_ours(os, &paths.entry)?.is_some() {
        delete(os, console, &paths.entry)?;
        any = true;
    }
    Ok(any)
}

fn delete(os: &dyn Os, console: &mut Console<'_>, path: &str) -> Result<(), Failure> {
    os.delete(path)
        .map_err(|error| Failure::file(phrase!("delete"), path, error))?;
    console.step(text!("Deleted {path}.", path));
    Ok(())
}
