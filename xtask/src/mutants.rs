//! `cargo xtask mutants [PACKAGE]`: cargo-mutants changes one operator, value or
//! function at a time, in a copy, and a test must notice.
//!
//! What became of it accumulates in xtask/mutants.txt: which shards have been
//! run, and each mutant that survives with the reason why it changes nothing.

use std::collections::BTreeSet;
use std::fs;

use clap::Args;

use crate::broken::SAME_CASES;
use crate::command::{self, Failure};
use crate::report::Outcome;
use crate::setup;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The runs, and the mutants that survived.
const FILE: &str = "xtask/mutants.txt";

/// What to change, and who must notice.
#[derive(Debug)]
struct Subject {
    /// The package, and the folder of its sources.
    package: &'static str,
    folder: &'static str,
    /// Packages with tests, in the order in which they run, and what chooses among
    /// these: words of their names, or what is left out. None for all.
    packages: &'static [&'static str],
    tests: &'static [&'static str],
}

const SUBJECTS: [Subject; 4] = [
    Subject {
        package: "scanner-core",
        folder: "scanner-core/src",
        packages: &["scanner-core", "verify"],
        tests: &[
            "--skip=brittle::",
            "--skip=cabinet::",
            "--skip=clean::",
            "--skip=damage::",
            "--skip=disc::",
            "--skip=document::",
            "--skip=moved::",
            "--skip=patch::",
            "--skip=regressions::",
            "--skip=runs::",
        ],
    },
    Subject {
        package: "tcplimit-protocol",
        folder: "driver/protocol/src",
        packages: &["tcplimit-protocol"],
        tests: &[],
    },
    Subject {
        package: "tcplimit-driver",
        folder: "driver/src",
        packages: &["tcplimit-driver"],
        tests: &["--skip=resources::"],
    },
    Subject {
        package: "tcplimit",
        folder: "cli/src/patch",
        packages: &["tcplimit", "verify"],
        tests: &[
            "patch",
            "brittle::",
            "cabinet::",
            "clean::",
            "disc::",
            "runs::",
        ],
    },
];

/// What `cargo xtask mutants` is asked for.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The package to change.
    #[arg(default_value = "scanner-core", value_parser = SUBJECTS.map(|it| it.package))]
    package: String,
    /// One of equal parts, as K/N with K from 0; else all mutants.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only mutants of which the name matches.
    #[arg(long, value_name = "REGEX", conflicts_with = "shard")]
    only: Option<String>,
    /// Install cargo-mutants without asking (CI=true does the same).
    #[arg(long, short)]
    yes: bool,
}

/// Tries the mutants, and notes the shard and those that survived.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Outcome, Failure> {
    if !setup::mutants(workspace, options.yes)? {
        return Ok(Outcome::Skipped("no cargo-mutants".into()));
    }
    let subject = SUBJECTS.iter().find(|it| it.package == options.package);
    let subject = subject.ok_or_else(|| Failure("no such package".into()))?;
    let tree = workspace.copy(workspace.made("mutants/tree"))?;
    let output = workspace.made("mutants");
    let mut mutants = workspace.cargo(&["mutants", "--in-place", "--no-shuffle"]);
    mutants
        .args(["--package", subject.package, "--profile", "mutants"])
        .args(["--sharding", "round-robin", "--timeout", "120", "--output"])
        .arg(&output)
        .args(["--file", &format!("{}/**", subject.folder)])
        .args(
            subject
                .packages
                .iter()
                .map(|it| format!("-C=--package={it}")),
        )
        .args(options.shard.iter().flat_map(|it| ["--shard", it]))
        .args(options.only.iter().flat_map(|it| ["--re", it]))
        .args(["--", "--lib", "--tests", "--"])
        .args(subject.tests)
        .current_dir(tree.path(""))
        .env("CARGO_TARGET_DIR", workspace.made("mutants/build"))
        .envs(SAME_CASES)
        .env("PROPTEST_CASES", "8");
    // It fails where any survives, which is judged here.
    let _ = command::run(&mut mutants);
    let lines = |name: &str| -> Result<Vec<String>, Failure> {
        let text = fs::read_to_string(output.join("mutants.out").join(name))?;
        Ok(text.lines().map(anywhere).collect())
    };
    let caught = lines("caught.txt")?.len() + lines("timeout.txt")?.len();
    let (missed, unviable) = (lines("missed.txt")?, lines("unviable.txt")?.len());
    if caught + missed.len() + unviable == 0 {
        return Err(Failure("no mutant was tried".into()));
    }
    let file = workspace.path(FILE);
    let mut text = fs::read_to_string(&file)?;
    let known = survivors(&text);
    let new: BTreeSet<&String> = missed.iter().filter(|it| !known.contains(*it)).collect();
    if let Some(shard) = &options.shard {
        let (name, survived) = (subject.package, missed.len());
        text += &format!(
            "run {name} {shard}: {caught} caught, {survived} survived, {unviable} do not build\n"
        );
    }
    for mutant in &new {
        println!("IT SURVIVED  {mutant}");
        text += &format!("survivor {mutant}: no reason yet\n");
    }
    fs::write(file, text)?;
    let tally = Tally {
        passed: caught + missed.iter().filter(|it| known.contains(*it)).count(),
        failed: new.len(),
        ..Tally::default()
    };
    Ok(Outcome::Tested(tally, format!("{} known", known.len())))
}

/// A mutant without its line, which moves.
fn anywhere(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.nth(2)) {
        (Some(file), Some(what)) => format!("{file}:{what}"),
        _ => mutant.into(),
    }
}

/// Those that are listed with a reason.
fn survivors(text: &str) -> BTreeSet<String> {
    let listed = text
        .lines()
        .filter_map(|line| line.strip_prefix("survivor "));
    let listed = listed.filter(|line| !line.ends_with(": no reason yet"));
    listed
        .filter_map(|line| Some(line.rsplit_once(": ")?.0.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_is_known_by_what_it_changes_once_it_has_a_reason() {
        let mutant = anywhere("a/src/b.rs:43:24: replace ^ with | in byte::has");
        assert_eq!(mutant, "a/src/b.rs: replace ^ with | in byte::has");
        let known =
            |reason: &str| survivors(&format!("run a 0/9: 1\nsurvivor {mutant}: {reason}\n"));
        assert!(known("a zero byte is one either way").contains(&mutant));
        assert!(known("no reason yet").is_empty());
    }

    #[test]
    fn every_survivor_of_the_file_has_a_reason_and_a_source() {
        let workspace = Workspace::of_this_crate();
        let text = fs::read_to_string(workspace.path(FILE)).unwrap();
        let known = survivors(&text);
        let all = text.lines().filter(|line| line.starts_with("survivor "));
        assert_eq!(known.len(), all.count());
        for mutant in known {
            let (file, _) = mutant.split_once(": ").unwrap();
            assert!(workspace.path(file).is_file(), "{mutant}");
        }
    }
}
