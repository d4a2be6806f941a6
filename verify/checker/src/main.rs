//! Checks shipped files and prints a summary or all violations.
//!
//! `cargo run --package checker -- driver|program|window x86|x64 FILE...`

use std::process::ExitCode;
use std::{env, fs};

use checker::{self, Arch, Kind, Report};

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
    let right = files
        .iter()
        .filter(|file| is_right(file, kind, arch))
        .count();
    if right == files.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: checker driver|program|window x86|x64 FILE...");
    ExitCode::FAILURE
}

fn is_right(path: &str, kind: Kind, arch: Arch) -> bool {
    let file = match fs::read(path) {
        Ok(file) => file,
        Err(error) => {
            println!("{path}: {error}");
            return false;
        }
    };
    match checker::check(&file, kind) {
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
