//! All that `tcplimit.exe` decides, over a [`Windows`] that does what it is told.
//!
//! The program runs on Windows XP, so it is built without the standard library,
//! which no longer does.

#![no_std]
#![deny(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
// Tests may fail by them.
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

extern crate alloc;
// On the host each thread has its own language, for the tests.
#[cfg(not(target_os = "uefi"))]
extern crate std;

#[macro_use]
mod language;

mod access;
mod advice;
mod answer;
mod arguments;
mod chart;
mod client;
mod command_line;
mod connections;
mod console;
mod event_log;
mod facts;
mod failure;
mod file_report;
mod help;
mod install;
mod installation;
mod journal;
mod limit;
mod page;
mod probe;
mod service;
mod shortcut;
mod status;
mod stored;
mod system;
mod time;
mod verb;
mod watch;
mod who;
mod win32;
pub mod window;
mod windows;

use alloc::format;
use alloc::string::String;

use arguments::{Arguments, Wrong};
use console::{Console, Nothing};
use failure::Failure;
use shortcut::WINDOW;
use verb::{Act, Verb};

pub use command_line::words;
pub use language::{Language, chosen as chosen_language};
pub use tcplimit_report::Exit;
pub use win32::Win32;
pub use windows::{
    Activity, Registration, Request, Service, Shortcut, Start, Stream, Tcp, TcpTable, Version,
    Windows,
};

/// Does what the words behind the program's name say.
pub fn run(windows: &dyn Windows, words: &[String]) -> Exit {
    let json = arguments::wants_json(words);
    let (chosen, rest) = match language::take(words) {
        Ok((chosen, rest)) => (chosen, Ok(rest)),
        Err(wrong) => (None, Err(wrong)),
    };
    // JSON is for programs.
    let language = match json {
        true => Language::English,
        false => chosen.unwrap_or_else(|| Language::of(windows)),
    };
    language.choose();
    if words.is_empty() && windows.is_alone() {
        return greet(windows);
    }
    let arguments = match rest.and_then(|words| Arguments::parse(&words)) {
        Ok(arguments) => arguments,
        Err(wrong) => return usage(windows, &wrong, json),
    };
    let verb = arguments.verb;
    let mut console = Console::new(windows, verb.name, arguments.json);
    if arguments.help {
        return help(&console, &help::of(verb));
    }
    if let Err(failure) = system::check(windows, verb.needs) {
        return console.finish(Some(&failure), Nothing {});
    }
    let done = match verb.act {
        Act::Install => match &arguments.compat {
            None => install::run(windows, &mut console, arguments.shortcut),
            Some(folder) => install::compat(windows, &mut console, folder, arguments.force),
        },
        Act::Load => service::load(windows, &mut console),
        Act::Unload => service::unload(windows, &mut console),
        Act::Uninstall => service::uninstall(windows, &mut console),
        Act::Repair => service::repair(windows, &mut console),
        Act::Get | Act::Set | Act::Reset => return limits(windows, &mut console, &arguments),
        Act::Status => return status::run(windows, &console),
        Act::Watch => return watch::run(windows, &console, &arguments),
        Act::Who => return who::run(windows, &console, arguments.every),
        Act::Probe => return probe::run(windows, &console, arguments.operand.as_deref()),
        Act::Version => return version(&console),
        Act::Help => {
            let Some(name) = &arguments.operand else {
                return help(&console, &help::program());
            };
            return match Verb::named(name) {
                Some(verb) => help(&console, &help::of(verb)),
                None => usage(windows, &arguments::no_verb(name), arguments.json),
            };
        }
    };
    console.finish(done.err().as_ref(), Nothing {})
}

/// After a double click: without this the window would vanish at once.
fn greet(windows: &dyn Windows) -> Exit {
    let folder = windows.program_folder();
    let window = folder.map(|folder| format!(r"{folder}\{WINDOW}"));
    if window.is_ok_and(|window| windows.start_program(&window).is_ok()) {
        return Exit::Done;
    }
    let console = Console::new(windows, "help", false);
    console.say(&text!(
        "tcplimit {VERSION} raises the limit of half-open TCP connections of Windows XP SP2 and \
         later.\nIt is used from a console: as an Administrator start cmd, go to this folder, and \
         type\n\n  \
           tcplimit install    install the driver, and load it\n  \
           tcplimit set 100    set the limit to 100\n  \
           tcplimit status     tell all\n  \
           tcplimit help       explain all commands\n\n\
         Press any key to close this window.",
        VERSION
    ));
    windows.wait_for_key();
    Exit::Done
}

fn limits(windows: &dyn Windows, console: &mut Console<'_>, arguments: &Arguments) -> Exit {
    let mut limits = limit::Limits::default();
    let done = match arguments.verb.act {
        Act::Set => limit::set(windows, console, arguments, &mut limits),
        Act::Reset => limit::reset(windows, console, arguments, &mut limits),
        _ => limit::get(windows, console, arguments, &mut limits),
    };
    console.finish(done.err().as_ref(), limits)
}

/// Fields of `version` and `help`.
#[derive(serde::Serialize)]
struct Said<'a> {
    version: &'a str,
    text: Option<&'a str>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn version(console: &Console<'_>) -> Exit {
    console.say(&format!("tcplimit {VERSION}"));
    console.finish(
        None,
        Said {
            version: VERSION,
            text: None,
        },
    )
}

fn help(console: &Console<'_>, text: &str) -> Exit {
    console.say(text.trim_end());
    console.finish(
        None,
        Said {
            version: VERSION,
            text: Some(text),
        },
    )
}

fn usage(windows: &dyn Windows, wrong: &Wrong, json: bool) -> Exit {
    let advice = match wrong.verb {
        Some(verb) => text!("For help: tcplimit help {verb}", verb),
        None => phrase!("For help: tcplimit help").into(),
    };
    let failure = Failure {
        exit: Exit::Usage,
        message: format!("{}.", wrong.message),
        advice,
        error: None,
    };
    Console::new(windows, wrong.verb.unwrap_or("help"), json).finish(Some(&failure), Nothing {})
}
