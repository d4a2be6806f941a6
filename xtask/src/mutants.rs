//! `cargo xtask mutants [PACKAGE]`: cargo-mutants changes one operator, value or
//! function at a time in a copy, and a test must fail.
//!
//! xtask/mutants.txt collects the results: the parts that have been run, and each
//! surviving mutant with the reason why it changes no answer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Args;

use crate::breakages::DETERMINISTIC_ENVIRONMENT;
use crate::command::{self, Failure};
use crate::setup;
use crate::summary::Outcome;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// The runs and the surviving mutants.
const FILE: &str = "xtask/mutants.txt";
/// Stands in place of a missing reason.
const NO_REASON: &str = "no reason yet";
/// Seconds after which a mutant with an endless loop counts as caught.
const TIMEOUT: &str = "20";

/// A package to mutate, and the tests that must notice.
#[derive(Debug)]
struct Subject {
    /// The package and the folder of its sources.
    package: &'static str,
    folder: &'static str,
    /// Files that no test here compiles: the emulator and Wine run them.
    excluded_files: &'static [&'static str],
    /// Test passes, the quick ones first: a pass gets the mutants that survived the one
    /// before.
    passes: &'static [Pass],
}

/// A selection of tests: packages besides the mutated one, and arguments that select
/// tests by name; no arguments for all.
#[derive(Debug)]
struct Pass {
    packages: &'static [&'static str],
    tests: &'static [&'static str],
    /// Number of cases per property.
    cases: &'static str,
}

const FEW: &str = "8";
const MORE: &str = "128";

const SUBJECTS: [Subject; 4] = [
    Subject {
        package: "scanner-core",
        folder: "scanner-core/src",
        excluded_files: &[],
        passes: &[
            Pass {
                packages: &[],
                tests: &[],
                cases: FEW,
            },
            Pass {
                packages: &["verify"],
                tests: &["locator::", "naive::", "reading::"],
                cases: MORE,
            },
        ],
    },
    Subject {
        package: "tcplimit-protocol",
        folder: "driver/protocol/src",
        excluded_files: &[],
        passes: &[Pass {
            packages: &[],
            tests: &[],
            cases: FEW,
        }],
    },
    Subject {
        package: "tcplimit-driver",
        folder: "driver/src",
        excluded_files: &["main.rs", "nt.rs", "nt/**"],
        passes: &[
            Pass {
                packages: &[],
                tests: &[
                    "--skip=resources::",
                    "--skip=random_sessions_reach_every_case",
                ],
                cases: FEW,
            },
            Pass {
                packages: &[],
                tests: &["session::"],
                cases: MORE,
            },
        ],
    },
    Subject {
        package: "tcplimit",
        folder: "cli/src/patch",
        excluded_files: &["filesystem/windows.rs"],
        passes: &[
            Pass {
                packages: &[],
                tests: &["patch"],
                cases: FEW,
            },
            Pass {
                packages: &["verify"],
                tests: &[
                    "cabinet::",
                    "clean::",
                    "concurrent_runs::",
                    "disc::",
                    "faulty_disk::",
                    "patch::",
                ],
                cases: FEW,
            },
        ],
    },
];

/// Options of `cargo xtask mutants`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The package to mutate.
    #[arg(default_value = "scanner-core", value_parser = SUBJECTS.map(|it| it.package))]
    package: String,
    /// Try part K (from 0) of N equal parts of all mutants.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Try only mutants of this file of the package.
    #[arg(long, value_name = "NAME", conflicts_with = "shard")]
    file: Option<String>,
    /// Try only mutants with matching names; does not record a run.
    #[arg(long, value_name = "REGEX", conflicts_with = "shard")]
    only: Option<String>,
    /// Try only the listed survivors again; does not record a run.
    #[arg(long, conflicts_with_all = ["shard", "only"])]
    again: bool,
    /// Install cargo-mutants without asking (CI=true does the same).
    #[arg(long, short)]
    yes: bool,
}

