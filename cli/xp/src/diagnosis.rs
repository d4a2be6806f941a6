//! Reasons and advice where memory, disk and stored limits disagree.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_protocol::{Answer, Flags, Reason, Start as Applied};

use crate::driver_client;
use crate::facts::{Facts, ModuleFacts};
use crate::os::{Activity, Service, Start};

/// A remedy that the window offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// `tcplimit install`.
    Install,
    /// `tcplimit load`.
    Load,
    /// `tcplimit repair`.
    Repair,
}

/// Remedies that would help, the best first.
pub(crate) fn remedies(facts: &Facts) -> Vec<Remedy> {
    let survey = &facts.survey;
    let is_stopped = |service: &Service| service.activity == Activity::Stopped;
    if survey.is_empty() {
        Vec::from([Remedy::Install])
    } else if !survey.is_complete() {
        Vec::from([Remedy::Install, Remedy::Repair])
    } else if survey.service.as_ref().is_some_and(is_stopped) {
        Vec::from([Remedy::Load])
    } else {
        Vec::new()
    }
}

/// Notes, the most important first; none if everything agrees.
pub(crate) fn notes(facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    installation(facts, &mut notes);
    for module in &facts.modules {
        match &module.memory {
            Ok(answer) => {
                in_memory(module, answer, &mut notes);
                stored(facts, module, answer, &mut notes);
            }
            Err(failure) if facts.survey.service.is_some() => {
                let note = format!("{} {}", failure.message, failure.advice);
                // Once for both drivers of the system.
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            Err(_) => {}
        }
        on_disk(module, &mut notes);
    }
    events(facts, &mut notes);
    notes
}

fn installation(facts: &Facts, notes: &mut Vec<String>) {
    let survey = &facts.survey;
    if survey.is_empty() {
        notes.push(phrase!("tcplimit is not installed. Run: tcplimit install").into());
    } else if !survey.is_complete() {
        notes.push(
            phrase!(
                "The installation is incomplete. Run \"tcplimit install\" to repair it, or \
                 \"tcplimit repair\" to remove it."
            )
            .into(),
        );
    }
    let answers = facts.modules.iter().flat_map(|module| &module.memory);
    let mut flags = answers.map(|answer| answer.flags.get());
    if facts.test_only || flags.any(|flags| flags & Flags::ACCEPTS_UNKNOWN_RIGHTS != 0) {
        notes.push(
            phrase!("TestOnlyAcceptUnknownRights is set: tcplimit.sys writes even where page rights are \
             unknown. Remove that value from any machine that matters, and reload tcplimit.sys.")
                .into(),
        );
    }
}

fn in_memory(facts: &ModuleFacts, answer: &Answer, notes: &mut Vec<String>) {
    let module = facts.module;
    if driver_client::is_not_installed(module, answer) {
        return;
    }
    if let Some(refusal) = driver_client::refusal(module, answer) {
        notes.push(format!("{} {}", refusal.message, refusal.advice));
        return;
    }
    let (limit, written) = (answer.limit.get(), answer.written.get());
    let stamp = answer.identity.time_date_stamp.get();
    let on_disk = facts.on_disk.image.map(|image| image.time_date_stamp);
    if on_disk.is_some_and(|disk| disk != stamp) {
        notes.push(text!(
            "The file {module} differs from the running driver: an update has replaced it. \
             Restart Windows to use the new one.",
            module
        ));
        return;
    }
    let disk = facts.on_disk.limit();
    let replace = |number| {
        let expect = Some(limit).filter(|_| driver_client::is_foreign(answer));
        driver_client::command(&format!("set {number}"), module, expect, false)
    };
    if written != 0 && limit != written {
        notes.push(text!(
            "{module}: tcplimit set the limit to {written}, but now it is {limit}: other \
             software changes it too. Remove that software, or set the limit again: {command}",
            module,
            written,
            limit,
            command = replace(written)
        ));
    } else if written == 0 && disk.is_some_and(|disk| disk != limit) {
        notes.push(text!("{module}: the limit is {limit} in memory and {disk} on disk. Other software set it, or \
         the file was changed since Windows started. To replace it: {command}", module, limit, disk = disk.unwrap_or(PRISTINE_LIMIT), command = replace(100)));
    } else if written == 0 && disk.is_none() && driver_client::is_foreign(answer) {
        notes.push(text!(
            "{module}: the limit is {limit}, not set by tcplimit. To replace it: {command}",
            module,
            limit,
            command = replace(100)
        ));
    }
}

fn stored(facts: &Facts, module: &ModuleFacts, answer: &Answer, notes: &mut Vec<String>) {
    let (name, limit) = (module.module, answer.limit.get());
    let start = facts.survey.service.as_ref().map(|service| service.start);
    if module.stored.malformed {
        notes.push(text!(
            "{name}: the stored limit is not a number and is not applied. Store it again: \
             tcplimit set N --persist, or delete it: tcplimit reset --persist",
            name
        ));
        return;
    }
    let Some(stored) = module.stored.limit else {
        let configured = answer.configured.get();
        if configured != 0 && configured == limit && limit != PRISTINE_LIMIT {
            notes.push(text!(
                "{name}: the limit stored when tcplimit.sys was loaded has been deleted. It \
                 stays in force until Windows is restarted.",
                name
            ));
        }
        return;
    };
    match Applied::from_code(answer.start.get()) {
        Some(Applied::SafeMode) => notes.push(text!(
            "{name}: the stored limit {stored} was not applied: Windows runs in Safe Mode. The \
             next normal start applies it.",
            name,
            stored
        )),
        Some(Applied::Guarded) if facts.guarded => notes.push(text!(
            "{name}: the stored limit {stored} was not applied, because the last start with it \
             failed. To apply stored limits again, set a limit by hand: tcplimit set {stored}",
            name,
            stored
        )),
        Some(Applied::Refused) => {
            let reason = Reason::from_code(answer.start_reason.get());
            let mut note = text!(
                "{name}: the stored limit {stored} was not applied. {reason}",
                name,
                stored,
                reason = reason.map_or("", driver_client::reason_text)
            );
            if driver_client::is_foreign(answer) && limit != stored {
                let set = driver_client::command(&format!("set {stored}"), name, Some(limit), true);
                note += &text!(
                    " To replace {limit} now and at each start: {set}",
                    limit,
                    set
                );
            }
            notes.push(note);
        }
        _ if limit != 0 && limit != stored => notes.push(text!(
            "{name}: the limit is {limit}, but {stored} is stored: one of them was set after \
             tcplimit.sys was loaded. It will be {stored} at the next start.",
            name,
            limit,
            stored
        )),
        _ => {}
    }
    if start.is_some_and(|start| start != Start::Auto) {
        notes.push(text!(
            "{name}: a limit is stored, but tcplimit.sys is not loaded when Windows starts. Run: \
             tcplimit set {stored} --persist",
            name,
            stored
        ));
    }
}

fn on_disk(facts: &ModuleFacts, notes: &mut Vec<String>) {
    let (module, report) = (facts.module, &facts.on_disk);
    let is_right = report.checksum().is_none_or(|sum| sum.is_right());
    if let Some(limit) = report.limit().filter(|&limit| limit != PRISTINE_LIMIT) {
        notes.push(text!(
            "The file {module} is patched: Windows starts with {limit}. An update or System File \
             Protection may restore the original, and 10 with it. To replace {limit} now and at \
             each start: {command}",
            module,
            limit,
            command = driver_client::command("set 100", module, Some(limit), true)
        ));
    } else if !is_right {
        notes.push(text!(
            "The checksum of the file {module} is wrong: something has changed the file.",
            module
        ));
    } else if let Some(reason) = &report.reason {
        notes.push(text!(
            "The file {path}: {reason}",
            path = report.origin.path,
            reason
        ));
    }
}

fn events(facts: &Facts, notes: &mut Vec<String>) {
    let limit = facts
        .modules
        .first()
        .and_then(|module| module.memory.as_ref().ok())
        .map(|answer| answer.limit.get());
    if facts.events.is_ok_and(|events| events > 0) && limit == Some(PRISTINE_LIMIT) {
        notes.push(
            phrase!("The limit of 10 was reached, and connections had to wait (event 4226). To raise it: \
             tcplimit set 100")
                .into(),
        );
    }
}
