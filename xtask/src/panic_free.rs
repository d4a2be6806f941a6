//! Proves that no public function of scanner-core can panic: see `verify/panic-free`.

use crate::command::{self, Failure, tail};
use crate::summary::Outcome;
use crate::workspace::Workspace;

const BUILD: [&str; 6] = [
    "build",
    "--locked",
    "--profile",
    "panic-free",
    "--package",
    "panic-free",
];

/// The symbol that is undefined if a panic is reachable.
const SYMBOL: &str = "scanner_core_can_panic";

/// Links the program, which must succeed, and then one with a deliberate panic, which
/// must fail: otherwise the first would prove nothing.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let proof = command::capture(&mut workspace.cargo(&BUILD))?;
    if !proof.status.success() {
        let why = if proof.err.contains(SYMBOL) {
            "a panic is reachable"
        } else {
            "the proof does not build"
        };
        return Err(Failure(format!("{why}{}", tail(&proof.err))));
    }

    let mut with_canary = workspace.cargo(&BUILD);
    with_canary.args(["--features", "canary"]);
    let canary = command::capture(&mut with_canary)?;
    if canary.status.success() {
        return Err(Failure("the canary links although it can panic".into()));
    }
    if !canary.err.contains(SYMBOL) {
        let end = tail(&canary.err);
        return Err(Failure(format!(
            "the canary failed for another reason{end}"
        )));
    }
    Ok(Outcome::Passed(
        "the program links, and the canary does not".into(),
    ))
}
