//! The samples of the last minutes.

use alloc::collections::VecDeque;

/// Seconds covered by the history and the graph.
pub const SPAN: u32 = 300;

/// The counts of the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The limit in memory.
    pub limit: u32,
    /// Half-open connections.
    pub half_open: u32,
    /// Queued connections.
    pub queued: u32,
}

/// The rates of the TCP stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Attempts per second since the last sample.
    pub attempts: u32,
    /// Failures per second since the last sample.
    pub failures: u32,
    /// Established connections.
    pub established: u32,
}

/// One sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since 1970.
    pub time: u32,
    /// `None` if the driver did not answer.
    pub counts: Option<Counts>,
    /// `None` if the stack did not answer, and for the first sample.
    pub rates: Option<Rates>,
    /// Event 4226 since the last sample.
    pub events: u32,
}

/// A sample at a time that never decreases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Seconds since the first sample.
    pub position: u64,
    /// The sample.
    pub sample: Sample,
}

/// The samples of the last [`SPAN`] seconds, at most one a second.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: VecDeque<HistoryEntry>,
}

impl History {
    /// Adds a sample, and drops those that are too old. If the clock was set back, counts one
    /// second; if set forward, at most the whole span.
    pub fn push(&mut self, mut sample: Sample) {
        let position = match self.entries.back() {
            None => 0,
            Some(last) if sample.time == last.sample.time => {
                // A second sample of the same second replaces the first.
                sample.events = sample.events.saturating_add(last.sample.events);
                let position = last.position;
                self.entries.pop_back();
                position
            }
            Some(last) => {
                let passed = sample.time.checked_sub(last.sample.time).unwrap_or(1);
                last.position.saturating_add(passed.min(SPAN).into())
            }
        };
        self.entries.push_back(HistoryEntry { position, sample });
        while self
            .entries
            .front()
            .is_some_and(|oldest| position - oldest.position > SPAN.into())
        {
            self.entries.pop_front();
        }
    }

    /// All entries, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.entries.iter()
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The latest.
    #[must_use]
    pub fn latest(&self) -> Option<&HistoryEntry> {
        self.entries.back()
    }

    /// The entry with the most half-open connections; the latest if several.
    #[must_use]
    pub fn peak(&self) -> Option<(&HistoryEntry, u32)> {
        let counted = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry, entry.sample.counts?.half_open)));
        counted.fold(None, |highest, (entry, half_open)| match highest {
            Some((_, most)) if most > half_open => highest,
            _ => Some((entry, half_open)),
        })
    }

    /// The number of events 4226 in the history.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.entries
            .iter()
            .fold(0_u32, |sum, entry| sum.saturating_add(entry.sample.events))
    }
}
