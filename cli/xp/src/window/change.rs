//! Changes: each has a question, and the command lines that it runs.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_report::Exit;

use super::{Model, Remedy};
use crate::arguments::Arguments;
use crate::console::Console;
use crate::driver_client;
use crate::failure::Failure;
use crate::install;
use crate::limit::{self, JsonLimits};
use crate::os::Os;
use crate::service;
use crate::system;
use crate::verb::Action;
use crate::win32_error::Win32Error;

/// Limits to choose from.
pub const COMMON_LIMITS: [u32; 6] = [10, 20, 50, 100, 200, 500];

/// A proposed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The question to the user, with all values.
    pub question: String,
    /// Command lines without the program's name, run in order.
    pub commands: Vec<String>,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code of the first command line that failed.
    pub exit: Exit,
    /// The output of all command lines.
    pub text: String,
    /// Whether an Administrator could have made it.
    pub is_denied: bool,
}

impl Model {
    /// Proposes to set the limit. `number` is the user's input; `set` refuses an invalid one.
    #[must_use]
    pub fn propose_set(&self, number: &str, keep: bool, ipv6: bool) -> Change {
        let number = number.trim();
        let number: String = number
            .chars()
            .filter(|character| !character.is_whitespace())
            .collect();
        let mut change = self.propose(&format!("set {number}"), keep, ipv6, &|module, now| {
            text!(
                "{module}: set the limit from {now} to {number}?",
                module,
                now,
                number
            )
        });
        change.question.push_str(match keep {
            true => phrase!("\nIt is kept after a restart of Windows."),
            false => phrase!("\nIt lasts until Windows is restarted."),
        });
        change
    }

    /// Proposes to set the limit back to 10, and to delete a stored limit.
    #[must_use]
    pub fn propose_reset(&self, ipv6: bool) -> Change {
        let modules = self.facts().map_or(&[][..], |facts| &facts.modules);
        let is_stored = modules
            .iter()
            .any(|module| module.stored.limit.is_some() || module.stored.malformed);
        let mut change = self.propose("reset", is_stored, ipv6, &|module, now| {
            text!(
                "{module}: set the limit from {now} back to {limit}?",
                module,
                now,
                limit = PRISTINE_LIMIT
            )
        });
        if is_stored {
            change
                .question
                .push_str(phrase!("\nThe stored limit is deleted."));
        }
        change
    }

    fn propose(
        &self,
        verb: &str,
        persist: bool,
        ipv6: bool,
        ask: &dyn Fn(Module, &str) -> String,
    ) -> Change {
        let facts = self.facts();
        let modules = match ipv6 {
            true => &Module::ALL[..],
            false => &[Module::Tcpip],
        };
        let mut change = Change {
            question: String::new(),
            commands: Vec::new(),
        };
        for &module in modules {
            let mut known = facts.into_iter().flat_map(|facts| &facts.modules);
            let known = known.find(|known| known.module == module);
            let answer = known.and_then(|known| known.memory.as_ref().ok());
            let limit = answer.map(|answer| answer.limit.get());
            let now = limit.map_or_else(|| "?".to_string(), |limit| limit.to_string());
            if !change.question.is_empty() {
                change.question.push('\n');
            }
            change.question.push_str(&ask(module, &now));
            // The question names the value, and the user confirms it.
            let expect = answer
                .filter(|answer| driver_client::is_foreign(answer))
                .and(limit);
            if expect.is_some() {
                change.question.push_str(&text!(
                    "\ntcplimit did not set {now}: other software did, or the file is patched.",
                    now
                ));
            }
            let command = driver_client::command(verb, module, expect, persist);
            let command = command.strip_prefix("tcplimit ").unwrap_or(&command);
            change.commands.push(command.into());
        }
        change
    }

    /// Proposes a remedy.
    #[must_use]
    pub fn propose_remedy(&self, remedy: Remedy) -> Change {
        let (question, command) = match remedy {
            Remedy::Install => (
                phrase!(
                    "Install the driver? It is copied to system32\\drivers, registered as the \
                     service TcpLimit, and loaded. The limit does not change."
                ),
                "install",
            ),
            Remedy::Load => (
                phrase!("Load the driver? This applies a stored limit."),
                "load",
            ),
            Remedy::Repair => (phrase!("Remove the incomplete installation?"), "repair"),
        };
        Change {
            question: question.into(),
            commands: Vec::from([command.into()]),
        }
    }

    /// Runs the command lines until one fails, and refreshes everything.
    pub fn execute(&mut self, os: &dyn Os, change: &Change) -> Outcome {
        let mut outcome = Outcome {
            exit: Exit::Done,
            text: String::new(),
            is_denied: false,
        };
        for command in &change.commands {
            let (exit, text, is_denied) = run_command_line(os, command);
            outcome.text.push_str(&text);
            if exit != Exit::Done {
                outcome.exit = exit;
                outcome.is_denied = is_denied;
                break;
            }
        }
        outcome.text.truncate(outcome.text.trim_end().len());
        self.refresh(os);
        outcome
    }
}

/// Runs a command line; returns its output, and whether it lacked rights.
fn run_command_line(os: &dyn Os, line: &str) -> (Exit, String, bool) {
    let words: Vec<String> = line.split_whitespace().map(String::from).collect();
    let arguments = match Arguments::parse(&words) {
        Ok(arguments) => arguments,
        Err(usage_error) => return (Exit::Usage, format!("{}.", usage_error.message), false),
    };
    let mut console = Console::recording(os, arguments.verb.name);
    let failure = run_verb(os, &mut console, &arguments).err();
    let is_denied = failure
        .as_ref()
        .is_some_and(|failure| failure.error == Some(Win32Error::ACCESS_DENIED));
    let exit = failure.as_ref().map_or(Exit::Done, |failure| failure.exit);
    (exit, console.into_recorded(failure.as_ref()), is_denied)
}

/// Runs a verb that the window uses.
fn run_verb(os: &dyn Os, console: &mut Console<'_>, arguments: &Arguments) -> Result<(), Failure> {
    system::check(os, arguments.verb.needs)?;
    let mut limits = JsonLimits::default();
    match arguments.verb.action {
        Action::Install => install::run(os, console, false),
        Action::Load => service::load(os, console),
        Action::Repair => service::repair(os, console),
        Action::Set => limit::set(os, console, arguments, &mut limits),
        Action::Reset => limit::reset(os, console, arguments, &mut limits),
        _ => Ok(()),
    }
}

impl Remedy {
    /// The text of its button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Remedy::Install => phrase!("&Install..."),
            Remedy::Load => phrase!("&Load..."),
            Remedy::Repair => phrase!("R&epair..."),
        }
    }
}

/// The question after a change that needs an Administrator.
#[must_use]
pub fn run_as_question() -> &'static str {
    phrase!("Start tcplimit as another user, such as an Administrator?")
}

/// The message if the program can't be started as another user.
#[must_use]
pub fn not_started(error: Win32Error) -> String {
    text!("Can't start tcplimit: {error}.", error)
}
