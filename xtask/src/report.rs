//! What the steps came to: headlines while they run, a table at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::Failure;
use crate::record::{self, Record, Verdict};
use crate::seen::Seen;
use crate::tally::Tally;
use crate::workspace::Workspace;

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
pub(crate) struct Report<'a> {
    steps: Vec<Step>,
    /// Where they are kept too, if they are.
    kept: Option<(&'a Workspace, Record)>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    result: Result<Outcome, Failure>,
    time: Duration,
}

impl<'a> Report<'a> {
    /// From here on, what steps come to is kept for `cargo xtask report`, after
    /// each one, so that a run that is interrupted is known for what it is.
    pub(crate) fn keep(&mut self, workspace: &'a Workspace, quick: bool) {
        match Record::begin(workspace, quick) {
            Ok(record) => self.kept = Some((workspace, record)),
            Err(failure) => println!("This run is not kept for a report: {failure}"),
        }
    }

    /// All that was to be run has been run.
    pub(crate) fn complete(&mut self) {
        if let Some((_, record)) = &mut self.kept {
            record.complete = true;
        }
        self.write();
    }

    fn write(&self) {
        if let Some((workspace, record)) = &self.kept
            && let Err(failure) = record.write(workspace)
        {
            println!("This run is not kept for a report: {failure}");
        }
    }

    /// Runs a step under its headline, and remembers how it ended.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<Outcome, Failure>,
    ) {
        self.seeing(name, |_| run());
    }

    /// The same with a step that notes what it saw.
    pub(crate) fn seeing(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&mut Seen) -> Result<Outcome, Failure>,
    ) {
        println!("\n=== {name}");
        let start = Instant::now();
        let mut seen = Seen::default();
        let step = Step {
            name,
            result: run(&mut seen),
            time: start.elapsed(),
        };
        println!("=== {}", step.line());
        if let Some((_, record)) = &mut self.kept {
            record.steps.push(step.recorded(seen));
        }
        self.write();
        self.steps.push(step);
    }

    /// Prints the table and the count, which is the very last line.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n=== summary");
        for step in &self.steps {
            println!("{}", step.line());
        }
        let sum = self.sum();
        let skipped = match self.skipped() {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        println!("\n{} passed, {} failed{skipped}", sum.passed, sum.failed);
        if sum.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Whole steps, and what others left out.
    fn skipped(&self) -> usize {
        let steps = self.steps.iter().filter(|step| step.is_skipped());
        steps.count() + self.sum().ignored
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
        let (note, seconds) = (self.note(), self.time.as_secs_f64());
        format!("{verdict:<8}{:<14}{seconds:>7.1} s  {note}", self.name)
    }

    fn note(&self) -> String {
        match &self.result {
            Ok(Outcome::Passed(note) | Outcome::Skipped(note)) => note.clone(),
            Ok(Outcome::Tested(tally, note)) => said(*tally, note),
            Err(failure) => failure.to_string(),
        }
    }

    /// As it is kept.
    fn recorded(&self, seen: Seen) -> record::Step {
        let tally = match self.result {
            Ok(Outcome::Tested(tally, _)) => tally,
            _ => Tally::default(),
        };
        record::Step {
            name: self.name.into(),
            verdict: self.verdict(),
            seconds: self.time.as_secs_f64(),
            note: self.note(),
            passed: tally.passed,
            failed: tally.failed,
            seen,
        }
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
    fn what_a_step_leaves_out_is_counted_as_skipped() {
        let mut report = Report::default();
        report.step("a", || Ok(Outcome::Skipped("no network".into())));
        let tally = Tally {
            passed: 1,
            ignored: 1,
            ..Tally::default()
        };
        report.step("b", || Ok(Outcome::Tested(tally, String::new())));
        assert_eq!(report.skipped(), 2);
        assert_eq!(report.sum().failed, 0);
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
