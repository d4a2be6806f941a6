//! What a run says about a claim.

use crate::record::{Record, Verdict};
use crate::seen::Figure;

use super::claim::{Claim, Evidence, Source};

/// How it stands with a claim, or with a piece of evidence. The later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Holds,
    Skipped,
    NotRun,
    Failed,
}

impl Standing {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
            Self::Failed => "failed",
        }
    }

    /// For the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Skipped => "skipped",
            Self::NotRun => "not-run",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of_step(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Holds,
            Verdict::Failed => Self::Failed,
            Verdict::Skipped => Self::Skipped,
        }
    }

    /// As good as the worst piece of its evidence.
    pub(super) fn of_claim(claim: &Claim, run: Option<&Record>) -> Self {
        let each = claim.evidence.iter();
        each.map(|evidence| Finding::of(evidence, run).standing)
            .max()
            .unwrap_or(Self::NotRun)
    }
}

/// A piece of evidence, as a run has it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) standing: Standing,
    /// What there is to say of it.
    pub(super) note: String,
    /// Each figure that is wanted, and what was said.
    pub(super) figures: Vec<(&'static str, Option<String>)>,
}

impl Finding {
    /// Without a run nothing was found.
    pub(super) fn of(evidence: &Evidence, run: Option<&Record>) -> Self {
        let (mut standing, note) = match evidence.source {
            Source::Suite(name) => suite(name, run),
            Source::Step(name) => step(name, run),
        };
        let said = |name: &str| {
            let Source::Step(step) = evidence.source else {
                return None;
            };
            let figure: &Figure = run?.step(step)?.figure(name)?;
            Some(figure.value.clone())
        };
        let figures: Vec<_> = evidence
            .figures
            .iter()
            .map(|&name| (name, said(name)))
            .collect();
        // A step that says less than it should has not shown all of it.
        if standing == Standing::Holds && figures.iter().any(|(_, value)| value.is_none()) {
            standing = Standing::NotRun;
        }
        Self {
            standing,
            note,
            figures,
        }
    }
}

fn suite(name: &str, run: Option<&Record>) -> (Standing, String) {
    let Some(suite) = run.and_then(|run| run.suite(name)) else {
        return (Standing::NotRun, String::new());
    };
    let tally = suite.tally();
    let note = match tally.failed {
        0 => format!("{} tests", tally.passed),
        failed => format!("{failed} of {} tests failed", tally.passed + failed),
    };
    match (tally.passed, tally.failed) {
        _ if !suite.finished => (Standing::Failed, format!("crashed after {note}")),
        (0, 0) => (Standing::NotRun, String::new()),
        (_, 0) => (Standing::Holds, note),
        _ => (Standing::Failed, note),
    }
}

fn step(name: &str, run: Option<&Record>) -> (Standing, String) {
    let Some(step) = run.and_then(|run| run.step(name)) else {
        return (Standing::NotRun, String::new());
    };
    (Standing::of_step(step.verdict), step.note.clone())
}
