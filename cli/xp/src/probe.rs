//! `probe`: the limit in a file, and in memory as the driver finds it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::{Arch, Findings, Module, StartUp, Surroundings, Tally};
use serde::Serialize;

use crate::answer;
use crate::client;
use crate::console::{Console, SCHEMA};
use crate::disk::{Look, number};
use crate::failure::Failure;
use crate::installation::Paths;
use crate::win32::Win32;
use crate::windows::Windows;
use tcplimit_report::Exit;

/// Looks into the file named, or into the system's own and into memory.
pub(crate) fn run(windows: &dyn Windows, console: &Console<'_>, file: Option<&str>) -> Exit {
    if let Some(path) = file {
        let look = look(windows, path);
        tell(console, &look);
        return look.state.exit();
    }
    let paths = match Paths::of(windows) {
        Ok(paths) => paths,
        Err(failure) => return console.finish(Some(&failure), Memory::default()),
    };
    let mut exit = Exit::Done;
    for module in Module::ALL {
        let path = paths.of_driver(module.file_name());
        let is_there = !matches!(windows.read(&path), Err(error) if error.is_absence());
        // IPv6 is rarely installed.
        if is_there || module == Module::Tcpip {
            let look = look(windows, &path);
            tell(console, &look);
            exit = worse(exit, look.state.exit());
        }
        if is_there {
            exit = worse(exit, memory(windows, console, module));
        }
    }
    exit
}

fn worse(one: Exit, other: Exit) -> Exit {
    if other.code() > one.code() {
        other
    } else {
        one
    }
}

/// Looks into a file.
pub(crate) fn look(windows: &dyn Windows, path: &str) -> Look {
    match windows.read(path) {
        Ok(bytes) => Look::into(path, &bytes),
        Err(error) => Look::unreadable(path, text!("It can't be read: {error}.", error)),
    }
}

fn tell(console: &Console<'_>, look: &Look) {
    if console.json {
        return console.object(&Object::of(look));
    }
    for line in look.lines() {
        console.say(&line);
    }
    if let Some(reason) = &look.reason {
        console.say(&format!("  {reason}"));
    }
}

/// The fields of an answer from memory.
#[derive(Default, Serialize)]
struct Memory {
    memory: Option<answer::Object>,
}

/// What the driver finds in memory, where it is loaded.
fn memory(windows: &dyn Windows, console: &Console<'_>, module: Module) -> Exit {
    let answer = match client::query(windows, module) {
        Ok(answer) => answer,
        Err(Failure {
            error: Some(Win32::FILE_NOT_FOUND),
            ..
        }) => {
            console.say(&text!(
                "{module} in memory: tcplimit.sys is not loaded, so unknown",
                module
            ));
            return console.finish(None, Memory::default());
        }
        Err(failure) => return console.finish(Some(&failure), Memory::default()),
    };
    let refusal =
        client::refusal(module, &answer).filter(|_| !client::is_not_installed(module, &answer));
    let memory = Memory {
        memory: Some(answer::Object::of(module, &answer)),
    };
    if console.json {
        return console.finish(refusal.as_ref(), memory);
    }
    let rva = answer.limit_rva.get();
    match refusal {
        None if answer.limit.get() == 0 => {
            console.say(&text!("{module} in memory: not loaded", module));
            Exit::Done
        }
        None => {
            console.say(&text!(
                "{module} in memory: located, the limit is {limit}\n  limit       RVA {rva}",
                module,
                limit = answer.limit,
                rva = format_args!("{rva:X}")
            ));
            Exit::Done
        }
        Some(refusal) => {
            console.say(&text!(
                "{module} in memory: {state}",
                module,
                state = client::state_name(&answer)
            ));
            let why = format!("{} {}", refusal.message, refusal.advice);
            console.say(&format!("  {}", why.trim_end()));
            refusal.exit
        }
    }
}

/// A look as docs/json.md has it.
#[derive(Serialize)]
pub(crate) struct Object<'a> {
    schema: u32,
    path: &'a str,
    member: Option<&'a str>,
    bytes: usize,
    state: &'static str,
    located: bool,
    reason: Option<&'a str>,
    module: Option<&'static str>,
    names: Names<'a>,
    arch: Option<String>,
    version: Option<String>,
    time_date_stamp: Option<u32>,
    view: Option<&'static str>,
    loaded_at: Option<&'a str>,
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

#[derive(Serialize)]
struct Evidence {
    held: Vec<&'static str>,
    missing: Vec<&'static str>,
    atomic_updates: u32,
    local_imports: Vec<Count>,
    local_functions: Vec<Count>,
}

/// Of `total` calls, `hits` do as they should.
#[derive(Serialize)]
struct Count {
    hits: u16,
    total: u16,
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

impl<'a> Object<'a> {
    pub(crate) fn of(look: &'a Look) -> Object<'a> {
        let located = look.state.is_located();
        let rvas = |wanted: bool| {
            let findings = look.findings.as_ref().filter(|_| located == wanted);
            findings.map(Rvas::of)
        };
        let names = |set: scanner_core::EvidenceSet| set.iter().map(|one| one.name()).collect();
        Object {
            schema: SCHEMA,
            path: &look.path,
            member: None,
            bytes: look.bytes,
            state: look.state.name(),
            located,
            reason: look.reason.as_deref(),
            module: look.module.map(Module::file_name),
            names: Names {
                file: look.names.file.map(Module::file_name),
                original: look.names.original.as_deref(),
                export: look.names.export.as_deref(),
            },
            arch: look.arch.map(|arch: Arch| arch.to_string()),
            version: look.version.map(|version| version.to_string()),
            time_date_stamp: look.time_date_stamp,
            view: look.searched.then_some("file"),
            loaded_at: None,
            rvas: rvas(true),
            candidate: rvas(false),
            evidence: look.findings.as_ref().map(|findings| Evidence {
                held: names(findings.held()),
                missing: names(findings.missing()),
                atomic_updates: findings.atomic_updates(),
                local_imports: counts(findings, |around| around.imports),
                local_functions: counts(findings, |around| around.functions),
            }),
            start_up: match look.start_up {
                Some(StartUp::Unique {
                    rva,
                    value_offset,
                    value,
                }) => Some(Store {
                    value,
                    rva: number(rva),
                    file_offset: value_offset,
                }),
                _ => None,
            },
            checksum: look.checksum.map(|sum| Checksum {
                stated: sum.stated,
                computed: sum.computed,
                ok: sum.is_right(),
            }),
            relocations: look.relocations.map(|coverage| Relocations {
                needed: coverage.needed,
                covered: coverage.covered,
            }),
            sha256: look.sha256.as_deref(),
            known: look.known,
        }
    }
}

/// The calls around each gate.
fn counts(findings: &Findings, of: impl Fn(&Surroundings) -> Tally) -> Vec<Count> {
    let tallies = findings.surroundings().map(of);
    tallies
        .map(|Tally { hits, total }| Count { hits, total })
        .collect()
}

impl Rvas {
    fn of(findings: &Findings) -> Rvas {
        Rvas {
            threshold: number(findings.threshold()),
            count: number(findings.count()),
            queue: findings.queue().map(number),
            gates: findings.gates().map(|gate| number(gate.at())).collect(),
        }
    }
}
