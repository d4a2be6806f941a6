//! Format and lints: no finding is let through.

use crate::command::{self, Failure};
use crate::report::Outcome;
use crate::workspace::Workspace;

/// rustfmt with its defaults, over every crate.
pub(crate) fn format(workspace: &Workspace) -> Result<Outcome, Failure> {
    command::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed(String::new()))
}

/// clippy over every target of every crate.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Outcome, Failure> {
    command::run(&mut workspace.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(Outcome::Passed(String::new()))
}
