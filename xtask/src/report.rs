//! What the steps came to: headlines while they run, a table at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::Failure;
use crate::tally::Tally;

/// How a step ended that did not fail outright.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It holds; a few words on what was seen.
    Passed(String),
    /// Tests ran; any that failed makes the step fail.
    Tested(Tally, String),
    /// It could not be tried here, and why.
    Skipped(String),
}

/// Every step so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    result: Result<Outcome, Failure>,
    time: Duration,
}

impl Report {
    /// Runs a step under its headline, and remembers how it ended.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<Outcome, Failure>,
    ) {
        println!("\n=== {name}");
        let start = Instant::now();
        let step = Step {
            name,
            result: run(),
            time: start.elapsed(),
        };
        println!("=== {}", step.line());
        self.steps.push(step);
    }

    /// Prints the table and the count, which is the very last line.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n=== summary");
        for step in &self.steps {
            println!("{}", step.line());
        }
        let sum = self.sum();
        let skipped = self.steps.iter().filter(|step| step.is_skipped()).count();
        let skipped = match skipped {
            0 => String::new(),
            steps => format!(", {steps} skipped"),
        };
        println!("\n{} passed, {} failed{skipped}", sum.passed, sum.failed);
        if sum.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Tests and steps together.
    fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        for step in &self.steps {
            if let Ok(Outcome::Tested(tally, _)) = step.result {
                sum += tally;
            }
            match step.verdict() {
                Verdict::Passed => sum.passed += 1,
                Verdict::Failed => sum.failed += 1,
                Verdict::Skipped => {}
            }
        }
        sum
    }
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl Step {
    fn is_skipped(&self) -> bool {
        matches!(self.result, Ok(Outcome::Skipped(_)))
    }

    fn verdict(&self) -> Verdict {
        match &self.result {
            Ok(Outcome::Passed(_)) => Verdict::Passed,
            Ok(Outcome::Tested(tally, _)) if tally.failed == 0 => Verdict::Passed,
            Ok(Outcome::Tested(..)) | Err(_) => Verdict::Failed,
            Ok(Outcome::Skipped(_)) => Verdict::Skipped,
        }
    }

    /// Verdict, name, seconds, and what there is to say.
    fn line(&self) -> String {
        let verdict = match self.verdict() {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "SKIPPED",
        };
        let note = match &self.result {
            Ok(Outcome::Passed(note) | Outcome::Skipped(note)) => note.clone(),
            Ok(Outcome::Tested(tally, note)) => said(*tally, note),
            Err(failure) => failure.to_string(),
        };
        let seconds = self.time.as_secs_f64();
        format!("{verdict:<8}{:<14}{seconds:>7.1} s  {note}", self.name)
    }
}

/// The tally in words, before the note if there is one.
fn said(tally: Tally, note: &str) -> String {
    let mut words = format!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.ignored > 0 {
        words += &format!(", {} ignored", tally.ignored);
    }
    if !note.is_empty() {
        words += &format!("; {note}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(passed: usize, failed: usize) -> Result<Outcome, Failure> {
        let tally = Tally {
            passed,
            failed,
            ignored: 0,
        };
        Ok(Outcome::Tested(tally, String::new()))
    }

    #[test]
    fn tests_and_steps_are_counted_together_and_skipped_steps_are_not() {
        let mut report = Report::default();
        report.step("a", || Ok(Outcome::Passed(String::new())));
        report.step("b", || tested(10, 0));
        report.step("c", || Ok(Outcome::Skipped("no network".into())));
        let expected = Tally {
            passed: 12,
            ..Tally::default()
        };
        assert_eq!(report.sum(), expected);
    }

    #[test]
    fn one_failed_test_fails_its_step() {
        let mut report = Report::default();
        report.step("a", || tested(10, 1));
        report.step("b", || Err(Failure("broken".into())));
        let sum = report.sum();
        assert_eq!((sum.passed, sum.failed), (10, 3));
    }
}
