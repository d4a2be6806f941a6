//! `probe`: the limit in a file, and in memory as the driver finds it.

use alloc::format;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_report::{Exit, JsonReport, Report};

use crate::answer;
use crate::client;
use crate::console::Console;
use crate::failure::Failure;
use crate::file_report::{self, look};
use crate::installation::Paths;
use crate::win32::Win32;
use crate::windows::Windows;

/// Looks into the file named, or into the system's own and into memory.
pub(crate) fn run(windows: &dyn Windows, console: &Console<'_>, file: Option<&str>) -> Exit {
    if let Some(path) = file {
        let report = look(windows, path);
        tell(console, &report);
        return report.state.exit();
    }
    let paths = match Paths::of(windows) {
        Ok(paths) => paths,
        Err(failure) => return console.finish(Some(&failure), Memory::default()),
    };
    let mut exit = Exit::Done;
    for module in Module::ALL {
        let path = paths.of_driver(module.file_name());
        let is_there = !matches!(windows.read(&path), Err(error) if error.is_absence());
        // IPv6 is rarely installed.
        if is_there || module == Module::Tcpip {
            let report = look(windows, &path);
            tell(console, &report);
            exit = exit.max(report.state.exit());
        }
        if is_there {
            exit = exit.max(memory(windows, console, module));
        }
    }
    exit
}

fn tell(console: &Console<'_>, report: &Report) {
    if console.json {
        return console.object(&JsonReport::of(report));
    }
    for line in file_report::lines(report) {
        console.say(&line);
    }
}

/// The fields of an answer from memory.
#[derive(Default, Serialize)]
struct Memory {
    memory: Option<answer::Object>,
}

/// What the driver finds in memory, where it is loaded.
fn memory(windows: &dyn Windows, console: &Console<'_>, module: Module) -> Exit {
    let answer = match client::query(windows, module) {
        Ok(answer) => answer,
        Err(Failure {
            error: Some(Win32::FILE_NOT_FOUND),
            ..
        }) => {
            console.say(&text!(
                "{module} in memory: tcplimit.sys is not loaded, so unknown",
                module
            ));
            return console.finish(None, Memory::default());
        }
        Err(failure) => return console.finish(Some(&failure), Memory::default()),
    };
    let refusal =
        client::refusal(module, &answer).filter(|_| !client::is_not_installed(module, &answer));
    let memory = Memory {
        memory: Some(answer::Object::of(module, &answer)),
    };
    if console.json {
        return console.finish(refusal.as_ref(), memory);
    }
    let rva = answer.limit_rva.get();
    match refusal {
        None if answer.limit.get() == 0 => {
            console.say(&text!("{module} in memory: not loaded", module));
            Exit::Done
        }
        None => {
            console.say(&text!(
                "{module} in memory: located, the limit is {limit}\n  limit       RVA {rva}",
                module,
                limit = answer.limit,
                rva = format_args!("{rva:X}")
            ));
            Exit::Done
        }
        Some(refusal) => {
            console.say(&text!(
                "{module} in memory: {state}",
                module,
                state = client::state_name(&answer)
            ));
            let why = format!("{} {}", refusal.message, refusal.advice);
            console.say(&format!("  {}", why.trim_end()));
            refusal.exit
        }
    }
}