/// Tries the mutants, and records the part and the survivors.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Outcome, Failure> {
    if !setup::mutants(workspace, options.yes)? {
        return Ok(Outcome::Skipped(
            "no cargo-mutants; run again and agree to install it".into(),
        ));
    }
    let subject = SUBJECTS.iter().find(|it| it.package == options.package);
    let subject = subject.ok_or_else(|| Failure("no such package".into()))?;
    let tree = workspace.copy(workspace.target("mutants/tree"))?;
    let file = workspace.path(FILE);
    let relisted = match options.again {
        true => listed_survivors(&fs::read_to_string(&file)?),
        false => BTreeSet::new(),
    };
    let (mut caught, mut unviable) = (Vec::new(), 0);
    let mut missed: Option<Vec<String>> = None;
    for pass in subject.passes {
        let chosen: Vec<String> = match &missed {
            None => selection(options, &relisted),
            Some(missed) if missed.is_empty() => break,
            Some(missed) => missed
                .iter()
                .flat_map(|it| regex_arguments(&exact_regex(it)))
                .collect(),
        };
        let mut results = run_pass(workspace, &tree, (subject, pass), options, &chosen)?;
        if let Some(earlier) = &missed {
            // cargo-mutants 27.1 ignores --re for deleted fields.
            results.caught.retain(|it| earlier.contains(it));
            results.missed.retain(|it| earlier.contains(it));
            results.unviable = 0;
        }
        caught.extend(results.caught);
        unviable += results.unviable;
        missed = Some(results.missed);
    }
    let stable_name = |mutant: &String| stable_name(&tree.path(""), mutant);
    let caught: Vec<String> = caught.iter().map(stable_name).collect();
    let missed: Vec<String> = missed.iter().flatten().map(stable_name).collect();
    let tried = caught.len() + missed.len() + unviable;
    if tried == 0 {
        return Err(Failure("no mutant was tried".into()));
    }
    // Read again: a person may have written a reason meanwhile.
    // Two mutants may change the same text: it stays listed while one survives.
    let gone = caught.iter().filter(|it| !missed.contains(it)).cloned();
    let mut text = without_caught(&fs::read_to_string(&file)?, &gone.collect::<Vec<_>>());
    let known = explained_survivors(&text);
    let new: BTreeSet<&String> = missed.iter().filter(|it| !known.contains(*it)).collect();
    if options.only.is_none() && !options.again {
        let part = options.file.as_ref().or(options.shard.as_ref());
        let part = part.map_or("all", String::as_str);
        let run = format!("run {} {part}:", subject.package);
        let counts = format!("{tried} tried, {unviable} of them do not build");
        text = with_run(&text, &run, &counts);
    }
    for mutant in &new {
        println!("SURVIVED  {mutant}");
        if !listed_survivors(&text).contains(*mutant) {
            text += &format!("survivor {mutant}\n    {NO_REASON}\n");
        }
    }
    fs::write(file, text)?;
    let counts = TestCounts {
        passed: caught.len() + missed.iter().filter(|it| known.contains(*it)).count(),
        failed: new.len(),
        ..TestCounts::default()
    };
    Ok(Outcome::Tested(counts, format!("{} known", known.len())))
}

/// The results of a pass.
struct Results {
    caught: Vec<String>,
    unviable: usize,
    missed: Vec<String>,
}

/// The arguments that select mutants.
fn selection(options: &Options, relisted: &BTreeSet<String>) -> Vec<String> {
    let shard = options.shard.iter();
    let shard = shard.flat_map(|it| ["--sharding=round-robin".into(), format!("--shard={it}")]);
    let names = relisted.iter().map(|it| regex_at_any_line(it));
    let names = options.only.iter().cloned().chain(names);
    shard
        .chain(names.flat_map(|it| regex_arguments(&it)))
        .collect()
}

fn regex_arguments(expression: &str) -> [String; 2] {
    ["--re".into(), expression.into()]
}

