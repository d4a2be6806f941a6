//! Reports for programs: one JSON object per line. docs/json.md describes them, and a test compares
//! the two.

use std::io::{self, Write};

use serde::Serialize;
use tcplimit_report::{JsonReport, Report, SCHEMA};

use crate::summary::Summary;

/// Writes a report as one line.
///
/// # Errors
/// If it can't be written.
pub(crate) fn report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    write_line(out, &JsonReport::of(report))
}

/// Writes the summary as one line.
///
/// # Errors
/// If it can't be written.
pub(crate) fn summary(out: &mut dyn Write, summary: &Summary, exit: u8) -> io::Result<()> {
    #[derive(Serialize)]
    struct Totals<'a> {
        files: u64,
        members: u64,
        bytes: u64,
        searched_bytes: u64,
        search_seconds: f64,
        located: u64,
        states: std::collections::BTreeMap<&'a str, u64>,
        seconds: f64,
        interrupted: bool,
        exit_code: u8,
    }
    let totals = Totals {
        files: summary.files,
        members: summary.members,
        bytes: summary.bytes,
        searched_bytes: summary.searched_bytes,
        search_seconds: summary.search_time.as_secs_f64(),
        located: summary.located(),
        states: summary
            .states()
            .map(|(state, count)| (state.name(), count))
            .collect(),
        seconds: summary.seconds(),
        interrupted: summary.interrupted,
        exit_code: exit,
    };
    summary_line(out, &totals)
}

/// Writes an object as one line of JSON, with the schema number first.
///
/// # Errors
/// If it can't be written.
pub(crate) fn line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        schema: u32,
        #[serde(flatten)]
        object: &'a T,
    }
    let schema = SCHEMA;
    write_line(out, &Line { schema, object })
}

fn write_line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Writes the totals of a run as one line of JSON.
///
/// # Errors
/// If it can't be written.
pub(crate) fn summary_line(out: &mut dyn Write, summary: &impl Serialize) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        summary: &'a T,
    }
    line(out, &Line { summary })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_inputs::SPECIMEN;
    use crate::probe::{self, Options};
    use tcplimit_report::State;

    const DOCUMENTED: &str = include_str!("../../docs/json.md");

    const STATES: [State; 19] = [
        State::Unpatched,
        State::Patched(0),
        State::Located,
        State::NoLimiter,
        State::NotLocated,
        State::ConflictingNames,
        State::UnconfirmedName,
        State::TooOld,
        State::OtherModule,
        State::NotDriver,
        State::UnsupportedMachine,
        State::Damaged,
        State::NotPe,
        State::Compressed,
        State::Cabinet,
        State::Container,
        State::DiscImage,
        State::Unreadable,
        State::UnfitBase,
    ];

    #[test]
    fn every_state_is_documented() {
        for state in STATES {
            let name = state.name();
            assert!(DOCUMENTED.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn every_field_is_documented() {
        let reports = probe::bytes("tcpip.sys", SPECIMEN, &Options::default());
        let mut lines = Vec::new();
        report(&mut lines, reports.first().unwrap()).unwrap();
        summary(&mut lines, &Summary::new(), 0).unwrap();
        for line in lines
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            documented("", &serde_json::from_slice(line).unwrap());
        }
    }

    /// Every key has a row in one of the tables, inner ones as `outer.inner`.
    fn documented(outer: &str, value: &serde_json::Value) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = match outer {
                "" => key.clone(),
                outer => format!("{outer}.{key}"),
            };
            assert!(DOCUMENTED.contains(&format!("| `{path}` |")), "{path}");
            if path != "summary.states" {
                documented(&path, value);
            }
        }
    }
}
