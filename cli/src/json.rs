//! Reports for programs: one JSON object a line. docs/json.md describes it,
//! and a test compares the two.

use std::io::{self, Write};

use scanner_core::{Arch, EvidenceSet, Findings, Layout, Rva, StartUp, Surroundings, Tally};
use serde::Serialize;

use crate::report::Report;
use crate::summary::Summary;

/// Changes when a field is renamed, removed or means something else; not when
/// one is added.
const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Object<'a> {
    path: &'a str,
    member: Option<&'a str>,
    bytes: u64,
    state: &'static str,
    located: bool,
    reason: Option<&'a str>,
    module: Option<&'static str>,
    names: Names<'a>,
    arch: Option<&'static str>,
    version: Option<String>,
    time_date_stamp: Option<u32>,
    view: Option<&'static str>,
    loaded_at: Option<String>,
    rvas: Option<Rvas>,
    candidate: Option<Rvas>,
    evidence: Option<Evidence>,
    start_up: Option<Store>,
    checksum: Option<Checksum>,
    relocations: Option<Relocations>,
    sha256: Option<&'a str>,
    known: Option<&'a str>,
}

#[derive(Serialize)]
struct Names<'a> {
    file: Option<&'static str>,
    original: Option<&'a str>,
    export: Option<&'a str>,
}

#[derive(Serialize)]
struct Rvas {
    threshold: u32,
    count: u32,
    queue: Option<u32>,
    gates: Vec<u32>,
}

/// Of `total` calls, `hits` do as they should.
#[derive(Serialize)]
struct Count {
    hits: u16,
    total: u16,
}

#[derive(Serialize)]
struct Evidence {
    held: Vec<&'static str>,
    missing: Vec<&'static str>,
    atomic_updates: u32,
    local_imports: Vec<Count>,
    local_functions: Vec<Count>,
}

#[derive(Serialize)]
struct Store {
    value: u32,
    rva: u32,
    file_offset: u32,
}

#[derive(Serialize)]
struct Checksum {
    stated: u32,
    computed: u32,
    ok: bool,
}

#[derive(Serialize)]
struct Relocations {
    needed: u32,
    covered: u32,
}

/// Writes a report as one line.
///
/// # Errors
/// When it can't be written.
pub(crate) fn report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    line(out, &Object::of(report))
}

/// Writes the summary as one line.
///
/// # Errors
/// When it can't be written.
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

/// Writes an object as one line of JSON, the schema's number first.
///
/// # Errors
/// When it can't be written.
pub(crate) fn line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        schema: u32,
        #[serde(flatten)]
        object: &'a T,
    }
    let schema = SCHEMA;
    serde_json::to_writer(&mut *out, &Line { schema, object }).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Writes the totals of a run as one line of JSON.
///
/// # Errors
/// When it can't be written.
pub(crate) fn summary_line(out: &mut dyn Write, summary: &impl Serialize) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        summary: &'a T,
    }
    line(out, &Line { summary })
}

impl<'a> Object<'a> {
    fn of(report: &'a Report) -> Object<'a> {
        let findings = report.search.as_ref().and_then(|search| search.findings());
        let is_located = report.state.is_located();
        let file = report.file.as_ref();
        let of = |located: bool| findings.filter(|_| is_located == located).map(Rvas::of);
        Object {
            path: &report.origin.path,
            member: report.origin.member.as_deref(),
            bytes: report.bytes,
            state: report.state.name(),
            located: is_located,
            reason: report.reason.as_deref(),
            module: report.module.map(|module| module.file_name()),
            names: Names {
                file: report.names.file.map(|module| module.file_name()),
                original: report
                    .names
                    .original
                    .as_ref()
                    .map(|name| name.text.as_str()),
                export: report.names.export.as_ref().map(|name| name.text.as_str()),
            },
            arch: report.image.map(|image| match image.arch {
                Arch::X86 => "x86",
                Arch::X64 => "x64",
            }),
            version: report
                .image
                .and_then(|image| Some(image.version?.to_string())),
            time_date_stamp: report.image.map(|image| image.time_date_stamp),
            view: report.search.map(|_| match report.loaded_at {
                None => view(Layout::File),
                Some(_) => view(Layout::Memory),
            }),
            loaded_at: report.loaded_at.map(|base| format!("{base:X}")),
            rvas: of(true),
            candidate: of(false),
            evidence: findings.map(|findings| Evidence {
                held: names(findings.held()),
                missing: names(findings.missing()),
                atomic_updates: findings.atomic_updates(),
                local_imports: counts(findings, |around| around.imports),
                local_functions: counts(findings, |around| around.functions),
            }),
            start_up: report.start_up.and_then(|start_up| match start_up {
                StartUp::Unique {
                    rva,
                    value_offset,
                    value,
                } => Some(Store {
                    value,
                    rva: rva.0,
                    file_offset: value_offset,
                }),
                StartUp::None | StartUp::Several => None,
            }),
            checksum: file.and_then(|file| file.checksum).map(|sum| Checksum {
                stated: sum.stated,
                computed: sum.computed,
                ok: sum.is_right(),
            }),
            relocations: report.relocations.map(|coverage| Relocations {
                needed: coverage.needed,
                covered: coverage.covered,
            }),
            sha256: file.map(|file| file.sha256.as_str()),
            known: file.and_then(|file| file.known.as_deref()),
        }
    }
}

impl Rvas {
    fn of(findings: &Findings) -> Rvas {
        Rvas {
            threshold: findings.threshold().0,
            count: findings.count().0,
            queue: findings.queue().map(|Rva(queue)| queue),
            gates: findings.gates().map(|gate| gate.at().0).collect(),
        }
    }
}

/// Of the calls around each gate.
fn counts(findings: &Findings, of: impl Fn(&Surroundings) -> Tally) -> Vec<Count> {
    let tallies = findings.surroundings().map(of);
    tallies
        .map(|Tally { hits, total }| Count { hits, total })
        .collect()
}

fn view(layout: Layout) -> &'static str {
    match layout {
        Layout::File => "file",
        Layout::Memory => "memory",
    }
}

fn names(set: EvidenceSet) -> Vec<&'static str> {
    set.iter().map(|evidence| evidence.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{self, Options};
    use crate::report::State;
    use crate::source::SPECIMEN;

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
