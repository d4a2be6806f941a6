//! `get`, `set`, `reset`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_protocol::{Answer, Reason};

use crate::arguments::Arguments;
use crate::console::Console;
use crate::driver_client;
use crate::failure::Failure;
use crate::json_answer;
use crate::os::{Os, Start};
use crate::service;
use crate::stored_limits;
use crate::verb::Action;

/// The fields of these verbs.
#[derive(Default, Serialize)]
pub(crate) struct JsonLimits {
    modules: Vec<json_answer::JsonAnswer>,
    /// Whether the limit was stored or deleted for the next start.
    persisted: bool,
}

/// Whether a module may be skipped where both are selected: IPv6 is rarely installed.
fn is_optional(arguments: &Arguments, module: Module, answer: &Answer) -> bool {
    arguments.modules.len() > 1 && driver_client::is_not_installed(module, answer)
}

/// `get`.
pub(crate) fn get(
    os: &dyn Os,
    console: &Console<'_>,
    arguments: &Arguments,
    limits: &mut JsonLimits,
) -> Result<(), Failure> {
    let mut first = Ok(());
    for &module in arguments.modules {
        let answer = driver_client::query(os, module)?;
        limits
            .modules
            .push(json_answer::JsonAnswer::new(module, &answer));
        let alone = arguments.modules.len() == 1;
        let limit = answer.limit.to_string();
        match driver_client::refusal(module, &answer) {
            None if alone => console.print(&limit),
            None => console.print(&format!("{:<11} {limit}", module.file_name())),
            Some(_) if is_optional(arguments, module, &answer) => {
                console.print(&format!(
                    "{:<11} {}",
                    module.file_name(),
                    phrase!("not loaded")
                ));
            }
            Some(refusal) => first = first.and(Err(refusal)),
        }
    }
    first
}

/// `set`.
pub(crate) fn set(
    os: &dyn Os,
    console: &mut Console<'_>,
    arguments: &Arguments,
    limits: &mut JsonLimits,
) -> Result<(), Failure> {
    if arguments.persist {
        // A 2005 program may have loaded the driver without our service.
        service::require_installed(os)?;
    }
    let done = change_all(os, console, arguments, limits, |module| {
        driver_client::set(os, module, arguments.limit, arguments.expect)
    })?;
    if !arguments.persist {
        console.print(phrase!(
            "It lasts until Windows is restarted; --persist keeps it. To undo it: tcplimit reset"
        ));
        return Ok(());
    }
    let stored = done.iter().try_for_each(|&module| {
        stored_limits::store(os, module, arguments.limit, arguments.expect)?;
        let name = stored_limits::limit_name(module);
        console.step(text!("Stored it for each start as the value {name}.", name));
        Ok(())
    });
    let stored = stored.and_then(|()| stored_limits::start_with_windows(os, Start::Auto));
    match stored {
        Ok(changed) => {
            if changed {
                console.step(phrase!(
                    "tcplimit.sys is now loaded each time Windows starts."
                ));
            }
            limits.persisted = true;
            console.print(phrase!("To undo it: tcplimit reset --persist"));
            Ok(())
        }
        Err(failure) => Err(Failure {
            message: text!(
                "{message} The limit is set only until Windows is restarted.",
                message = failure.message
            ),
            ..failure
        }),
    }
}

/// `reset`.
pub(crate) fn reset(
    os: &dyn Os,
    console: &mut Console<'_>,
    arguments: &Arguments,
    limits: &mut JsonLimits,
) -> Result<(), Failure> {
    if arguments.persist {
        forget(os, console, arguments.modules)?;
        limits.persisted = true;
    }
    change_all(os, console, arguments, limits, |module| {
        driver_client::reset(os, module, arguments.expect)
    })?;
    Ok(())
}

/// Changes each module's limit and prints the change; returns the changed modules.
fn change_all(
    os: &dyn Os,
    console: &mut Console<'_>,
    arguments: &Arguments,
    limits: &mut JsonLimits,
    mut operation: impl FnMut(Module) -> Result<Answer, Failure>,
) -> Result<Vec<Module>, Failure> {
    let mut done = Vec::new();
    let mut first = None;
    for &module in arguments.modules {
        let before = driver_client::query(os, module)?.limit.get();
        let answer = operation(module)?;
        limits
            .modules
            .push(json_answer::JsonAnswer::new(module, &answer));
        match driver_client::refusal(module, &answer) {
            None => {
                done.push(module);
                console.step(change_text(module, before, answer.limit.get()));
            }
            Some(_) if is_optional(arguments, module, &answer) => {
                console.print(&text!(
                    "{module} is not loaded; nothing was changed there.",
                    module
                ));
            }
            Some(refusal) => {
                first.get_or_insert(with_replace_command(arguments, module, &answer, refusal));
            }
        }
    }
    match first {
        None => Ok(done),
        Some(refusal) if done.is_empty() => Err(refusal),
        Some(refusal) => Err(Failure {
            message: text!(
                "{message} The other limit was changed.",
                message = refusal.message
            ),
            ..refusal
        }),
    }
}

/// A refusal of an unexpected limit, with the command that replaces it.
fn with_replace_command(
    arguments: &Arguments,
    module: Module,
    answer: &Answer,
    refusal: Failure,
) -> Failure {
    let reason = Reason::from_code(answer.reason.get());
    let (Some(Reason::UnexpectedValue | Reason::NotAsNamed), [found, _]) = (reason, answer.detail)
    else {
        return refusal;
    };
    let verb = match arguments.verb.action {
        Action::Set => format!("set {}", arguments.limit),
        _ => arguments.verb.name.into(),
    };
    let command = driver_client::command(&verb, module, Some(found.get()), arguments.persist);
    Failure {
        advice: text!("To replace it: {command}", command),
        ..refusal
    }
}

fn change_text(module: Module, before: u32, now: u32) -> String {
    match before {
        _ if before == now => text!("{module}: the limit is {now}, as before.", module, now),
        0 => text!("{module}: the limit is now {now}.", module, now),
        _ => text!(
            "{module}: the limit was {before} and is now {now}.",
            module,
            before,
            now
        ),
    }
}

/// Deletes stored limits. Stops loading tcplimit.sys at start unless the other module still has
/// one.
fn forget(os: &dyn Os, console: &mut Console<'_>, modules: &[Module]) -> Result<(), Failure> {
    let mut any = false;
    for &module in modules {
        any |= stored_limits::forget(os, module)?;
    }
    console.step(match any {
        true => phrase!("Deleted the stored limit."),
        false => phrase!("No limit was stored."),
    });
    for module in Module::ALL {
        if stored_limits::read(os, module)?.limit.is_some() {
            return Ok(());
        }
    }
    if stored_limits::start_with_windows(os, Start::Demand)? {
        console.step(phrase!(
            "tcplimit.sys is no longer loaded when Windows starts."
        ));
    }
    Ok(())
}
