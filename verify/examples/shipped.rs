//! Checks shipped files: prints what is worth knowing, or everything that is wrong.
//!
//! `cargo run --package verify --example shipped -- driver|program FILE...`

use std::process::ExitCode;
use std::{env, fs};

use verify::shipped::{self, Arch, Kind, Report};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("driver") => Kind::Driver,
        Some("program") => Kind::Program,
        _ => return usage(),
    };
    let files: Vec<_> = arguments.collect();
    if files.is_empty() {
        return usage();
    }
    let right = files.iter().filter(|file| is_right(file, kind)).count();
    if right == files.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: shipped driver|program FILE...");
    ExitCode::FAILURE
}

fn is_right(path: &str, kind: Kind) -> bool {
    let file = match fs::read(path) {
        Ok(file) => file,
        Err(error) => {
            println!("{path}: {error}");
            return false;
        }
    };
    match shipped::check(&file, kind) {
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
    };
    println!("figure: {arch}: bytes = {}", report.file_size);
    println!("figure: {arch}: imports = {}", report.imports.len());
    println!("figure: {arch}: instructions = {}", report.instructions);
    println!("figure: {arch}: lock cmpxchg = {}", report.locked_exchanges);
    if let Ok(stack) = &report.stack {
        println!("figure: {arch}: deepest stack, bytes = {}", stack.depth);
    }
}
