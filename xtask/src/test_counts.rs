//! Counts of tests from the test runner's output.

use std::ops::AddAssign;

/// Numbers of tests that passed, failed and were ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

impl TestCounts {
    /// The sum of all `test result:` lines: one per test program, and one per crate with
    /// doc tests.
    pub(crate) fn of_libtest(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            if let Some(counts) = line.strip_prefix("test result: ") {
                sum += Self {
                    passed: count(counts, "passed"),
                    failed: count(counts, "failed"),
                    ignored: count(counts, "ignored"),
                };
            }
        }
        sum
    }
}

/// The note `failed: A, B` with the failed tests; empty if there are none.
pub(crate) fn failure_note(output: &str) -> String {
    let name = |line: &str| {
        let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
        (verdict == "FAILED").then(|| name.to_string())
    };
    name_failures(output.lines().filter_map(name))
}

/// The note with the names of failures; empty if there are none.
pub(crate) fn name_failures(failed: impl Iterator<Item = String>) -> String {
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        return String::new();
    }
    format!("failed: {}", failed.join(", "))
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The number before the word, as in `ok. 12 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    let mut words = counts
        .split([' ', ';', '.'])
        .filter(|word| !word.is_empty());
    let mut last = "";
    for next in words.by_ref() {
        if next == word {
            return last.parse().unwrap_or(0);
        }
        last = next;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_all_test_binaries_are_summed() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        let expected = TestCounts {
            passed: 15,
            failed: 2,
            ignored: 1,
        };
        assert_eq!(TestCounts::of_libtest(output), expected);
    }

    #[test]
    fn failed_tests_are_named() {
        let output = "test a::b ... ok\ntest c ... FAILED\ntest d ... ignored\n\
            test e - f (line 3) ... FAILED\ntest result: FAILED. 1 passed; 2 failed;\n";
        assert_eq!(failure_note(output), "failed: c, e - f (line 3)");
        assert_eq!(failure_note("test a ... ok"), "");
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            TestCounts::of_libtest("5 passed; 3 failed"),
            TestCounts::default()
        );
        assert_eq!(
            TestCounts::of_libtest("test result: "),
            TestCounts::default()
        );
    }
}
