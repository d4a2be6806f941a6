//! Checks shipped files: prints what is worth knowing, or everything that is wrong.
//!
//! `cargo run --package verify --example shipped -- driver|program|window x86|x64 FILE...`

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use verify::shipped::{self, Arch, Kind, Report, Source};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("driver") => Kind::Driver,
        Some("program") => Kind::Program,
        Some("window") => Kind::Window,
        _ => return usage(),
    };
    let arch = match arguments.next().as_deref() {
        Some("x86") => Arch::X86,
        Some("x64") => Arch::X64,
        _ => return usage(),
    };
    let files: Vec<_> = arguments.collect();
    if files.is_empty() {
        return usage();
    }
    let source = match source(kind) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("the source: {error}");
            return ExitCode::FAILURE;
        }
    };
    let right = files
        .iter()
        .filter(|file| is_right(file, kind, arch, &source))
        .count();
    if right == files.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What may be said, by the source of what ships.
fn source(kind: Kind) -> io::Result<Source> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut source = Source::default();
    for folder in ["driver", "scanner-core/src"] {
        source.add_folder(&workspace.join(folder))?;
    }
    if kind != Kind::Driver {
        source.add_folder(&workspace.join("cli/xp"))?;
        source.add_words(&fs::read_to_string(workspace.join("corpus/builds.toml"))?);
    }
    Ok(source)
}

fn usage() -> ExitCode {
    eprintln!("usage: shipped driver|program|window x86|x64 FILE...");
    ExitCode::FAILURE
}

fn is_right(path: &str, kind: Kind, arch: Arch, source: &Source) -> bool {
    let file = match fs::read(path) {
        Ok(file) => file,
        Err(error) => {
            println!("{path}: {error}");
            return false;
        }
    };
    match shipped::check_against(source, &file, kind) {
        Ok(report) if report.arch != arch => {
            println!("{path}: is for {:?}, not for {arch:?}", report.arch);
            false
        }
        Ok(report) => {
            println!("{path}: {report}");
            figures(&report, kind);
            true
        }
        Err(violations) => {
            for violation in violations {
                println!("{path}: {violation}");
            }
            false
        }
    }
}

/// Lines for `cargo xtask report`.
fn figures(report: &Report, kind: Kind) {
    let arch = match report.arch {
        Arch::X86 => "x86",
        Arch::X64 => "x64",
    };
    let arch = match kind {
        Kind::Driver => arch.to_string(),
        Kind::Program => format!("tcplimit.exe {arch}"),
        Kind::Window => format!("tcplimitw.exe {arch}"),
    };
    println!("figure: {arch}: bytes = {}", report.file_size);
    println!("figure: {arch}: imports = {}", report.imports.len());
    println!("figure: {arch}: instructions = {}", report.instructions);
    println!("figure: {arch}: lock cmpxchg = {}", report.locked_exchanges);
    if let Ok(stack) = &report.stack {
        println!("figure: {arch}: deepest stack, bytes = {}", stack.depth);
    }
}
