//! Prints and counts the checks.

use std::fmt;

use crate::test_counts::TestCounts;

/// The results of checks for a processor.
#[derive(Debug)]
pub(super) struct CheckLog {
    counts: TestCounts,
    arch: &'static str,
    failed: Vec<String>,
    target_reads: u32,
}

impl CheckLog {
    pub(super) fn new(arch: &'static str) -> Self {
        Self {
            counts: TestCounts::default(),
            arch,
            failed: Vec::new(),
            target_reads: 0,
        }
    }

    /// The counts so far.
    pub(super) fn counts(&self) -> TestCounts {
        self.counts
    }

    /// Counts a skipped check.
    pub(super) fn skip(&mut self) {
        self.counts.ignored += 1;
    }

    /// Counts a comparison of the target's limit with the limit in force.
    pub(super) fn count_target_read(&mut self) {
        self.target_reads += 1;
    }

    pub(super) fn target_reads(&self) -> u32 {
        self.target_reads
    }

    /// The failed checks.
    pub(super) fn failed(self) -> Vec<String> {
        self.failed
    }

    /// Adds a check; `details` are printed if it failed.
    pub(super) fn check(&mut self, description: &str, passed: bool, details: &dyn fmt::Display) {
        if passed {
            self.counts.passed += 1;
            println!("{} ok    {description}", self.arch);
        } else {
            self.counts.failed += 1;
            self.failed.push(format!("{} {description}", self.arch));
            println!("{} FAIL  {description}: {details}", self.arch);
        }
    }

    /// Adds a check that passes without failures; prints the first ones.
    pub(super) fn check_no_failures(&mut self, description: &str, failures: &[String]) {
        const SHOWN: usize = 3;
        let mut details: Vec<&str> = failures.iter().take(SHOWN).map(String::as_str).collect();
        let rest = format!("and {} more", failures.len().saturating_sub(SHOWN));
        if failures.len() > SHOWN {
            details.push(&rest);
        }
        let details = details.join("; ");
        self.check(description, failures.is_empty(), &details);
    }

    /// Prints a note that is no check.
    pub(super) fn note(&self, description: &str) {
        println!("{} note  {description}", self.arch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_hold_is_counted_as_failed() {
        let mut checks = CheckLog::new("x64");
        checks.check("a", true, &"");
        checks.check("b", false, &"");
        checks.check_no_failures("c", &[]);
        checks.check_no_failures("d", &["e".into()]);
        assert_eq!((checks.counts().passed, checks.counts().failed), (2, 2));
        assert_eq!(checks.failed(), ["x64 b", "x64 d"]);
    }
}