/// Runs cargo-mutants once, with the tests of one pass.
fn run_pass(
    workspace: &Workspace,
    tree: &Workspace,
    (subject, pass): (&Subject, &Pass),
    options: &Options,
    chosen: &[String],
) -> Result<Results, Failure> {
    let output = workspace.target("mutants");
    let file = options.file.as_deref().unwrap_or("**");
    let mut mutants = workspace.cargo(&["mutants", "--in-place", "--no-shuffle"]);
    mutants
        .args(["--package", subject.package, "--profile", "mutants"])
        .args(["--minimum-test-timeout", TIMEOUT, "--timeout-multiplier=3"])
        .arg("--output")
        .arg(&output)
        .arg(format!("--file={}/{file}", subject.folder))
        .args(
            subject
                .excluded_files
                .iter()
                .map(|it| format!("--exclude={}/{it}", subject.folder)),
        )
        .args(pass.packages.iter().map(|it| format!("-C=--package={it}")))
        .args(chosen)
        .args(["--", "--lib", "--tests", "--"])
        .args(pass.tests)
        .current_dir(tree.path(""))
        .env("CARGO_TARGET_DIR", workspace.target("mutants/build"))
        .envs(DETERMINISTIC_ENVIRONMENT)
        .env("PROPTEST_CASES", pass.cases);
    // It fails if a mutant survives, which is evaluated here.
    let _ = command::run(&mut mutants);
    let lines = |name: &str| -> Result<Vec<String>, Failure> {
        let text = fs::read_to_string(output.join("mutants.out").join(name))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    Ok(Results {
        caught: [lines("caught.txt")?, lines("timeout.txt")?].concat(),
        unviable: lines("unviable.txt")?.len(),
        missed: lines("missed.txt")?,
    })
}

/// A regular expression that matches only this mutant.
fn exact_regex(mutant: &str) -> String {
    format!("^{}$", escaped(mutant))
}

/// A regular expression that matches a listed mutant and others with the same change to
/// the same function.
fn regex_at_any_line(survivor: &str) -> String {
    let (file, rest) = survivor.split_once(": ").unwrap_or((survivor, ""));
    let change = rest.split_once(" at `").map_or(rest, |(change, _)| change);
    format!(r"^{}:\d+:\d+: {}$", escaped(file), escaped(change))
}

fn escaped(text: &str) -> String {
    let mut expression = String::new();
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            expression.push('\\');
        }
        expression.push(letter);
    }
    expression
}

/// The name of a mutant by its changed text instead of its line, which moves.
fn stable_name(tree: &Path, mutant: &str) -> String {
    let parts: Vec<&str> = mutant.splitn(4, ':').collect();
    let &[file, line, column, change] = parts.as_slice() else {
        return mutant.into();
    };
    let place = |number: &str| Some(number.parse::<usize>().ok()?.saturating_sub(1));
    let text = || {
        let source = fs::read_to_string(tree.join(file)).ok()?;
        let line = source.lines().nth(place(line)?)?;
        Some(line.chars().skip(place(column)?).collect::<String>())
    };
    match text() {
        Some(text) => format!("{file}:{change} at `{}`", text.trim()),
        None => format!("{file}:{change}"),
    }
}

/// The text with this run instead of an earlier one of the same part.
fn with_run(text: &str, run: &str, counts: &str) -> String {
    let is_run = |line: &&str| line.starts_with("run ");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let earlier = lines.iter().position(|line| line.starts_with(run));
    let last = text.lines().enumerate().filter(|(_, line)| is_run(line));
    let line = format!("{run} {counts}");
    match (earlier, last.last()) {
        (Some(place), _) => lines[place] = line,
        (None, Some((place, _))) => lines.insert(place + 1, line),
        (None, None) => lines.push(line),
    }
    lines.join("\n") + "\n"
}

/// The listed survivors.
fn listed_survivors(text: &str) -> BTreeSet<String> {
    let lines = text.lines();
    let listed = lines.filter_map(|line| line.strip_prefix("survivor "));
    listed.map(str::to_owned).collect()
}

/// The survivors with a reason: indented lines after one or several survivors.
fn explained_survivors(text: &str) -> BTreeSet<String> {
    let (mut known, mut waiting) = (BTreeSet::new(), Vec::new());
    for line in text.lines() {
        if let Some(mutant) = line.strip_prefix("survivor ") {
            waiting.push(mutant.to_owned());
            continue;
        }
        let reason = line.strip_prefix("    ").unwrap_or(NO_REASON);
        let given = waiting.drain(..).filter(|_| reason != NO_REASON);
        known.extend(given);
    }
    known
}

