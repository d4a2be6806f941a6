//! The proof that the tests can fail: scanner-core, the driver, and what of the
//! tool writes to files are broken on purpose, one breakage at a time, in a copy
//! of the workspace, and a test must notice.

mod breakage;
mod driver;
mod patching;
mod table;
mod tree;

use std::process::Command;
use std::time::Instant;

use crate::command::{self, Failure, tail};
use crate::report::Outcome;
use crate::seen::Seen;
use crate::tally::Tally;
use crate::workspace::Workspace;
use breakage::{Breakage, Witness};
use tree::Tree;

/// How many of the tables to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent<'a> {
    /// All.
    Full,
    /// Those whose file or mistake has this in it.
    Only(&'a str),
    /// One or two for each kind of test.
    Sample,
}

impl Extent<'_> {
    fn has(self, breakage: &Breakage) -> bool {
        match self {
            Self::Full => true,
            Self::Only(words) => {
                breakage.what.contains(words) || breakage.path().to_string_lossy().contains(words)
            }
            Self::Sample => breakage.sample,
        }
    }
}

/// Tries the breakages, once the unbroken copy has passed the same tests.
pub(crate) fn run(
    workspace: &Workspace,
    extent: Extent<'_>,
    seen: &mut Seen,
) -> Result<Outcome, Failure> {
    let tried: Vec<&Breakage> = all().filter(|breakage| extent.has(breakage)).collect();
    if tried.is_empty() {
        return Err(Failure("no breakage has that in it".into()));
    }
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
            breakage.path().display(),
            breakage.what,
            tail(&by),
        );
    }
    seen.figure("breakages tried", tally.passed + tally.failed);
    seen.figure("breakages caught", tally.passed);
    seen.figure("breakages in the table", all().count());
    let note = match extent {
        Extent::Full => String::new(),
        Extent::Only(_) | Extent::Sample => format!("of {}: cargo xtask broken", all().count()),
    };
    Ok(Outcome::Tested(tally, note))
}

/// The tables, one after the other.
fn all() -> impl Iterator<Item = &'static Breakage> {
    let tables = [table::TABLE, driver::TABLE, patching::TABLE];
    tables.into_iter().flatten()
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
        .args(["--test", "proof", &witness.filter()])
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_to_be_broken_is_there_just_once() {
        let workspace = Workspace::of_this_crate();
        for breakage in all() {
            let text = fs::read_to_string(workspace.path("").join(breakage.path())).unwrap();
            let broken = breakage.of(&text).unwrap();
            assert_ne!(broken, text, "{}", breakage.what);
        }
    }

    #[test]
    fn something_of_the_driver_is_tried_each_time() {
        assert!(driver::TABLE.iter().filter(|it| it.sample).count() >= 3);
    }
}
