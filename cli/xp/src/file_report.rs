//! A report on a file, like the workbench's `tcplimit probe`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::{Findings, Module, NearbyCalls, Tally};
use tcplimit_report::{Cause, Origin, Report, Search, State};

use crate::driver_client::REPORT_ADVICE;
use crate::language::translate;
use crate::os::Os;

/// Names of known builds with their hashes, generated from corpus/builds.toml.
const KNOWN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/known.rs"));

/// Inspects a file.
pub(crate) fn inspect(os: &dyn Os, path: &str) -> Report {
    let origin = Origin::file(path);
    match os.read(path) {
        Ok(bytes) => {
            let mut report = tcplimit_report::image(origin, &bytes, reason_text);
            report.add_file_facts(&bytes, |sha256| {
                let known = KNOWN.iter().find(|(_, hash)| *hash == sha256);
                known.map(|(name, _)| *name)
            });
            report
        }
        Err(error) => {
            let reason = text!("it can't be read: {error}.", error);
            Report::new(origin, 0, State::Unreadable, reason)
        }
    }
}

/// A cause as a sentence, with this program's advice.
fn reason_text(state: State, cause: &Cause<'_>) -> String {
    let mut text = cause.text(state, translate);
    text.push('.');
    if let Cause::NotLocated(_) = cause {
        text.push(' ');
        text.push_str(REPORT_ADVICE.get());
    }
    text
}

/// The whole report, in lines.
pub(crate) fn lines(report: &Report) -> Vec<String> {
    let mut lines = alloc::vec![format!(
        "{}: {}",
        report.origin.path,
        report.headline(translate)
    )];
    let mut row = |label: &str, text: String| lines.push(format!("  {label:<11} {text}"));
    if let Some(reason) = &report.reason {
        row(phrase!("because"), reason.clone());
    }
    if let Some(image) = &report.image {
        let name = report
            .module
            .map_or_else(|| phrase!("unknown"), Module::file_name);
        let version = match image.version {
            Some(version) => version.to_string(),
            None => phrase!("without version").into(),
        };
        row(
            phrase!("module"),
            text!(
                "{name} {version}, {arch}, linked {stamp}",
                name,
                version,
                arch = image.arch,
                stamp = format_args!("{:X}", image.time_date_stamp)
            ),
        );
    }
    if let Some(known) = report.file.as_ref().and_then(|file| file.known) {
        row(phrase!("known as"), known.into());
    }
    if let Some(findings) = report.search.as_ref().and_then(Search::findings) {
        let located = report.state.is_located();
        let label = if located {
            phrase!("limit")
        } else {
            phrase!("candidate")
        };
        row(label, format!("RVA {}", findings.threshold()));
        row(phrase!("half-open"), format!("RVA {}", findings.count()));
        if let Some(queue) = findings.queue() {
            row(phrase!("queued"), format!("RVA {queue}"));
        }
        let gates: Vec<String> = findings.gates().map(|gate| gate.at().to_string()).collect();
        row(phrase!("gates"), format!("RVA {}", gates.join(", ")));
        let (held, missing) = (findings.held(), findings.missing());
        row(
            phrase!("evidence"),
            text!(
                "{held} of {all} pieces, {updates} atomic updates",
                held = held.len(),
                all = held.len() + missing.len(),
                updates = findings.atomic_updates()
            ),
        );
        row(phrase!("calls"), calls_at_gates(findings));
        for evidence in missing.iter() {
            row(
                phrase!("missing"),
                format!("{evidence}: {}", evidence.explanation()),
            );
        }
    }
    if let Some(sum) = report.checksum() {
        let verdict = match sum.is_right() {
            true => phrase!("correct").into(),
            false => text!(
                "but {computed} computed: the file is damaged or modified",
                computed = format_args!("{:X}", sum.computed)
            ),
        };
        row(phrase!("checksum"), format!("{:X}, {verdict}", sum.stated));
    }
    if let Some(file) = &report.file {
        row("SHA-256", file.sha256.clone());
    }
    lines
}

/// Describes the calls around each gate.
fn calls_at_gates(findings: &Findings) -> String {
    let counts = |of: fn(&NearbyCalls) -> Tally| {
        let counts = findings.nearby_calls().map(of);
        let counts = counts.filter(|count| count.total > 0);
        let counts: Vec<String> = counts.map(|count| count.to_string()).collect();
        counts.join(", ")
    };
    let imports = counts(|around| around.imports);
    let functions = counts(|around| around.functions);
    match (imports.is_empty(), functions.is_empty()) {
        (true, _) => phrase!("none through pointers near the gates").into(),
        (_, true) => text!("near the gates to imports {imports}", imports),
        _ => text!(
            "near the gates to imports {imports}; to functions {functions}",
            imports,
            functions
        ),
    }
}
