//! The tests of the tool for files, compiled for Windows 10 with a standard library from
//! source, in Wine. Only they test what a patched file keeps on Windows: access list,
//! owner, attributes.

use std::path::PathBuf;

use serde_json::Value;

use super::arch::Arch;
use super::check_log::CheckLog;
use super::machine::Machine;
use super::programs;
use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// A DLL that Wine 8 lacks, placed beside the programs that need it.
const PRNG: &str = "bcryptprimitives.dll";

/// Builds the tests, which takes minutes, and runs each test program.
pub(super) fn test(
    workspace: &Workspace,
    machine: &Machine<'_>,
    checks: &mut CheckLog,
) -> Result<(), Failure> {
    if machine.arch() != Arch::X64 {
        return Ok(());
    }
    let tests = build(workspace)?;
    for program in &tests {
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        // Beside the tests, and beside the program that they run.
        for folder in program.ancestors().skip(1).take(2) {
            programs::build_library(workspace, "prng.c", &folder.join(PRNG))?;
        }
        let mut run = machine.wine(&program.display().to_string());
        let output = command::capture(run.current_dir(workspace.path("cli")))?;
        print!("{}", output.out);
        let counts = TestCounts::of_libtest(&output.out);
        let right = output.status.success() && counts.passed > 0 && counts.failed == 0;
        let description = format!("{} tests of `{name}` for Windows pass", counts.passed);
        checks.check(&description, right, &output.err);
    }
    Ok(())
}

/// Builds the test programs.
fn build(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    // Its package has the complete source of the standard library.
    let compiler = Compiler::Debian;
    if !Compiler::all(workspace).contains(&compiler) {
        let why = "no source of the standard library; apt-get install cargo-web rust-web-src";
        return Err(Failure(why.into()));
    }
    let mut cargo = compiler.cargo(workspace, "test");
    cargo
        .args(["--no-run", "--locked", "--package", "tcplimit"])
        .args(["--lib", "--test", "program", "-Zbuild-std=std,panic_unwind"])
        .args(["--target", TARGET, "--message-format=json"])
        .arg("--target-dir")
        .arg(workspace.target("tool-build"));
    let output = command::capture(&mut cargo)?.success("cargo test --no-run")?;
    let made = output.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"] == true;
        is_test.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    let made: Vec<PathBuf> = made.collect();
    if made.is_empty() {
        return Err(Failure("cargo built no test program".into()));
    }
    Ok(made)
}
