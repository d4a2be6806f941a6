//! scanner-core built where there is no standard library and no float.

use crate::command::{self, Failure};
use crate::compiler::{Compiler, TARGETS};
use crate::report::Outcome;
use crate::workspace::Workspace;

/// Builds for every target; loudly skipped without a compiler for them.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(compiler) = Compiler::all(workspace).into_iter().next() else {
        let why = "no compiler for i686-unknown-uefi and x86_64-unknown-uefi: cargo xtask setup";
        return Ok(Outcome::Skipped(why.into()));
    };
    let mut build = compiler.build(workspace);
    build
        .args(["--locked", "--release", "--package", "scanner-core"])
        .args(TARGETS.iter().flat_map(|target| ["--target", target]))
        .arg("--target-dir")
        .arg(workspace.made("no-std"));
    command::run(&mut build)?;
    Ok(Outcome::Passed(format!(
        "{} with {compiler}",
        TARGETS.join(", ")
    )))
}
