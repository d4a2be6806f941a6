//! `probe`: the limit in a file, and in memory as the driver finds it.

use alloc::format;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_report::{Exit, JsonReport, Report};

use crate::console::Console;
use crate::driver_client;
use crate::failure::Failure;
use crate::file_report::{self, inspect};
use crate::installation::Paths;
use crate::json_answer;
use crate::os::Os;
use crate::win32_error::Win32Error;

/// Inspects the named file, or the system's files and memory.
pub(crate) fn run(os: &dyn Os, console: &Console<'_>, file: Option<&str>) -> Exit {
    if let Some(path) = file {
        let report = inspect(os, path);
        print_report(console, &report);
        return report.state.exit();
    }
    let paths = match Paths::locate(os) {
        Ok(paths) => paths,
        Err(failure) => return console.finish(Some(&failure), JsonMemory::default()),
    };
    let mut exit = Exit::Done;
    for module in Module::ALL {
        let path = paths.driver_file(module.file_name());
        let is_there = !matches!(os.read(&path), Err(error) if error.is_absence());
        // IPv6 is rarely installed.
        if is_there || module == Module::Tcpip {
            let report = inspect(os, &path);
            print_report(console, &report);
            exit = exit.max(report.state.exit());
        }
        if is_there {
            exit = exit.max(probe_memory(os, console, module));
        }
    }
    exit
}

fn print_report(console: &Console<'_>, report: &Report) {
    if console.json {
        return console.print_json(&JsonReport::of(report));
    }
    for line in file_report::lines(report) {
        console.print(&line);
    }
}

/// The fields for memory.
#[derive(Default, Serialize)]
struct JsonMemory {
    memory: Option<json_answer::JsonAnswer>,
}

/// Prints the driver's findings in memory, if it is loaded.
fn probe_memory(os: &dyn Os, console: &Console<'_>, module: Module) -> Exit {
    let answer = match driver_client::query(os, module) {
        Ok(answer) => answer,
        Err(Failure {
            error: Some(Win32Error::FILE_NOT_FOUND),
            ..
        }) => {
            console.print(&text!(
                "{module} in memory: unknown, because tcplimit.sys is not loaded",
                module
            ));
            return console.finish(None, JsonMemory::default());
        }
        Err(failure) => return console.finish(Some(&failure), JsonMemory::default()),
    };
    let refusal = driver_client::refusal(module, &answer)
        .filter(|_| !driver_client::is_not_installed(module, &answer));
    let memory = JsonMemory {
        memory: Some(json_answer::JsonAnswer::new(module, &answer)),
    };
    if console.json {
        return console.finish(refusal.as_ref(), memory);
    }
    let rva = answer.limit_rva.get();
    match refusal {
        None if answer.limit.get() == 0 => {
            console.print(&text!("{module} in memory: not loaded", module));
            Exit::Done
        }
        None => {
            console.print(&text!(
                "{module} in memory: located, the limit is {limit}\n  limit       RVA {rva}",
                module,
                limit = answer.limit,
                rva = format_args!("{rva:X}")
            ));
            Exit::Done
        }
        Some(refusal) => {
            console.print(&text!(
                "{module} in memory: {state}",
                module,
                state = driver_client::state_name(&answer)
            ));
            let why = format!("{} {}", refusal.message, refusal.advice);
            console.print(&format!("  {}", why.trim_end()));
            refusal.exit
        }
    }
}
