//! Proves that the tests can fail: makes deliberate mistakes in scanner-core, the
//! driver and the patcher, one at a time, in a copy of the workspace; a test must
//! fail for each.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::command::{self, Failure, tail};
use crate::executables;
use crate::figures::Observations;
use crate::rustc_wrapper;
use crate::summary::Outcome;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

const BREAKAGES: &str = include_str!("../breakages.txt");

/// First words of the `rules` test files about a piece of evidence.
const EVIDENCE: &str = "//! Evidence: ";

/// Makes property tests deterministic, without shrinking.
pub(crate) const DETERMINISTIC_ENVIRONMENT: [(&str, &str); 4] = [
    ("RUST_BACKTRACE", "0"),
    ("PROPTEST_RNG_SEED", "4226"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1"),
];

/// Which breakages to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent<'a> {
    /// All breakages.
    Full,
    /// Those whose file or description contains this text.
    Only(&'a str),
    /// The samples: one for each kind of test.
    Sample,
}

/// A deliberate mistake.
#[derive(Clone, Debug, Default)]
struct Breakage {
    /// Path from the repository's root.
    file: &'static str,
    /// The mistake in words.
    description: String,
    /// The tests that must notice it.
    test: Tests,
    /// Whether every run of `cargo xtask test` tries it.
    is_sample: bool,
    /// The replaced text, which occurs once in the file.
    find: String,
    replace: String,
}

/// Tests of one program, by a prefix of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tests {
    program: &'static str,
    names: String,
}

impl Breakage {
    /// All breakages of the table.
    ///
    /// # Errors
    /// An invalid line.
    fn all(workspace: &Workspace) -> Result<Vec<Self>, Failure> {
        let pieces = evidence_modules(workspace)?;
        let lines = BREAKAGES.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<&str> = lines.collect();
        let blocks = lines.split(|line| line.is_empty());
        let mut all = Vec::new();
        for block in blocks.filter(|block| !block.is_empty()) {
            let breakage = Self::parse(block)?;
            match breakage.description.contains("EVIDENCE") {
                true => all.extend(pieces.iter().map(|piece| breakage.for_evidence(piece))),
                false => all.push(breakage),
            }
        }
        Ok(all)
    }

    /// The breakage for one piece of evidence, by the module of its tests.
    fn for_evidence(&self, module: &str) -> Self {
        let words = module.split('_');
        let name: String = words.map(capitalized).collect();
        Self {
            description: self.description.replace("EVIDENCE", &name),
            test: Tests {
                names: self.test.names.replace("evidence", module),
                ..self.test
            },
            replace: self.replace.replace("EVIDENCE", &name),
            ..self.clone()
        }
    }

    fn parse(block: &[&'static str]) -> Result<Self, Failure> {
        let mut breakage = Self::default();
        let (mut find, mut replace) = (Vec::new(), Vec::new());
        for line in block {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "file" => breakage.file = value,
                "mistake" => breakage.description = value.into(),
                "test" | "sample" => {
                    let named = value.split_once('/');
                    let (program, names) = named.ok_or_else(|| Failure(value.into()))?;
                    breakage.test = Tests {
                        program,
                        names: names.into(),
                    };
                    breakage.is_sample = key == "sample";
                }
                "-" => find.push(value),
                "+" => replace.push(value),
                _ => return Err(Failure(format!("breakages.txt: invalid line: {line}"))),
            }
        }
        breakage.find = find.join("\n");
        breakage.replace = replace.join("\n");
        Ok(breakage)
    }

    /// The file's text with the mistake.
    fn apply(&self, text: &str) -> Result<String, Failure> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(Failure(format!(
                "{}: `{}` occurs {count} times, must occur once",
                self.file, self.find
            ))),
        }
    }
}

/// The test modules of the pieces of evidence. A test of scanner-core checks that each
/// piece has one.
fn evidence_modules(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut modules = Vec::new();
    for entry in fs::read_dir(workspace.path("scanner-core/tests/rules"))? {
        let path = entry?.path();
        if fs::read_to_string(&path)?.starts_with(EVIDENCE) {
            let module = path.file_stem().unwrap_or_default();
            modules.push(module.to_string_lossy().into_owned());
        }
    }
    modules.sort_unstable();
    Ok(modules)
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_uppercase() + rest
}

