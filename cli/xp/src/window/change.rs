//! Changes: the question that comes before each, and the command lines that it stands for.

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
use crate::limit::{self, LimitsJson};
use crate::os::Os;
use crate::service;
use crate::system;
use crate::verb::Action;
use crate::win32_error::Win32Error;

/// Limits to choose from.
pub const COMMON_LIMITS: [u32; 6] = [10, 20, 50, 100, 200, 500];

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What the user is asked, with all values.
    pub question: String,
    /// Command lines without the program's name, done one after the other.
    pub commands: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of the first command line that failed.
    pub exit: Exit,
    /// All that the command lines said.
    pub text: String,
    /// Whether an Administrator could have done it.
    pub is_denied: bool,
}

impl Model {
    /// To set the limit. `number` is what the user typed; what is no limit is refused by `set`.
    #[must_use]
    pub fn propose_set(&self, number: &str, keep: bool, ipv6: bool) -> Change {
        let number = number.trim();
        let number: String = number.chars().filter(|it| !it.is_whitespace()).collect();
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

    /// To set the limit back to 10. A stored limit is forgotten.
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
            // The question names the value, and the user agrees to it.
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

    /// To do what is advised.
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

    /// Does it, until a command line fails, and looks at everything again.
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

/// Does what a command line says; what it said, and whether it was refused for want of rights.
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

/// The verbs that a window has use for.
fn run_verb(os: &dyn Os, console: &mut Console<'_>, arguments: &Arguments) -> Result<(), Failure> {
    system::check(os, arguments.verb.needs)?;
    let mut limits = LimitsJson::default();
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
    /// What its button says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Remedy::Install => phrase!("&Install..."),
            Remedy::Load => phrase!("&Load..."),
            Remedy::Repair => phrase!("R&epair..."),
        }
    }
}

/// Asked where a change needs an Administrator.
#[must_use]
pub fn run_as_question() -> &'static str {
    phrase!("Start tcplimit as another user, such as an Administrator?")
}

/// Said where the program can't be started as another user.
#[must_use]
pub fn not_started(error: Win32Error) -> String {
    text!("Can't start tcplimit: {error}.", error)
}
