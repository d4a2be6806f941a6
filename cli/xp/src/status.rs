//! `status`: everything known, with notes on inconsistencies.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_protocol::{Answer, State};
use tcplimit_report::{Exit, JsonReport, Report, State as FileState};

use crate::console::Console;
use crate::diagnosis;
use crate::driver_client;
use crate::facts::{Facts, ModuleFacts};
use crate::failure::Failure;
use crate::installation::LEGACY;
use crate::json_answer;
use crate::language::translate;
use crate::os::{Activity, Os, Start};
use crate::system;

/// Minimum width of the labels.
const NARROWEST: usize = 12;

/// The fields of the verb.
#[derive(Default, Serialize)]
struct JsonStatus<'a> {
    tcplimit: &'static str,
    windows: String,
    service: Option<JsonService>,
    driver_file: bool,
    event_source: bool,
    test_only_value: bool,
    modules: Vec<JsonModule<'a>>,
    events_4226: Option<usize>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct JsonService {
    state: &'static str,
    start: u32,
    image: String,
}

#[derive(Serialize)]
struct JsonModule<'a> {
    memory: Option<json_answer::JsonAnswer>,
    memory_error: Option<&'a str>,
    stored_limit: Option<u32>,
    stored_expect: Option<u32>,
    file: JsonReport<'a>,
}

/// Prints the status.
pub(crate) fn run(os: &dyn Os, console: &Console<'_>) -> Exit {
    let facts = match Facts::gather(os) {
        Ok(facts) => facts,
        Err(failure) => return console.finish(Some(&failure), JsonStatus::default()),
    };
    let notes = diagnosis::notes(&facts);
    if console.json {
        return console.finish_with(facts.exit(), None, status_json(os, &facts, notes));
    }
    for line in lines(os, &facts) {
        console.print(&line);
    }
    for note in &notes {
        console.print("");
        console.print(note);
    }
    facts.exit()
}

/// A line about the driver, or about one of the two modules.
pub(crate) struct Row {
    pub(crate) module: Option<Module>,
    pub(crate) label: &'static str,
    pub(crate) text: String,
}

/// All lines, for a console.
pub(crate) fn lines(os: &dyn Os, facts: &Facts) -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let system = system::name(os.version());
    let mut rows = Vec::from([(
        String::from("tcplimit"),
        text!("{version}, on {system}", version, system),
    )]);
    for Row {
        module,
        label,
        text,
    } in self::rows(facts)
    {
        let is_below = module.is_some_and(|module| module.file_name() != label);
        let margin = if is_below { "  " } else { "" };
        rows.push((format!("{margin}{label}"), text));
    }
    let widths = rows.iter().map(|(label, _)| label.chars().count());
    let width = widths.max().unwrap_or(0).max(NARROWEST);
    let rows = rows.iter();
    rows.map(|(label, text)| format!("{label:<width$} {text}"))
        .collect()
}

/// Everything known, row by row.
pub(crate) fn rows(facts: &Facts) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |module, label, text| {
        rows.push(Row {
            module,
            label,
            text,
        });
    };
    row(None, phrase!("driver"), driver(facts));
    for ModuleFacts {
        module,
        on_disk: report,
        memory,
        stored,
    } in &facts.modules
    {
        let of = Some(*module);
        let version = match report.image.as_ref().and_then(|image| image.version) {
            Some(version) => format!("{version}, "),
            None => String::new(),
        };
        row(
            of,
            module.file_name(),
            format!("{version}{}", report.origin.path),
        );
        row(of, phrase!("in memory"), in_memory(*module, memory));
        row(of, phrase!("on disk"), on_disk(report));
        let stored = match stored.limit {
            _ if stored.malformed => phrase!("not a number").into(),
            None => phrase!("no limit for the next start").into(),
            Some(limit) => format!("{limit}, {}", start_outcome(memory, facts.guarded)),
        };
        row(of, phrase!("stored"), stored);
    }
    row(
        None,
        phrase!("event 4226"),
        match facts.events {
            Ok(0) => phrase!("not logged since Windows started").into(),
            Ok(1) => phrase!("logged once since Windows started").into(),
            Ok(times) => text!("logged {times} times since Windows started", times),
            Err(error) => text!("unknown: {error}", error),
        },
    );
    rows
}

