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

use crate::built;
use crate::changes;
use crate::command::{self, Failure, tail};
use crate::report::Outcome;
use crate::rustc;
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
    /// A fixed one for each kind of test, and a few of the files that changed.
    Sample,
}

/// How many breakages of changed files are in a sample, at most.
const OF_CHANGES: usize = 3;

impl Extent<'_> {
    /// Those of the tables that it has.
    fn of(self, workspace: &Workspace) -> Result<Vec<&'static Breakage>, Failure> {
        let mut all: Vec<&Breakage> = all().collect();
        match self {
            Self::Full => {}
            Self::Only(words) => all.retain(|it| {
                it.what.contains(words) || it.path().to_string_lossy().contains(words)
            }),
            Self::Sample => all = sample(&all, &changes::files(workspace)?),
        }
        Ok(all)
    }
}

/// The fixed ones, and others of the files, evenly from all that there are: the
/// same each time for the same files.
fn sample<'a>(all: &[&'a Breakage], files: &[String]) -> Vec<&'a Breakage> {
    let changed = |it: &&&Breakage| !it.sample && files.iter().any(|file| it.path() == *file);
    let changed: Vec<&Breakage> = all.iter().filter(changed).copied().collect();
    let step = changed.len().div_ceil(OF_CHANGES).max(1);
    let fixed = all.iter().filter(|it| it.sample);
    fixed
        .copied()
        .chain(changed.into_iter().step_by(step))
        .collect()
}

/// Tries the breakages, once the unbroken copy has passed the same tests.
pub(crate) fn run(
    workspace: &Workspace,
    extent: Extent<'_>,
    seen: &mut Seen,
) -> Result<Outcome, Failure> {
    let tried = extent.of(workspace)?;
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
    let said = command::listen(&mut cargo_test(workspace, tree, witnesses)?)?;
    for witness in witnesses {
        let is_of_it = |line: &str| {
            let test = line.strip_prefix("test ");
            test.is_some_and(|test| test.starts_with(&witness.filter()) && test.contains(" ... "))
        };
        if !said.out.lines().any(is_of_it) {
            let end = tail(&said.err);
            return Err(Failure(format!("{witness}: no test ran{end}")));
        }
    }
    let failed = |line: &str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_string())
    };
    Ok(Found {
        tally: Tally::of_libtest(&said.out),
        failed: said.out.lines().filter_map(failed).collect(),
    })
}

/// Dependencies are those of the sound workspace.
fn cargo_test(
    workspace: &Workspace,
    tree: &Tree,
    witnesses: &[Witness],
) -> Result<Command, Failure> {
    let mut cargo = workspace.cargo(&["test", "--locked", "--test", "proof"]);
    cargo.args(built::whole(workspace)).arg("--");
    cargo.args(witnesses.iter().map(|witness| witness.filter()));
    rustc::keep_apart(workspace, &mut cargo)?;
    cargo
        .current_dir(tree.root())
        .env("CARGO_TARGET_DIR", workspace.made(""))
        .env("CARGO_INCREMENTAL", "1")
        .env("RUST_BACKTRACE", "0")
        // The same cases each time, and the first that fails is enough.
        .env("PROPTEST_RNG_SEED", "4226")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    Ok(cargo)
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
    fn something_of_each_table_is_tried_each_time() {
        for table in [table::TABLE, driver::TABLE, patching::TABLE] {
            assert!(table.iter().any(|it| it.sample));
        }
    }

    #[test]
    fn a_sample_has_the_fixed_ones_and_a_few_of_what_changed() {
        let all: Vec<&Breakage> = all().collect();
        let fixed = sample(&all, &[]);
        assert!(fixed.iter().all(|it| it.sample) && fixed.len() < 8);
        let files = ["scanner-core/src/locate.rs".into(), "README.md".into()];
        let chosen = sample(&all, &files);
        let more: Vec<_> = chosen.iter().filter(|it| !it.sample).collect();
        assert_eq!(
            (more.len(), chosen.len()),
            (OF_CHANGES, fixed.len() + OF_CHANGES)
        );
        assert!(more.iter().all(|it| it.path().ends_with("locate.rs")));
    }
}
