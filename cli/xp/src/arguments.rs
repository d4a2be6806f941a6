//! The command line.

use alloc::string::String;

use scanner_core::Module;
use scanner_core::policy::MAX_LIMIT;

use crate::verb::{Action, Switch, Verb};

/// The longest interval of `watch`, in seconds.
const MAX_INTERVAL: u32 = 3600;

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) verb: &'static Verb,
    /// N, FILE or VERB.
    pub(crate) operand: Option<String>,
    /// N of `set`.
    pub(crate) limit: u32,
    pub(crate) expect: Option<u32>,
    /// Seconds.
    pub(crate) interval: u32,
    pub(crate) compat: Option<String>,
    pub(crate) shortcut: bool,
    pub(crate) force: bool,
    pub(crate) modules: &'static [Module],
    pub(crate) log: Option<String>,
    pub(crate) every: bool,
    pub(crate) persist: bool,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

/// An error in the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    pub(crate) message: String,
    /// The verb whose help explains more, if any.
    pub(crate) verb: Option<&'static str>,
}

/// Whether the words contain `--json`, even if the rest is wrong.
pub(crate) fn wants_json(words: &[String]) -> bool {
    words.iter().any(|word| word == "--json")
}

impl Arguments {
    /// Parses the words after the program's name.
    pub(crate) fn parse(words: &[String]) -> Result<Arguments, UsageError> {
        let mut words = words.iter().map(String::as_str);
        let name = words.next().unwrap_or("help");
        let name = match name {
            "-V" | "--version" => "version",
            _ if Switch::find(name) == Some(Switch::Help) => "help",
            _ => name,
        };
        let verb = Verb::find(name).ok_or_else(|| unknown_verb(name))?;
        let usage_error = |message: String| UsageError {
            message,
            verb: Some(verb.name),
        };
        let mut arguments = Arguments {
            verb,
            operand: None,
            limit: 0,
            expect: None,
            interval: 1,
            compat: None,
            shortcut: false,
            force: false,
            modules: &[Module::Tcpip],
            log: None,
            every: false,
            persist: false,
            json: false,
            help: false,
        };
        let (mut ipv6, mut all) = (false, false);
        while let Some(word) = words.next() {
            let (name, given) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (word, None),
            };
            let switch = Switch::find(name);
            let known = switch.filter(|&switch| verb.all_switches().any(|one| one == switch));
            let Some(switch) = known else {
                if switch.is_some() || (word.starts_with('-') && word.len() > 1) {
                    return Err(usage_error(text!(
                        "\"{verb}\" takes no {name}",
                        verb = verb.name,
                        name
                    )));
                }
                if verb.operand.is_empty() || arguments.operand.is_some() {
                    return Err(usage_error(text!("Unexpected argument \"{word}\"", word)));
                }
                arguments.operand = Some(word.into());
                continue;
            };
            let syntax = switch.syntax();
            let value = match (syntax.value.is_empty(), given) {
                (true, None) => "",
                (true, Some(_)) => return Err(usage_error(text!("{name} takes no value", name))),
                (false, given) => given
                    .or_else(|| words.next())
                    .filter(|value| !value.is_empty())
                    .ok_or_else(|| {
                        usage_error(text!(
                            "{name} needs a value: {name} {value}",
                            name,
                            value = syntax.value
                        ))
                    })?,
            };
            match switch {
                Switch::Compat => arguments.compat = Some(value.into()),
                Switch::Shortcut => arguments.shortcut = true,
                Switch::Expect => {
                    arguments.expect = Some(number(name, value, MAX_LIMIT).map_err(usage_error)?);
                }
                Switch::Interval => {
                    arguments.interval = number(name, value, MAX_INTERVAL).map_err(usage_error)?;
                }
                Switch::Force => arguments.force = true,
                Switch::Log => arguments.log = Some(value.into()),
                Switch::Every => arguments.every = true,
                Switch::Persist => arguments.persist = true,
                Switch::Ipv6 => ipv6 = true,
                Switch::All => all = true,
                Switch::Json => arguments.json = true,
                Switch::Help => arguments.help = true,
                // Already removed from the words.
                Switch::Lang => {}
            }
        }
        arguments.modules = match (ipv6, all) {
            (false, false) => &[Module::Tcpip],
            (true, false) => &[Module::Tcpip6],
            (false, true) => &Module::ALL,
            (true, true) => {
                return Err(usage_error(
                    phrase!("--ipv6 and --all exclude each other").into(),
                ));
            }
        };
        if arguments.help {
            return Ok(arguments);
        }
        if arguments.force && arguments.compat.is_none() {
            return Err(usage_error(phrase!("--force needs --compat").into()));
        }
        if arguments.shortcut && arguments.compat.is_some() {
            return Err(usage_error(
                phrase!("--shortcut and --compat exclude each other").into(),
            ));
        }
        match &arguments.operand {
            None if verb.is_operand_required() => {
                return Err(usage_error(text!(
                    "\"{verb}\" needs {operand}",
                    verb = verb.name,
                    operand = verb.operand
                )));
            }
            Some(text) if verb.action == Action::Set => {
                arguments.limit = number(verb.operand, text, MAX_LIMIT).map_err(usage_error)?;
            }
            _ => {}
        }
        Ok(arguments)
    }
}

/// The error for an unknown verb.
pub(crate) fn unknown_verb(name: &str) -> UsageError {
    UsageError {
        message: text!("There is no verb \"{name}\"", name),
        verb: None,
    }
}

/// Parses a number from 1 to `largest`.
fn number(name: &str, text: &str, largest: u32) -> Result<u32, String> {
    // `parse` would accept a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (1..=largest).contains(number))
        .ok_or_else(|| {
            text!(
                "{name} must be a number from 1 to {largest}, not \"{text}\"",
                name,
                largest,
                text
            )
        })
}
