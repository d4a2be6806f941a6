//! Unit, integration and doc tests of the whole workspace.

use std::env;
use std::time::SystemTime;

use crate::command::{self, Failure, tail};
use crate::report::Outcome;
use crate::seen::Seen;
use crate::tally::{self, Tally};
use crate::workspace::{Workspace, unattended};

/// Where the properties' randomness begins, for proptest.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Plain `cargo test`, which every machine with cargo has and which runs the
/// doc tests too. A failing test does not keep the others from running.
pub(crate) fn run(workspace: &Workspace, seen: &mut Seen) -> Result<Outcome, Failure> {
    let mut cargo = workspace.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    let seed = seed();
    println!("--- {SEED}={seed}");
    seen.figure("seed of the properties", &seed);
    // A property that shrinks its failure panics thousands of times.
    cargo.env(SEED, &seed).env("RUST_BACKTRACE", "0");
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

/// The one that was asked for; without a person the same each time, so that
/// nothing fails that the change is not to blame for; else another one each time.
fn seed() -> String {
    env::var(SEED).unwrap_or_else(|_| match unattended() {
        true => "1".into(),
        false => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap_or_default().as_secs().to_string()
        }
    })
}
