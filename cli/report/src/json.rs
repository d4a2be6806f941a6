//! Reports as JSON objects. docs/json.md describes them; tests of both programs compare the two.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::{EvidenceSet, Findings, Layout, NearbyCalls, Rva, StartUpStore, Tally};
use serde::Serialize;

use crate::report::Report;

/// Changes when a field is renamed, removed or changes its meaning; not when one is added.
pub const SCHEMA: u32 = 2;

/// A report, field by field.
#[derive(Debug, Serialize)]
pub struct JsonReport<'a> {
    schema: u32,
    path: &'a str,
    member: Option<&'a str>,
    bytes: u64,
    state: &'static str,
    located: bool,
    reason: Option<&'a str>,
    module: Option<&'static str>,
    names: Names<'a>,
    arch: Option<String>,
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

#[derive(Debug, Serialize)]
struct Names<'a> {
    file: Option<&'static str>,
    original: Option<&'a str>,
    export: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Rvas {
    threshold: u32,
    count: u32,
    queue: Option<u32>,
    gates: Vec<u32>,
}

/// Of `total` calls, `hits` call what the evidence expects.
#[derive(Debug, Serialize)]
struct Count {
    hits: u16,
    total: u16,
}

#[derive(Debug, Serialize)]
struct Evidence {
    held: Vec<&'static str>,
    missing: Vec<&'static str>,
    atomic_updates: u32,
    local_imports: Vec<Count>,
    local_functions: Vec<Count>,
}

#[derive(Debug, Serialize)]
struct Store {
    value: u32,
    rva: u32,
    file_offset: u32,
}

#[derive(Debug, Serialize)]
struct Checksum {
    stated: u32,
    computed: u32,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct Relocations {
    needed: u32,
    covered: u32,
}

impl<'a> JsonReport<'a> {
    /// The JSON object of a report.
    #[must_use]
    pub fn of(report: &'a Report) -> JsonReport<'a> {
        let findings = report.search.as_ref().and_then(|search| search.findings());
        let is_located = report.state.is_located();
        let file = report.file.as_ref();
        let of = |located: bool| findings.filter(|_| is_located == located).map(Rvas::of);
        JsonReport {
            schema: SCHEMA,
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
            arch: report.image.map(|image| image.arch.to_string()),
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
                StartUpStore::Unique {
                    rva,
                    value_offset,
                    value,
                } => Some(Store {
                    value,
                    rva: rva.0,
                    file_offset: value_offset,
                }),
                StartUpStore::None | StartUpStore::Several => None,
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
            known: file.and_then(|file| file.known),
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

/// Counts of the calls around each gate.
fn counts(findings: &Findings, of: impl Fn(&NearbyCalls) -> Tally) -> Vec<Count> {
    let tallies = findings.nearby_calls().map(of);
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
