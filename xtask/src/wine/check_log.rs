//! Checks: each prints one line, and is counted.

use std::fmt;

use crate::test_counts::{self, TestCounts};

/// Counts what holds and what doesn't.
#[derive(Debug, Default)]
pub(super) struct CheckLog {
    counts: TestCounts,
    arch: &'static str,
    failed: Vec<String>,
    target_reads: u32,
}

impl CheckLog {
    /// From here on it is about this processor.
    pub(super) fn set_arch(&mut self, arch: &'static str) {
        self.arch = arch;
    }

    /// All of them so far.
    pub(super) fn counts(&self) -> TestCounts {
        self.counts
    }

    /// A processor is left out.
    pub(super) fn skip(&mut self) {
        self.counts.ignored += 1;
    }

    /// A target was asked whether it has the limit that is said to be in force.
    pub(super) fn count_target_read(&mut self) {
        self.target_reads += 1;
    }

    pub(super) fn target_reads(&self) -> u32 {
        self.target_reads
    }

    /// Names what did not hold, for the end of a long run's output.
    pub(super) fn failure_note(&self) -> String {
        test_counts::name_failures(self.failed.iter().cloned())
    }

    /// Something that must hold, and what was seen instead if it does not.
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

    /// Many of a kind, of which none may be wrong.
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

    /// Something worth saying that is no check.
    pub(super) fn note(&self, description: &str) {
        println!("{} note  {description}", self.arch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_hold_is_counted_as_failed() {
        let mut checks = CheckLog::default();
        checks.set_arch("x64");
        checks.check("a", true, &"");
        checks.check("b", false, &"");
        checks.check_no_failures("c", &[]);
        checks.check_no_failures("d", &["e".into()]);
        assert_eq!((checks.counts().passed, checks.counts().failed), (2, 2));
        assert_eq!(checks.failure_note(), "failed: x64 b, x64 d");
    }
}