/// The text without survivors that are caught now, and without their reasons.
fn without_caught(text: &str, caught: &[String]) -> String {
    let (mut left, mut has_survivor, mut was_survivor) = (String::new(), true, false);
    for line in text.lines() {
        let mutant = line.strip_prefix("survivor ");
        let is_caught = mutant.is_some_and(|it| caught.iter().any(|caught| caught == it));
        if mutant.is_some() {
            has_survivor = was_survivor && has_survivor || !is_caught;
        } else if !line.starts_with("    ") {
            has_survivor = true;
        }
        was_survivor = mutant.is_some();
        if has_survivor && !is_caught {
            left = left + line + "\n";
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_with_a_reason_is_identified_by_its_changed_text() {
        let workspace = Workspace::current();
        let source = fs::read_to_string(workspace.path("xtask/src/mutants.rs")).unwrap();
        let text = "clap::Args;";
        let lines = source.lines().enumerate();
        let (line, column) = lines
            .filter_map(|(line, it)| Some((line + 1, it.find(text)? + 1)))
            .next()
            .unwrap();
        let mutant = format!("xtask/src/mutants.rs:{line}:{column}: replace ^ with | in byte::has");
        let mutant = stable_name(&workspace.path(""), &mutant);
        let expected = "xtask/src/mutants.rs: replace ^ with | in byte::has at";
        assert_eq!(mutant, format!("{expected} `{text}`"));
        let known = |reason: &str| {
            explained_survivors(&format!(
                "run a 0/9: 1\nsurvivor {mutant}\nsurvivor b\n    {reason}\n"
            ))
        };
        assert!(known("a zero byte is one either way").contains(&mutant));
        assert_eq!(known("a zero byte is one either way").len(), 2);
        assert!(known(NO_REASON).is_empty());
        assert!(explained_survivors(&format!("survivor {mutant}\n")).is_empty());
    }

    #[test]
    fn a_mutant_is_matched_exactly() {
        let expression = exact_regex("a/b.rs:1:2: replace f -> Option<u8> with Some(0)");
        let expected = r"^a/b\.rs:1:2: replace f -> Option<u8> with Some\(0\)$";
        assert_eq!(expression, expected);
    }

    #[test]
    fn a_listed_mutant_is_found_at_any_line() {
        let expression = regex_at_any_line("a/b.rs: replace | with & in f::g at `| 3) {`");
        assert_eq!(expression, r"^a/b\.rs:\d+:\d+: replace \| with & in f::g$");
    }

    #[test]
    fn a_mutant_that_is_caught_is_removed_from_the_list() {
        let text = "run a all: 3\n\nsurvivor a\nsurvivor b\n    why\nsurvivor c\n    no\n    more\n# end\n";
        let caught = |names: &[&str]| names.iter().map(|&it| it.into()).collect::<Vec<String>>();
        assert_eq!(without_caught(text, &[]), text);
        assert_eq!(
            without_caught(text, &caught(&["a"])),
            text.replace("survivor a\n", "")
        );
        assert_eq!(
            without_caught(text, &caught(&["b"])),
            text.replace("survivor b\n", "")
        );
        let both = text.replace("survivor a\nsurvivor b\n    why\n", "");
        assert_eq!(without_caught(text, &caught(&["b", "a"])), both);
        let last = text.replace("survivor c\n    no\n    more\n", "");
        assert_eq!(without_caught(text, &caught(&["c", "d"])), last);
        assert_eq!(listed_survivors(text).len(), 3);
    }

    #[test]
    fn a_subject_names_files_that_exist() {
        let workspace = Workspace::current();
        for subject in SUBJECTS {
            for name in subject.excluded_files {
                let path = format!("{}/{}", subject.folder, name.trim_end_matches("/**"));
                assert!(workspace.path(&path).exists(), "{path}");
            }
        }
    }

    #[test]
    fn a_run_is_recorded_in_place_of_an_earlier_one() {
        let text = "# a\nrun a x.rs: 1\nrun b all: 2\n\nsurvivor c\n    why\n";
        let rerun = with_run(text, "run a x.rs:", "3");
        assert_eq!(rerun, text.replace("x.rs: 1", "x.rs: 3"));
        let another = with_run(text, "run c all:", "4");
        assert_eq!(another, text.replace("all: 2\n", "all: 2\nrun c all: 4\n"));
        assert_eq!(with_run("# a\n", "run a all:", "1"), "# a\nrun a all: 1\n");
    }

    #[test]
    fn every_listed_survivor_has_a_reason_and_occurs_in_its_source() {
        let workspace = Workspace::current();
        let text = fs::read_to_string(workspace.path(FILE)).unwrap();
        let known = explained_survivors(&text);
        let all = text.lines().filter(|line| line.starts_with("survivor "));
        assert_eq!(known.len(), all.count());
        for mutant in known {
            let (file, rest) = mutant.split_once(": ").unwrap();
            let (_, changed) = rest.split_once(" at `").unwrap();
            let changed = changed.strip_suffix('`').unwrap();
            let source = fs::read_to_string(workspace.path(file)).unwrap();
            assert!(source.contains(changed), "{mutant}");
        }
    }
}
