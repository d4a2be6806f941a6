//! What a run over many files adds up to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tcplimit_report::{Report, State};

/// Totals of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Files, those that hold others counted once.
    pub(crate) files: u64,
    /// Members of cabinets, self-extractors and disc images that were looked
    /// into.
    pub(crate) members: u64,
    /// The sizes of all files added up.
    pub(crate) bytes: u64,
    /// The sizes of those images that were searched.
    pub(crate) searched_bytes: u64,
    /// How long that took, added up over all threads.
    pub(crate) search_time: Duration,
    /// Whether Ctrl-C cut it short.
    pub(crate) interrupted: bool,
    states: BTreeMap<State, u64>,
    begun: Instant,
    taken: Option<Duration>,
}

impl Summary {
    /// Nothing yet; time runs from here.
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

    /// Adds a file of so many bytes, and the reports on it.
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

    /// In how many the limit was located.
    pub(crate) fn located(&self) -> u64 {
        self.states()
            .filter(|(state, _)| state.is_located())
            .map(|(_, count)| count)
            .sum()
    }

    /// How many there are of each state.
    pub(crate) fn states(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        self.states.iter().map(|(&state, &count)| (state, count))
    }

    /// How long it took.
    pub(crate) fn seconds(&self) -> f64 {
        self.taken
            .unwrap_or_else(|| self.begun.elapsed())
            .as_secs_f64()
    }

    /// Bytes of searched images a second, on each thread.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn search_rate(&self) -> f64 {
        self.searched_bytes as f64 / self.search_time.as_secs_f64().max(1e-9)
    }
}

/// The state without its value.
fn kind(state: State) -> State {
    match state {
        State::Patched(_) => State::Patched(0),
        other => other,
    }
}
