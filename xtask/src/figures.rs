//! Figures and tests of a step, for `cargo xtask report`.

use serde::{Deserialize, Serialize};

use crate::test_counts::TestCounts;

/// The prefix of a line `figure: NAME = VALUE` in a program's output.
const FIGURE: &str = "figure: ";

/// The figures and tests of a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Observations {
    /// In the order of the output.
    pub(crate) figures: Vec<Figure>,
    /// In the order in which they ran.
    pub(crate) suites: Vec<Suite>,
}

/// A number or another short value, with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The tests of one program, or of one module of a program of integration
/// tests, and how each ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suite {
    /// The crate's name, or `PROGRAM::MODULE`.
    pub(crate) name: String,
    pub(crate) tests: Vec<Test>,
    /// Whether it completed; otherwise it crashed, and tests are missing.
    pub(crate) finished: bool,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Test {
    /// Name with its modules.
    pub(crate) name: String,
    pub(crate) end: End,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    Passed,
    Failed,
    Ignored,
}

impl Observations {
    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl ToString) {
        self.figures.push(Figure {
            name: name.into(),
            value: value.to_string(),
        });
    }

    /// Adds the other observations.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.figures.append(&mut other.figures);
        self.suites.append(&mut other.suites);
    }

    /// Adds the figures of a program's output.
    pub(crate) fn read_figures(&mut self, output: &str) {
        let lines = output.lines().filter_map(|line| line.strip_prefix(FIGURE));
        for (name, value) in lines.filter_map(|lines| lines.split_once(" = ")) {
            self.figure(name, value);
        }
    }

    /// Adds the tests of an output of `cargo test`: the line that announces each program,
    /// followed by the program's own lines.
    pub(crate) fn read_suites(&mut self, output: &str) {
        let mut program: Option<Program> = None;
        // Indexes of this program's suites.
        let mut running: Vec<usize> = Vec::new();
        for line in output.lines() {
            if let Some(next) = Program::parse(line) {
                program = Some(next);
                running.clear();
            } else if line.starts_with("test result: ") {
                for at in running.drain(..) {
                    self.suites[at].finished = true;
                }
            } else if let (Some(program), Some(test)) = (&program, Test::parse(line)) {
                let at = self.suite(program.suite(&test));
                if !running.contains(&at) {
                    running.push(at);
                    self.suites[at].finished = false;
                }
                self.suites[at].tests.push(test);
            }
        }
    }

    /// The index of the suite with this name, which may have run before.
    fn suite(&mut self, name: String) -> usize {
        let at = self.suites.iter().position(|suite| suite.name == name);
        at.unwrap_or_else(|| {
            self.suites.push(Suite {
                name,
                ..Suite::default()
            });
            self.suites.len() - 1
        })
    }
}

impl Suite {
    /// Counts by ending.
    pub(crate) fn counts(&self) -> TestCounts {
        let count = |end| self.tests.iter().filter(|test| test.end == end).count();
        TestCounts {
            passed: count(End::Passed),
            failed: count(End::Failed),
            ignored: count(End::Ignored),
        }
    }
}

impl Test {
    /// `test NAME ... ok`, and the like.
    fn parse(line: &str) -> Option<Self> {
        let (name, end) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let end = match end.split([',', ' ']).next()? {
            "ok" => End::Passed,
            "FAILED" => End::Failed,
            "ignored" => End::Ignored,
            _ => return None,
        };
        // "should panic" is not part of the name.
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        Some(Self {
            name: name.into(),
            end,
        })
    }
}

/// A test program that cargo runs.
#[derive(Debug)]
struct Program {
    name: String,
    /// Whether it has all integration tests of a crate: then its modules are the suites.
    is_integration: bool,
}

impl Program {
    /// As cargo announces it: `Running tests/proof/main.rs
    /// (target/debug/deps/proof-0123)`, `Doc-tests scanner_core`.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if let Some(documented) = line.strip_prefix("Doc-tests ") {
            return Some(Self {
                name: format!("{documented}, in its documentation"),
                is_integration: false,
            });
        }
        let (source, path) = line.strip_prefix("Running ")?.rsplit_once('(')?;
        let file = path.strip_suffix(')')?.rsplit(['/', '\\']).next()?;
        let (name, _hash) = file.rsplit_once('-')?;
        Some(Self {
            name: name.into(),
            is_integration: source.starts_with("tests"),
        })
    }

    /// The name of the suite of a test.
    fn suite(&self, test: &Test) -> String {
        match test.name.split_once("::") {
            Some((module, _)) if self.is_integration => format!("{}::{module}", self.name),
            _ => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, end: End) -> Test {
        Test {
            name: name.into(),
            end,
        }
    }

    #[test]
    fn figures_are_read_from_lines_with_the_prefix() {
        let mut observations = Observations::default();
        observations
            .read_figures("campaign: 7 runs\nfigure: runs = 7\nfigure: none\n figure: a = b\n");
        let expected = Figure {
            name: "runs".into(),
            value: "7".into(),
        };
        assert_eq!(observations.figures, [expected]);
    }

    #[test]
    fn each_test_belongs_to_the_program_that_cargo_named_last_and_to_its_module() {
        let mut observations = Observations::default();
        observations.read_suites(
            "test of_nobody ... ok\n\
             \x20    Running unittests src/lib.rs (target/debug/deps/scanner_core-0a1b)\n\
             test gate::tests::reads ... ok\n\
             test gate::tests::refuses - should panic ... ok\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n\
             \x20    Running tests/proof/main.rs (target/debug/deps/proof-2c3d)\n\
             test damage::moves ... FAILED\n\
             test locator::finds ... ok\n\
             test damage::waits ... ignored, takes an hour\n\
             \x20    Running tests/empty.rs (target/debug/deps/empty-0011)\n\
             test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n\
             \x20  Doc-tests scanner_core\n\
             test scanner-core/src/lib.rs - (line 9) ... ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        let suite = |name: &str, tests: &[Test], finished| Suite {
            name: name.into(),
            tests: tests.into(),
            finished,
        };
        let expected = [
            suite(
                "scanner_core",
                &[
                    test("gate::tests::reads", End::Passed),
                    test("gate::tests::refuses", End::Passed),
                ],
                true,
            ),
            suite(
                "proof::damage",
                &[
                    test("damage::moves", End::Failed),
                    test("damage::waits", End::Ignored),
                ],
                false,
            ),
            suite(
                "proof::locator",
                &[test("locator::finds", End::Passed)],
                false,
            ),
            suite(
                "scanner_core, in its documentation",
                &[test("scanner-core/src/lib.rs - (line 9)", End::Passed)],
                true,
            ),
        ];
        assert_eq!(observations.suites, expected);
        assert_eq!(observations.suites[1].counts().failed, 1);
    }
}
