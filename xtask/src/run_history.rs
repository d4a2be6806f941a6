//! The times of past runs, one line per run in `target/report/history.jsonl`, so that
//! slower steps are noticed.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::command::Failure;
use crate::last_run::{Sources, StepRecord};
use crate::workspace::Workspace;

const FILE: &str = "report/history.jsonl";

/// Number of saved runs.
const RUNS: usize = 50;

/// A run. Times are in seconds, rounded to tenths.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    /// Time of its end, in seconds since 1970, UTC.
    ended: u64,
    commit: Option<String>,
    quick: bool,
    cores: usize,
    seconds: f64,
    /// Elapsed time and processor time of each step.
    steps: BTreeMap<String, (f64, Option<f64>)>,
}

/// Adds a run; returns a comparison with the last one of its kind.
pub(crate) fn append(
    workspace: &Workspace,
    quick: bool,
    seconds: f64,
    steps: &[StepRecord],
) -> Result<String, Failure> {
    let path = workspace.target(FILE);
    // A missing file, or one of another version, begins empty.
    let mut runs = fs::read_to_string(&path).map_or_else(|_| Vec::new(), |text| parse_runs(&text));
    let tenths = |seconds: f64| (seconds * 10.0).round() / 10.0;
    let times = |step: &StepRecord| (tenths(step.seconds), step.processor_seconds.map(tenths));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let run = Run {
        ended: now.map_or(0, |now| now.as_secs()),
        commit: Sources::now(workspace)?.commit,
        quick,
        cores: thread::available_parallelism().map_or(1, usize::from),
        seconds: tenths(seconds),
        steps: steps
            .iter()
            .map(|step| (step.name.clone(), times(step)))
            .collect(),
    };
    let before = runs.iter().rev().find(|other| other.quick == quick);
    let description = run.describe(before);
    runs.push(run);
    let lines = runs
        .iter()
        .skip(runs.len().saturating_sub(RUNS))
        .map(serde_json::to_string);
    let lines: Result<Vec<String>, _> = lines.collect();
    let lines = lines.map_err(|error| Failure(error.to_string()))?;
    fs::write(&path, lines.join("\n") + "\n")?;
    Ok(description)
}

/// Parses the runs, and ignores invalid lines.
fn parse_runs(text: &str) -> Vec<Run> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

impl Run {
    fn processor(&self) -> f64 {
        self.steps.values().filter_map(|(_, used)| *used).sum()
    }

    /// One line, with the times of the previous run in brackets.
    fn describe(&self, before: Option<&Self>) -> String {
        let last = |time: fn(&Self) -> f64| {
            before.map_or_else(String::new, |before| {
                format!(" (previously {:.0} s)", time(before))
            })
        };
        format!(
            "{:.0} s{}, {:.0} s of processor time{}, {} cores",
            self.seconds,
            last(|run| run.seconds),
            self.processor(),
            last(Self::processor),
            self.cores,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: f64, quick: bool) -> Run {
        let steps = [("tests".into(), (seconds, Some(seconds * 2.0)))];
        Run {
            ended: 1,
            commit: None,
            quick,
            cores: 2,
            seconds,
            steps: steps.into(),
        }
    }

    #[test]
    fn a_run_is_compared_with_the_one_before() {
        let before = run(100.0, false);
        let description = run(40.0, false).describe(Some(&before));
        assert_eq!(
            description,
            "40 s (previously 100 s), 80 s of processor time (previously 200 s), 2 cores"
        );
        assert_eq!(
            before.describe(None),
            "100 s, 200 s of processor time, 2 cores"
        );
    }

    #[test]
    fn saved_runs_are_read_and_lines_of_other_versions_are_ignored() {
        let line = serde_json::to_string(&run(1.5, true)).unwrap();
        let text = format!("{line}\n{{\"ended\":1}}\nnonsense\n{line}\n");
        assert_eq!(parse_runs(&text), [run(1.5, true), run(1.5, true)]);
    }
}