/// Tries the breakages after the unchanged copy has passed the same tests.
pub(crate) fn run(
    workspace: &Workspace,
    extent: Extent<'_>,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let all = Breakage::all(workspace)?;
    let is_tried = |it: &&Breakage| match extent {
        Extent::Full => true,
        Extent::Only(words) => it.description.contains(words) || it.file.contains(words),
        Extent::Sample => it.is_sample,
    };
    let tried: Vec<&Breakage> = all.iter().filter(is_tried).collect();
    if tried.is_empty() {
        return Err(Failure("no breakage matches".into()));
    }
    let tree = workspace.copy(workspace.target("broken/tree"))?;
    let mut tests: Vec<&Tests> = tried.iter().map(|it| &it.test).collect();
    tests.sort_unstable();
    tests.dedup();
    for tests in tests.chunk_by(|one, next| one.program == next.program) {
        let unbroken = failing_tests(workspace, &tree, tests)?;
        if !unbroken.is_empty() {
            let failed = unbroken.join(", ");
            return Err(Failure(format!("tests fail without a breakage: {failed}")));
        }
    }

    let mut counts = TestCounts::default();
    for breakage in &tried {
        let start = Instant::now();
        let path = tree.path(breakage.file);
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, breakage.apply(&whole)?)?;
        let result = failing_tests(workspace, &tree, &[&breakage.test]);
        fs::write(&path, whole)?;
        let (how, by) = match result {
            Ok(failed) if !failed.is_empty() => ("caught", failed.join("\n")),
            Ok(_) => ("SURVIVED", breakage.test.names.clone()),
            Err(failure) => ("NOT TRIED", failure.to_string()),
        };
        let is_caught = how == "caught";
        counts.passed += usize::from(is_caught);
        counts.failed += usize::from(!is_caught);
        println!(
            "{how:<10}{:>5.1} s  {}: {}{}",
            start.elapsed().as_secs_f64(),
            breakage.file,
            breakage.description,
            tail(&by),
        );
    }
    observations.figure("breakages tried", tried.len());
    observations.figure("breakages caught", counts.passed);
    observations.figure("breakages in the table", all.len());
    let note = match extent {
        Extent::Full => String::new(),
        Extent::Only(_) | Extent::Sample => {
            format!("of {}; cargo xtask broken tries all", all.len())
        }
    };
    Ok(Outcome::Tested(counts, note))
}

/// The names of the tests of one program that failed in the copy. A failed build, or a
/// missing test, is an error.
fn failing_tests(
    workspace: &Workspace,
    tree: &Workspace,
    tests: &[&Tests],
) -> Result<Vec<String>, Failure> {
    let output = command::capture(&mut cargo_test(workspace, tree, tests)?)?;
    let ran = |line: &'_ str| {
        Some(
            line.strip_prefix("test ")?
                .split_once(" ... ")?
                .0
                .to_owned(),
        )
    };
    let names: Vec<String> = output.out.lines().filter_map(ran).collect();
    if let Some(test) = tests
        .iter()
        .find(|it| !names.iter().any(|name| name.starts_with(&it.names)))
    {
        let (name, output) = (&test.names, tail(&output.err));
        return Err(Failure(format!(
            "no test with the prefix {name} ran{output}"
        )));
    }
    let failed = output
        .out
        .lines()
        .filter(|line| line.ends_with(" ... FAILED"));
    Ok(failed.filter_map(ran).collect())
}

/// Shares the compiled dependencies with the workspace.
fn cargo_test(
    workspace: &Workspace,
    tree: &Workspace,
    tests: &[&Tests],
) -> Result<Command, Failure> {
    let mut cargo = workspace.cargo(&["test", "--locked", "--test"]);
    cargo.args(tests.first().map(|it| it.program));
    cargo
        .args(executables::workspace_arguments(workspace))
        .arg("--");
    cargo.args(tests.iter().map(|it| &it.names));
    rustc_wrapper::build_separately(workspace, &mut cargo)?;
    cargo
        .current_dir(tree.path(""))
        .env("CARGO_TARGET_DIR", workspace.target(""))
        .env("CARGO_INCREMENTAL", "1")
        .envs(DETERMINISTIC_ENVIRONMENT);
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test programs and the folders of their modules.
    const PROGRAMS: [(&str, &str); 3] = [
        ("driver", "driver/tests/driver"),
        ("proof", "verify/tests/proof"),
        ("rules", "scanner-core/tests/rules"),
    ];

    #[test]
    fn every_search_text_stands_in_its_file_once() {
        let workspace = Workspace::current();
        let all = Breakage::all(&workspace).unwrap();
        assert!(all.len() > 50 && all.iter().any(|it| it.is_sample));
        for breakage in all {
            let text = fs::read_to_string(workspace.path(breakage.file)).unwrap();
            let broken = breakage.apply(&text).unwrap();
            assert_ne!(broken, text, "{}", breakage.description);
            let Tests { program, names } = &breakage.test;
            let (module, _) = names.split_once("::").unwrap();
            let program = PROGRAMS.iter().find(|it| it.0 == *program).unwrap();
            let tests = format!("{}/{module}.rs", program.1);
            assert!(workspace.path(&tests).is_file(), "{names}");
        }
    }

    #[test]
    fn each_piece_of_evidence_has_a_breakage_that_always_holds() {
        let all = Breakage::all(&Workspace::current()).unwrap();
        let always = all
            .iter()
            .filter(|it| it.description.ends_with(" always holds"));
        let always: Vec<_> = always.collect();
        assert!(always.len() >= 14, "{}", always.len());
        for breakage in always {
            assert!(
                breakage
                    .replace
                    .contains(breakage.description.split(' ').next().unwrap())
            );
            assert_eq!(breakage.test.program, "rules");
        }
    }
}
