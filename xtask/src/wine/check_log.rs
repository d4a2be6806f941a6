//! Checks: each prints one line, and is counted.

use std::fmt;

use crate::test_counts::{self, Tally};

/// Counts what holds and what doesn't.
#[derive(Debug, Default)]
pub(super) struct Judge {
    tally: Tally,
    arch: &'static str,
    failed: Vec<String>,
    looks: u32,
}

impl Judge {
    /// From here on it is about this processor.
    pub(super) fn begin(&mut self, arch: &'static str) {
        self.arch = arch;
    }

    /// All of them so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// A processor is left out.
    pub(super) fn skip(&mut self) {
        self.tally.ignored += 1;
    }

    /// A target was asked whether it has the limit that is said to be in force.
    pub(super) fn looked(&mut self) {
        self.looks += 1;
    }

    pub(super) fn looks(&self) -> u32 {
        self.looks
    }

    /// Names what did not hold, for the end of a long run's output.
    pub(super) fn failures(&self) -> String {
        test_counts::named(self.failed.iter().cloned())
    }

    /// Something that must hold, and what was seen instead if it does not.
    pub(super) fn hold(&mut self, what: &str, holds: bool, seen: &dyn fmt::Display) {
        if holds {
            self.tally.passed += 1;
            println!("{} ok    {what}", self.arch);
        } else {
            self.tally.failed += 1;
            self.failed.push(format!("{} {what}", self.arch));
            println!("{} FAIL  {what}: {seen}", self.arch);
        }
    }

    /// Many of a kind, of which none may be wrong.
    pub(super) fn none_wrong(&mut self, what: &str, wrong: &[String]) {
        const SHOWN: usize = 3;
        let mut seen: Vec<&str> = wrong.iter().take(SHOWN).map(String::as_str).collect();
        let rest = format!("and {} more", wrong.len().saturating_sub(SHOWN));
        if wrong.len() > SHOWN {
            seen.push(&rest);
        }
        let seen = seen.join("; ");
        self.hold(what, wrong.is_empty(), &seen);
    }

    /// Something worth saying that is no check.
    pub(super) fn note(&self, what: &str) {
        println!("{} note  {what}", self.arch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_counted_as_failed() {
        let mut judge = Judge::default();
        judge.begin("x64");
        judge.hold("a", true, &"");
        judge.hold("b", false, &"");
        judge.none_wrong("c", &[]);
        judge.none_wrong("d", &["e".into()]);
        assert_eq!((judge.tally().passed, judge.tally().failed), (2, 2));
        assert_eq!(judge.failures(), "failed: x64 b, x64 d");
    }
}
