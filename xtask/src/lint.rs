//! Format and lints; every finding is an error.

use crate::command::{self, Failure};
use crate::executables;
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// Runs rustfmt with its defaults on every crate.
pub(crate) fn format(workspace: &Workspace) -> Result<Outcome, Failure> {
    command::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed(String::new()))
}

/// Runs clippy on every target of every crate, and on the emulator if it can be compiled
/// here. In a whole run the build has done so, except for this program.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(findings) = executables::findings(workspace) else {
        return lint(workspace, &executables::workspace_arguments(workspace));
    };
    print!("{findings}");
    run_clippy(workspace, &["--package", "xtask", "--bins"])?;
    match findings.is_empty() {
        true => Ok(Outcome::Passed(String::new())),
        false => Err(Failure("the build has findings".into())),
    }
}

/// The same for crates that need only Rust's compiler.
pub(crate) fn quick(workspace: &Workspace) -> Result<Outcome, Failure> {
    lint(workspace, &executables::RUST_ONLY)
}

fn lint(workspace: &Workspace, select: &[&str]) -> Result<Outcome, Failure> {
    run_clippy(workspace, &[&["--all-targets"], select].concat())?;
    Ok(Outcome::Passed(String::new()))
}

fn run_clippy(workspace: &Workspace, select: &[&str]) -> Result<(), Failure> {
    let mut clippy = workspace.cargo(&["clippy", "--locked"]);
    command::run(clippy.args(select).args(["--", "-D", "warnings"]))
}
