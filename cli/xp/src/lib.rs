//! All decisions of `tcplimit.exe`, over the [`Os`] trait.
//!
//! The program is built without the standard library, which no longer runs on Windows XP.

#![no_std]
#![deny(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
// Tests may panic.
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

extern crate alloc;
// On the host each thread has its own language, for the tests.
#[cfg(not(target_os = "uefi"))]
extern crate std;

#[macro_use]
mod language;

mod access;
mod arguments;
mod chart;
mod command_line;
mod connections;
mod console;
mod diagnosis;
mod driver_client;
mod event_log;
mod facts;
mod failure;
mod file_report;
mod help;
mod install;
mod installation;
mod json_answer;
mod limit;
mod os;
mod probe;
mod rollback;
mod service;
mod shortcut;
mod status;
mod stored_limits;
mod system;
mod time;
mod verb;
mod verb_help;
mod watch;
mod who;
mod win32_error;
pub mod window;

use alloc::format;
use alloc::string::String;

use arguments::{Arguments, UsageError};
use console::{Console, NoFields};
use failure::Failure;
use shortcut::WINDOW;
use verb::{Action, Verb};

pub use command_line::split_command_line;
pub use language::{Language, chosen as chosen_language};
pub use os::{
    Activity, Os, Registration, Request, Service, Shortcut, Start, Stream, Tcp, TcpTable, Version,
};
pub use tcplimit_report::Exit;
pub use win32_error::Win32Error;

/// Runs the words after the program's name.
pub fn run(os: &dyn Os, words: &[String]) -> Exit {
    let json = arguments::wants_json(words);
    let (chosen, rest) = match language::extract_option(words) {
        Ok((chosen, rest)) => (chosen, Ok(rest)),
        Err(error) => (None, Err(error)),
    };
    // Programs read JSON.
    let language = match json {
        true => Language::English,
        false => chosen.unwrap_or_else(|| Language::of_user(os)),
    };
    language.choose();
    if words.is_empty() && os.is_alone() {
        return greet(os);
    }
    let arguments = match rest.and_then(|words| Arguments::parse(&words)) {
        Ok(arguments) => arguments,
        Err(error) => return usage(os, &error, json),
    };
    let verb = arguments.verb;
    let mut console = Console::new(os, verb.name, arguments.json);
    if arguments.help {
        return help(&console, &help::verb_help(verb));
    }
    if let Err(failure) = system::check(os, verb.needs) {
        return console.finish(Some(&failure), NoFields {});
    }
    let done = match verb.action {
        Action::Install => match &arguments.compat {
            None => install::run(os, &mut console, arguments.shortcut),
            Some(folder) => install::compat(os, &mut console, folder, arguments.force),
        },
        Action::Load => service::load(os, &mut console),
        Action::Unload => service::unload(os, &mut console),
        Action::Uninstall => service::uninstall(os, &mut console),
        Action::Repair => service::repair(os, &mut console),
        Action::Get | Action::Set | Action::Reset => return limits(os, &mut console, &arguments),
        Action::Status => return status::run(os, &console),
        Action::Watch => return watch::run(os, &console, &arguments),
        Action::Who => return who::run(os, &console, arguments.every),
        Action::Probe => return probe::run(os, &console, arguments.operand.as_deref()),
        Action::Version => return version(&console),
        Action::Help => {
            let Some(name) = &arguments.operand else {
                return help(&console, &help::program_help());
            };
            return match Verb::find(name) {
                Some(verb) => help(&console, &help::verb_help(verb)),
                None => usage(os, &arguments::unknown_verb(name), arguments.json),
            };
        }
    };
    console.finish(done.err().as_ref(), NoFields {})
}

/// Handles a double click, after which the console window would close at once.
fn greet(os: &dyn Os) -> Exit {
    let folder = os.program_folder();
    let window = folder.map(|folder| format!(r"{folder}\{WINDOW}"));
    if window.is_ok_and(|window| os.start_program(&window).is_ok()) {
        return Exit::Done;
    }
    let console = Console::new(os, "help", false);
    console.print(&text!(
        "tcplimit {VERSION} raises the limit of half-open TCP connections in Windows XP SP2 and \
         later.\nIt is a console program: start cmd as an Administrator, go to this folder, and \
         type\n\n  \
           tcplimit install    install the driver and load it\n  \
           tcplimit set 100    set the limit to 100\n  \
           tcplimit status     show everything\n  \
           tcplimit help       explain all commands\n\n\
         Press any key to close this window.",
        VERSION
    ));
    os.wait_for_key();
    Exit::Done
}

fn limits(os: &dyn Os, console: &mut Console<'_>, arguments: &Arguments) -> Exit {
    let mut limits = limit::JsonLimits::default();
    let done = match arguments.verb.action {
        Action::Set => limit::set(os, console, arguments, &mut limits),
        Action::Reset => limit::reset(os, console, arguments, &mut limits),
        _ => limit::get(os, console, arguments, &mut limits),
    };
    console.finish(done.err().as_ref(), limits)
}

/// Fields of `version` and `help`.
#[derive(serde::Serialize)]
struct JsonVersion<'a> {
    version: &'a str,
    text: Option<&'a str>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn version(console: &Console<'_>) -> Exit {
    console.print(&format!("tcplimit {VERSION}"));
    console.finish(
        None,
        JsonVersion {
            version: VERSION,
            text: None,
        },
    )
}

fn help(console: &Console<'_>, text: &str) -> Exit {
    console.print(text.trim_end());
    console.finish(
        None,
        JsonVersion {
            version: VERSION,
            text: Some(text),
        },
    )
}

fn usage(os: &dyn Os, error: &UsageError, json: bool) -> Exit {
    let advice = match error.verb {
        Some(verb) => text!("For help: tcplimit help {verb}", verb),
        None => phrase!("For help: tcplimit help").into(),
    };
    let failure = Failure {
        exit: Exit::Usage,
        message: format!("{}.", error.message),
        advice,
        error: None,
    };
    Console::new(os, error.verb.unwrap_or("help"), json).finish(Some(&failure), NoFields {})
}
