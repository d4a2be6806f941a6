//! Compiles the tool for files for its other systems, macOS and Windows, without
//! linking.

use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::driver;
use crate::recorded::Inputs;
use crate::summary::Outcome;
use crate::workspace::Workspace;

const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// The compiled sources, and the code that compiles them.
pub(crate) const INPUTS: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "cli",
    "corpus",
    "driver/protocol",
    "scanner-core",
    "xtask/src/compiler.rs",
    "xtask/src/cross_check.rs",
];

/// Checks the tool for each target with a standard library from source; skipped
/// without that source.
pub(crate) fn run(workspace: &Workspace, may_be_recorded: bool) -> Result<Outcome, Failure> {
    let inputs = Inputs::of(
        workspace,
        "systems",
        &INPUTS,
        &Compiler::versions(workspace),
    );
    inputs.unless_recorded(may_be_recorded, || check(workspace))
}

fn check(workspace: &Workspace) -> Result<Outcome, Failure> {
    let compilers = Compiler::all(workspace);
    let Some(compiler) = compilers.into_iter().find(|it| it.builds_core()) else {
        let why = "no source of the standard library; cargo xtask setup installs it";
        return Ok(Outcome::Skipped(why.into()));
    };
    let mut check = compiler.cargo(workspace, "check");
    check
        .args(["--locked", "--package", "tcplimit", "--lib", "--bins"])
        .arg("-Zbuild-std=std,panic_unwind,panic_abort")
        .args(TARGETS.iter().flat_map(|target| ["--target", target]))
        // Only macros run, and the driver's build shares some of them.
        .args(["--profile", "driver", "--target-dir"])
        .arg(workspace.target(driver::BUILD));
    command::run(&mut check)?;
    Ok(Outcome::Passed(format!(
        "{} with {compiler}",
        TARGETS.join(", ")
    )))
}
