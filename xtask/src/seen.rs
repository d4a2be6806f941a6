//! What a step saw, besides that it passed: numbers with a name, and which tests
//! ran. `cargo xtask report` shows them.

use serde::{Deserialize, Serialize};

use crate::tally::Tally;

/// A line of a program that says a number, as `figure: NAME = VALUE`.
const FIGURE: &str = "figure: ";

/// All that a step saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// In the order in which they were said.
    pub(crate) figures: Vec<Figure>,
    /// In the order in which they ran.
    pub(crate) suites: Vec<Suite>,
}

/// A number, or another short fact, with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The tests of one program, and how each ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suite {
    /// The program's name: that of the file of tests, or of the crate.
    pub(crate) name: String,
    pub(crate) tests: Vec<Test>,
    /// It came to its end; else it crashed, and not all of its tests are here.
    pub(crate) finished: bool,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Test {
    /// With the modules that it is in.
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

impl Seen {
    /// Notes a number.
    pub(crate) fn figure(&mut self, name: &str, value: impl ToString) {
        self.figures.push(Figure {
            name: name.into(),
            value: value.to_string(),
        });
    }

    /// Notes the numbers that a program has said.
    pub(crate) fn figures_of(&mut self, output: &str) {
        let said = output.lines().filter_map(|line| line.strip_prefix(FIGURE));
        for (name, value) in said.filter_map(|said| said.split_once(" = ")) {
            self.figure(name, value);
        }
    }

    /// Notes the tests that ran, from what `cargo test` prints: which program
    /// it runs, and then the program's own lines.
    pub(crate) fn suites_of(&mut self, output: &str) {
        let mut now = None;
        for line in output.lines() {
            if let Some(name) = program(line) {
                now = Some(self.suite(name));
            } else if let Some(at) = now {
                let suite = &mut self.suites[at];
                suite.finished |= line.starts_with("test result: ");
                suite.tests.extend(Test::of_line(line));
            }
        }
        // Crates without tests have programs too.
        self.suites
            .retain(|suite| !suite.finished || !suite.tests.is_empty());
    }

    /// Where the suite of that name is, which begins now, perhaps for another time.
    fn suite(&mut self, name: String) -> usize {
        let at = self.suites.iter().position(|suite| suite.name == name);
        let at = at.unwrap_or_else(|| {
            self.suites.push(Suite {
                name,
                ..Suite::default()
            });
            self.suites.len() - 1
        });
        self.suites[at].finished = false;
        at
    }
}

impl Suite {
    /// How many ended how.
    pub(crate) fn tally(&self) -> Tally {
        let count = |end| self.tests.iter().filter(|test| test.end == end).count();
        Tally {
            passed: count(End::Passed),
            failed: count(End::Failed),
            ignored: count(End::Ignored),
        }
    }
}

impl Test {
    /// `test NAME ... ok`, and the like.
    fn of_line(line: &str) -> Option<Self> {
        let (name, end) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let end = match end.split([',', ' ']).next()? {
            "ok" => End::Passed,
            "FAILED" => End::Failed,
            "ignored" => End::Ignored,
            _ => return None,
        };
        // That it should panic is how the test works, not what it says.
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        Some(Self {
            name: name.into(),
            end,
        })
    }
}

/// The program that cargo says it runs now: `Running tests/gate.rs
/// (target/debug/deps/gate-0123)`, `Doc-tests scanner_core`.
fn program(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(documented) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{documented}, in its documentation"));
    }
    let (_, path) = line.strip_prefix("Running ")?.rsplit_once('(')?;
    let file = path.strip_suffix(')')?.rsplit(['/', '\\']).next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    Some(name.into())
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
    fn figures_are_the_lines_that_say_so() {
        let mut seen = Seen::default();
        seen.figures_of("campaign: 7 runs\nfigure: runs = 7\nfigure: none\n figure: a = b\n");
        let expected = Figure {
            name: "runs".into(),
            value: "7".into(),
        };
        assert_eq!(seen.figures, [expected]);
    }

    #[test]
    fn each_test_belongs_to_the_program_that_cargo_named_last() {
        let mut seen = Seen::default();
        seen.suites_of(
            "test of_nobody ... ok\n\
             \x20    Running unittests src/lib.rs (target/debug/deps/scanner_core-0a1b)\n\
             test gate::tests::reads ... ok\n\
             test gate::tests::refuses - should panic ... ok\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n\
             \x20    Running tests/damage.rs (target/debug/deps/damage-2c3d)\n\
             test moves ... FAILED\n\
             test waits ... ignored, takes an hour\n\
             \x20    Running tests/empty.rs (target/debug/deps/empty-0011)\n\
             test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n\
             \x20  Doc-tests scanner_core\n\
             test scanner-core/src/lib.rs - (line 9) ... ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        let expected = [
            Suite {
                name: "scanner_core".into(),
                tests: vec![
                    test("gate::tests::reads", End::Passed),
                    test("gate::tests::refuses", End::Passed),
                ],
                finished: true,
            },
            Suite {
                name: "damage".into(),
                tests: vec![test("moves", End::Failed), test("waits", End::Ignored)],
                finished: false,
            },
            Suite {
                name: "scanner_core, in its documentation".into(),
                tests: vec![test("scanner-core/src/lib.rs - (line 9)", End::Passed)],
                finished: true,
            },
        ];
        assert_eq!(seen.suites, expected);
        assert_eq!(seen.suites[1].tally().failed, 1);
    }
}