fn driver(facts: &Facts) -> String {
    let mut answers = facts.modules.iter().map(|facts| facts.memory.as_ref());
    let version = answers.find_map(Result::ok).map(json_answer::version);
    let version = version.map(|[major, minor, patch]| format!("{major}.{minor}.{patch}"));
    let Some(service) = &facts.survey.service else {
        return match version {
            Some(version) => text!(
                "not installed; {other_loader}",
                other_loader = other_loader(facts, &version)
            ),
            None => phrase!("not installed").into(),
        };
    };
    let state = match service.activity {
        Activity::Running if version.is_none() && !facts.has_device() => {
            phrase!("unloaded, but still held")
        }
        Activity::Running => phrase!("loaded"),
        Activity::Stopped => phrase!("not loaded"),
        Activity::Pending => phrase!("being loaded or unloaded"),
    };
    let start = match service.start {
        Start::Auto => phrase!("loaded each time Windows starts"),
        Start::Demand => phrase!("loaded on demand"),
        Start::Disabled => phrase!("disabled"),
        Start::Boot | Start::System => phrase!("loaded too early for the start-up guard"),
    };
    match version {
        Some(version) if service.activity == Activity::Stopped => {
            format!("{state}; {start}; {}", other_loader(facts, &version))
        }
        Some(version) => format!("{state} ({version}); {start}"),
        None => format!("{state}; {start}"),
    }
}

/// The program that loaded the driver, if not our service.
fn other_loader(facts: &Facts, version: &str) -> String {
    match facts.legacy {
        true => text!(
            "a 2005 program has loaded {version} as {LEGACY}",
            version,
            LEGACY
        ),
        false => text!("another service has loaded {version}", version),
    }
}

fn in_memory(module: Module, memory: &Result<Answer, Failure>) -> String {
    let answer = match memory {
        Ok(answer) => answer,
        Err(failure) => return text!("unknown: {message}", message = failure.message),
    };
    if driver_client::refusal(module, answer).is_some() && answer.limit.get() == 0 {
        return match State::from_code(answer.state.get()) {
            Some(State::Absent) => phrase!("not loaded").into(),
            _ => phrase!("not located").into(),
        };
    }
    let mut text = text!(
        "{limit} ({half_open} half-open, {queued} queued, peak {peak})",
        limit = answer.limit,
        half_open = answer.half_open,
        queued = answer.queued,
        peak = answer.peak
    );
    if answer.written.get() != 0 {
        text += &text!(
            "; set by tcplimit, was {original}",
            original = answer.original
        );
    }
    text
}

fn on_disk(report: &Report) -> String {
    let value = match report.limit() {
        Some(limit) => limit.to_string(),
        None => return report.headline(translate),
    };
    let is_right = report.checksum().is_some_and(|sum| sum.is_right());
    let checksum = match is_right {
        true => phrase!("checksum correct"),
        false => phrase!("checksum wrong: damaged or modified"),
    };
    match report.file.as_ref().and_then(|file| file.known) {
        Some(known) if report.is_as_shipped() => {
            text!("{value}; as shipped in {known}", value, known)
        }
        _ if report.state == FileState::Unpatched => {
            text!("{value}; unpatched, {checksum}", value, checksum)
        }
        _ => text!("{value}; patched, {checksum}", value, checksum),
    }
}

/// The outcome of a stored limit.
fn start_outcome(memory: &Result<Answer, Failure>, guarded: bool) -> &'static str {
    let Ok(answer) = memory else {
        return phrase!("applied when tcplimit.sys is loaded");
    };
    match driver_client::start_name(answer) {
        "applied" => phrase!("applied when tcplimit.sys was loaded"),
        "not-configured" => phrase!("stored after tcplimit.sys was loaded"),
        "safe-mode" => phrase!("not applied: Safe Mode"),
        "guarded" if guarded => phrase!("not applied: the last start with it failed"),
        "guarded" => phrase!("not applied at the last start; the next applies it"),
        _ => phrase!("not applied: refused"),
    }
}

fn status_json<'a>(os: &dyn Os, facts: &'a Facts, notes: Vec<String>) -> JsonStatus<'a> {
    let modules = facts.modules.iter().map(|facts| JsonModule {
        memory: facts
            .memory
            .as_ref()
            .ok()
            .map(|answer| json_answer::JsonAnswer::new(facts.module, answer)),
        memory_error: facts
            .memory
            .as_ref()
            .err()
            .map(|failure| failure.message.as_str()),
        stored_limit: facts.stored.limit,
        stored_expect: facts.stored.expect,
        file: JsonReport::of(&facts.on_disk),
    });
    JsonStatus {
        tcplimit: env!("CARGO_PKG_VERSION"),
        windows: system::name(os.version()),
        service: facts.survey.service.as_ref().map(|service| JsonService {
            state: match service.activity {
                Activity::Stopped => "stopped",
                Activity::Running => "running",
                Activity::Pending => "pending",
            },
            start: service.start.code(),
            image: service.image.clone(),
        }),
        driver_file: facts.survey.driver.is_some(),
        event_source: facts.survey.source_is_correct,
        test_only_value: facts.test_only,
        modules: modules.collect(),
        events_4226: facts.events.ok(),
        notes,
    }
}
