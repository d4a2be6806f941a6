//! The totals of a run over many files.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tcplimit_report::{Report, State};

/// Totals of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Files; one with members counts once.
    pub(crate) files: u64,
    /// Searched members of cabinets, self-extractors and disc images.
    pub(crate) members: u64,
    /// The total size of all files, in bytes.
    pub(crate) bytes: u64,
    /// The total size of the searched images, in bytes.
    pub(crate) searched_bytes: u64,
    /// The time of these searches, summed over all threads.
    pub(crate) search_time: Duration,
    /// Whether Ctrl-C ended the run early.
    pub(crate) interrupted: bool,
    states: BTreeMap<State, u64>,
    begun: Instant,
    taken: Option<Duration>,
}

impl Summary {
    /// Empty totals; starts the clock.
    pub(crate) fn new() -> Summary {
        Summary {
            files: 0,
            members: 0,
            bytes: 0,
            searched_bytes: 0,
            search_time: Duration::ZERO,
            interrupted: false,
            states: BTreeMap::new(),
            begun: Instant::now(),
            taken: None,
        }
    }

    /// Adds a file, its size in bytes, and the reports on it.
    pub(crate) fn add(&mut self, bytes: u64, reports: &[Report]) {
        self.files += 1;
        self.bytes += bytes;
        for report in reports {
            if report.origin.member.is_some() {
                self.members += 1;
            }
            if report.search.is_some() {
                self.searched_bytes += report.bytes;
                self.search_time += report.search_time;
            }
            *self.states.entry(kind(report.state)).or_default() += 1;
        }
    }

    /// Stops the clock.
    pub(crate) fn finish(&mut self, interrupted: bool) {
        self.taken = Some(self.begun.elapsed());
        self.interrupted = interrupted;
    }

    /// Number of files and members in which the limit was located.
    pub(crate) fn located(&self) -> u64 {
        self.states()
            .filter(|(state, _)| state.is_located())
            .map(|(_, count)| count)
            .sum()
    }

    /// Number of files and members in each state.
    pub(crate) fn states(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        self.states.iter().map(|(&state, &count)| (state, count))
    }

    /// Duration of the run.
    pub(crate) fn seconds(&self) -> f64 {
        self.taken
            .unwrap_or_else(|| self.begun.elapsed())
            .as_secs_f64()
    }

    /// Bytes of images searched per second on each thread.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn search_rate(&self) -> f64 {
        self.searched_bytes as f64 / self.search_time.as_secs_f64().max(1e-9)
    }
}

/// The state without its value, so that all patched files count as one kind.
fn kind(state: State) -> State {
    match state {
        State::Patched(_) => State::Patched(0),
        other => other,
    }
}
