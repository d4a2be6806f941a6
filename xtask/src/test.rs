//! Unit, integration and doc tests of the whole workspace.

use crate::command::{self, Failure, tail};
use crate::report::Outcome;
use crate::seen::Seen;
use crate::tally::{self, Tally};
use crate::workspace::Workspace;

/// Plain `cargo test`, which every machine with cargo has and which runs the
/// doc tests too. A failing test does not keep the others from running.
pub(crate) fn run(workspace: &Workspace, seen: &mut Seen) -> Result<Outcome, Failure> {
    let mut cargo = workspace.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    // A property that shrinks its failure panics thousands of times.
    cargo.env("RUST_BACKTRACE", "0");
    // Cargo says which program runs on the one output, the program which tests
    // on the other.
    let said = command::overhear_all(cargo.env("CARGO_TERM_COLOR", "never"))?;
    seen.suites_of(&said.out);
    let tally = Tally::of_libtest(&said.out);
    if tally.failed == 0 && !said.status.success() {
        let end = tail(&said.out);
        return Err(Failure(format!("cargo test: {}{end}", said.status)));
    }
    if tally.passed == 0 {
        return Err(Failure("cargo test ran no test".into()));
    }
    Ok(Outcome::Tested(tally, tally::failures(&said.out)))
}
