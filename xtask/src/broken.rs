//! The proof that the tests can fail: scanner-core, and what writes to files in
//! the tool, are broken on purpose, one breakage at a time, in a copy of the
//! workspace, and a test must notice.

mod breakage;
mod patching;
mod table;
mod tree;

use std::process::Command;
use std::time::Instant;

use crate::command::{self, Failure, tail};
use crate::report::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;
use breakage::{Breakage, Witness};
use patching::PATCHING;
use table::TABLE;
use tree::Tree;

/// How many of the table to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Full,
    /// One or two for each kind of test.
    Sample,
}

/// Tries the breakages, once the unbroken copy has passed the same tests.
pub(crate) fn run(workspace: &Workspace, extent: Extent) -> Result<Outcome, Failure> {
    let all = || TABLE.iter().chain(PATCHING);
    let tried: Vec<&Breakage> = all()
        .filter(|breakage| extent == Extent::Full || breakage.sample)
        .collect();
    let tree = Tree::copy(workspace)?;
    let unbroken = test(workspace, &tree, &witnesses(&tried))?;
    if unbroken.tally.failed > 0 {
        let failed = unbroken.failed.join(", ");
        return Err(Failure(format!("unbroken, and fails: {failed}")));
    }

    let mut tally = Tally::default();
    for breakage in tried {
        let start = Instant::now();
        let result = tree.broken(breakage, || test(workspace, &tree, &[breakage.witness]));
        let (how, by) = match result {
            Ok(found) if found.tally.failed > 0 => {
                tally.passed += 1;
                (breakage.witness.noticed(), found.failed.join("\n"))
            }
            Ok(_) => {
                tally.failed += 1;
                ("IT SURVIVED", breakage.witness.to_string())
            }
            Err(failure) => {
                tally.failed += 1;
                ("IT WAS NOT TRIED", failure.to_string())
            }
        };
        println!(
            "{how:<22}{:>5.1} s  {}: {}{}",
            start.elapsed().as_secs_f64(),
            breakage.file,
            breakage.what,
            tail(&by),
        );
    }
    let note = match extent {
        Extent::Full => String::new(),
        Extent::Sample => format!("of {}: cargo xtask broken", all().count()),
    };
    Ok(Outcome::Tested(tally, note))
}

/// Who is asked about these, each once.
fn witnesses(breakages: &[&Breakage]) -> Vec<Witness> {
    let mut witnesses = Vec::new();
    for breakage in breakages {
        if !witnesses.contains(&breakage.witness) {
            witnesses.push(breakage.witness);
        }
    }
    witnesses
}

/// What the tests said.
#[derive(Debug)]
struct Found {
    tally: Tally,
    /// The names of those that failed.
    failed: Vec<String>,
}

/// Runs the witnesses in the copy. That they don't build, or that one of them
/// is not there, is no finding but a failure.
fn test(workspace: &Workspace, tree: &Tree, witnesses: &[Witness]) -> Result<Found, Failure> {
    let mut found = Found {
        tally: Tally::default(),
        failed: Vec::new(),
    };
    for witness in witnesses {
        let said = command::listen(&mut cargo_test(workspace, tree, witness))?;
        let tally = Tally::of_libtest(&said.out);
        if tally.passed + tally.failed == 0 {
            let end = tail(&said.err);
            return Err(Failure(format!("{witness}: no test ran{end}")));
        }
        found.tally += tally;
        let failed = |line: &str| {
            let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
            Some(name.to_string())
        };
        found.failed.extend(said.out.lines().filter_map(failed));
    }
    Ok(found)
}

/// A target directory of the copy's own: in the workspace's, cargo would take
/// the broken crates for the sound ones.
fn cargo_test(workspace: &Workspace, tree: &Tree, witness: &Witness) -> Command {
    let mut cargo = workspace.cargo(&["test", "--package", "verify", "--locked"]);
    cargo
        .args(["--test", witness.file])
        .args(witness.test)
        .current_dir(tree.root())
        .env("CARGO_TARGET_DIR", tree.target())
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("RUST_BACKTRACE", "0")
        // The same cases each time, and the first that fails is enough.
        .env("PROPTEST_RNG_SEED", "4226")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    cargo
}
