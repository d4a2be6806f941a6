//! Results of the steps: headlines while they run, a table at the end.

use std::process::ExitCode;
use std::time::Instant;

use crate::command::Failure;
use crate::cpu_time;
use crate::figures::Observations;
use crate::last_run::{self, LastRun, StepRecord, Verdict};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// The result of a step that did not fail outright.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It passed; a note.
    Passed(String),
    /// Tests ran, and a note; the step fails if a test failed.
    Tested(TestCounts, String),
    /// It could not run here; the reason.
    Skipped(String),
}

/// The results of all steps so far.
#[derive(Debug, Default)]
pub(crate) struct Summary<'a> {
    steps: Vec<StepRecord>,
    /// The record for `cargo xtask report`, if any.
    saved: Option<(&'a Workspace, LastRun)>,
    /// A line for the end of the summary.
    closing_line: Option<String>,
}

impl<'a> Summary<'a> {
    /// From here on, saves the results for `cargo xtask report` after each step, so that an
    /// interrupted run is recognizable.
    pub(crate) fn save_for_report(&mut self, workspace: &'a Workspace) {
        match LastRun::begin(workspace) {
            Ok(record) => self.saved = Some((workspace, record)),
            Err(failure) => println!("This run is not saved for cargo xtask report: {failure}"),
        }
    }

    /// Marks the run as complete.
    pub(crate) fn complete(&mut self) {
        if let Some((_, record)) = &mut self.saved {
            record.complete = true;
        }
        self.write();
    }

    fn write(&mut self) {
        let Some((workspace, record)) = &mut self.saved else {
            return;
        };
        record.steps.clone_from(&self.steps);
        if let Err(failure) = record.write(workspace) {
            println!("This run is not saved for cargo xtask report: {failure}");
        }
    }

    /// Runs a step under its headline, and adds its result.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<Outcome, Failure>,
    ) {
        self.step_with_observations(name, |_| run());
    }

    /// The same for a step with observations.
    pub(crate) fn step_with_observations(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&mut Observations) -> Result<Outcome, Failure>,
    ) {
        println!("\n=== {name}");
        self.add(run_timed(name, run));
    }

    /// Adds the result of a step.
    pub(crate) fn add(&mut self, step: StepRecord) {
        println!("=== {}", line(&step));
        self.steps.push(step);
        self.write();
    }

    /// Sets a line for the end of the summary.
    pub(crate) fn set_closing_line(&mut self, line: String) {
        self.closing_line = Some(line);
    }

    pub(crate) fn steps(&self) -> &[StepRecord] {
        &self.steps
    }

    /// Prints the table, and the counts as the last line.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n=== summary");
        println!("{HEADING}");
        for step in &self.steps {
            println!("{}", line(step));
        }
        if let Some(line) = &self.closing_line {
            println!("\n{line}");
        }
        let sum = last_run::sum(&self.steps);
        let skipped = match sum.ignored {
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
}

/// Runs a step and measures its time.
pub(crate) fn run_timed(
    name: &str,
    run: impl FnOnce(&mut Observations) -> Result<Outcome, Failure>,
) -> StepRecord {
    let (start, processor) = (Instant::now(), cpu_time::time());
    let mut observations = Observations::default();
    let result = run(&mut observations);
    let used = processor.and_then(|before| cpu_time::time()?.checked_sub(before));
    let counts = match result {
        Ok(Outcome::Tested(counts, _)) => counts,
        _ => TestCounts::default(),
    };
    let (verdict, note) = match result {
        Ok(Outcome::Passed(note)) => (Verdict::Passed, note),
        Ok(Outcome::Skipped(why)) => (Verdict::Skipped, why),
        Ok(Outcome::Tested(counts, note)) if counts.failed == 0 => {
            (Verdict::Passed, counts_and_note(counts, &note))
        }
        Ok(Outcome::Tested(counts, note)) => (Verdict::Failed, counts_and_note(counts, &note)),
        Err(failure) => (Verdict::Failed, failure.to_string()),
    };
    StepRecord {
        name: name.into(),
        verdict,
        seconds: start.elapsed().as_secs_f64(),
        processor_seconds: used.map(|used| used.as_secs_f64()),
        note,
        passed: counts.passed,
        failed: counts.failed,
        ignored: counts.ignored,
        observations,
    }
}

const HEADING: &str = "        step               time  processor";

/// Verdict, name, elapsed time and processor time in seconds, and note.
fn line(step: &StepRecord) -> String {
    let verdict = match step.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::Skipped => "SKIPPED",
    };
    let processor = step.processor_seconds.map(|used| format!("{used:.1} s"));
    format!(
        "{verdict:<8}{:<14}{:>7.1} s {:>10}  {}",
        step.name,
        step.seconds,
        processor.unwrap_or_default(),
        step.note
    )
}

/// The counts in words, and the note.
fn counts_and_note(counts: TestCounts, note: &str) -> String {
    let mut words = format!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.ignored > 0 {
        words += &format!(", {} ignored", counts.ignored);
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
        let counts = TestCounts {
            passed,
            failed,
            ignored: 0,
        };
        Ok(Outcome::Tested(counts, String::new()))
    }

    #[test]
    fn tests_and_steps_are_counted_together_and_skipped_steps_are_not() {
        let mut summary = Summary::default();
        summary.step("a", || Ok(Outcome::Passed(String::new())));
        summary.step("b", || tested(10, 0));
        summary.step("c", || Ok(Outcome::Skipped("no network".into())));
        let expected = TestCounts {
            passed: 12,
            failed: 0,
            ignored: 1,
        };
        assert_eq!(last_run::sum(summary.steps()), expected);
    }

    #[test]
    fn a_skipped_step_and_ignored_tests_are_counted_as_skipped() {
        let mut summary = Summary::default();
        summary.step("a", || Ok(Outcome::Skipped("no network".into())));
        let counts = TestCounts {
            passed: 1,
            ignored: 1,
            ..TestCounts::default()
        };
        summary.step("b", || Ok(Outcome::Tested(counts, String::new())));
        let sum = last_run::sum(summary.steps());
        assert_eq!((sum.ignored, sum.failed), (2, 0));
    }

    #[test]
    fn one_failed_test_fails_its_step() {
        let mut summary = Summary::default();
        summary.step("a", || tested(10, 1));
        summary.step("b", || Err(Failure("broken".into())));
        let sum = last_run::sum(summary.steps());
        assert_eq!((sum.passed, sum.failed), (10, 3));
    }
}
