//! The model of `tcplimitw.exe`, without Win32. Samples go in; texts, drawing commands and
//! questions come out.
//!
//! The verbs of the command line make all changes, with their texts.

mod balloon;
mod bitmap;
mod change;
mod drawing;
mod figures;
mod graph;
mod history;
mod layout;
mod legend;
mod menu;
mod message_filter;
mod scale;
mod status_pane;
mod table;

use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;
use tcplimit_protocol::Answer;

use crate::diagnosis;
use crate::driver_client;
use crate::event_log::{self, LogPosition};
use crate::facts::Facts;
use crate::failure::Failure;
use crate::os::{Os, Tcp};
use crate::system;
use crate::verb::Needs;
use crate::win32_error::Win32Error;
use balloon::BalloonTimer;
use table::Table;

pub use crate::diagnosis::Remedy;
pub use bitmap::bitmap;
pub use change::{COMMON_LIMITS, Change, Outcome, not_started, run_as_question};
pub use drawing::{Font, Ink, Point, Rect, Rgb, Shape, SystemColors};
pub use figures::saved;
pub use graph::draw;
pub use history::{Counts, History, HistoryEntry, Rates, SPAN, Sample};
pub use layout::{Control, Layout, minimum};
pub use menu::{Command, ICON_MENU, Key, MENUS, Menu};
pub use message_filter::is_forwarded;
pub use status_pane::{StatusPane, about, lines, title};
pub use table::{Order, Row};

/// Seconds between updates of the facts of `status`.
const FACTS_EVERY: u32 = 60;

/// The result of a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// The text of a balloon to show.
    pub balloon: Option<String>,
    /// Whether the status has changed.
    pub status_pane: bool,
}

/// The state of the window.
#[derive(Debug, Default)]
pub struct Model {
    history: History,
    /// The history shown while paused.
    frozen: Option<History>,
    /// Why this Windows has no limit.
    unsupported: Option<Failure>,
    facts: Option<Result<Facts, Failure>>,
    /// When the facts were gathered, in seconds since 1970.
    facts_at: u32,
    /// The stack's counters at the last sample, and when.
    counted: Option<(u32, Tcp)>,
    newest: Option<LogPosition>,
    balloon_timer: BalloonTimer,
    table: Table,
}

impl Model {
    /// Takes the first sample.
    #[must_use]
    pub fn new(os: &dyn Os) -> Model {
        let mut model = Model {
            unsupported: system::check(os, Needs::Limit).err(),
            ..Model::default()
        };
        model.refresh(os);
        model
    }

    /// Gathers everything again; queries the driver once for each module.
    pub fn refresh(&mut self, os: &dyn Os) {
        if self.unsupported.is_some() {
            self.sample(os, None);
            return;
        }
        let facts = Facts::gather(os);
        self.facts_at = os.now();
        let module = facts.as_ref().ok().and_then(|facts| facts.modules.first());
        let answer = module.and_then(|module| module.memory.as_ref().ok());
        let counts = answer.and_then(counts);
        self.facts = Some(facts);
        self.sample(os, counts);
    }

    /// Takes another sample. Queries the driver at most once for each module.
    pub fn tick(&mut self, os: &dyn Os) -> Tick {
        let events = self.history.events();
        let before = self.history.latest().map(|entry| entry.sample);
        let is_due = os.now().abs_diff(self.facts_at) >= FACTS_EVERY;
        let mut status_pane = false;
        if self.unsupported.is_some() {
            self.sample(os, None);
        } else if is_due {
            self.refresh(os);
            status_pane = true;
        } else {
            let answer = driver_client::query(os, Module::Tcpip);
            let counts = answer.as_ref().ok().and_then(counts);
            self.sample(os, counts);
            status_pane |= self.note_answer(answer);
            let had = before.and_then(|sample| sample.counts);
            let same = had.map(|had| had.limit) == counts.map(|now| now.limit);
            if !same {
                // The driver came or went, or someone set the limit: gather all facts again at the
                // next tick.
                self.facts_at = 0;
            }
        }
        let latest = self.history.latest().map(|entry| entry.sample);
        let logged = latest.map_or(0, |sample| sample.events);
        let is_new = logged != 0 && (self.history.events() != events || before.is_none());
        let is_due = is_new && self.balloon_timer.due(os.now());
        let balloon = is_due.then(|| balloon::balloon(latest.and_then(|sample| sample.counts)));
        Tick {
            balloon,
            status_pane,
        }
    }

    /// Puts a new answer into the facts; returns whether the status has changed.
    fn note_answer(&mut self, answer: Result<Answer, Failure>) -> bool {
        let Some(Ok(facts)) = &mut self.facts else {
            return false;
        };
        if let Some(module) = facts.modules.first_mut() {
            module.memory = answer;
        }
        true
    }

    /// Adds a sample from the stack, the event log and the connections.
    fn sample(&mut self, os: &dyn Os, counts: Option<Counts>) {
        let time = os.now();
        let events = self.events(os, time);
        let rates = self.rates(os, time);
        self.history.push(Sample {
            time,
            counts,
            rates,
            events,
        });
        if self.frozen.is_none() {
            self.table.refresh(os);
        }
    }

    /// Event 4226 since the last sample; 0 at the first.
    fn events(&mut self, os: &dyn Os, time: u32) -> u32 {
        let since = self.newest.map_or(time, |newest| newest.checked_at);
        let Ok(events) = event_log::limit_events_since(os, since.min(time)) else {
            return 0;
        };
        let unseen = self
            .newest
            .map_or(0, |newest| newest.unseen(&events).count());
        let newest = self.newest.unwrap_or_default();
        self.newest = Some(newest.after(time, &events));
        u32::try_from(unseen).unwrap_or(u32::MAX)
    }

    fn rates(&mut self, os: &dyn Os, time: u32) -> Option<Rates> {
        let Ok(tcp) = os.tcp() else {
            self.counted = None;
            return None;
        };
        let Some((then, before)) = self.counted else {
            self.counted = Some((time, tcp));
            return None;
        };
        let passed = time.saturating_sub(then);
        if passed == 0 {
            return self.history.latest()?.sample.rates;
        }
        self.counted = Some((time, tcp));
        Some(Rates {
            // The stack counts to 4,294,967,295 and continues with 0.
            attempts: tcp.attempts.wrapping_sub(before.attempts).div_ceil(passed),
            failures: tcp.failures.wrapping_sub(before.failures).div_ceil(passed),
            established: tcp.established,
        })
    }

    fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()?.as_ref().ok()
    }

    /// Whether the limit of IPv6 can be set.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        let modules = self.facts().map_or(&[][..], |facts| &facts.modules);
        modules.iter().any(|module| {
            let answer = module.memory.as_ref().ok();
            module.module == Module::Tcpip6
                && answer
                    .is_some_and(|answer| driver_client::refusal(module.module, answer).is_none())
        })
    }

    /// Whether a limit can be set at all, that is, the driver answers.
    #[must_use]
    pub fn can_set(&self) -> bool {
        let latest = self.history.latest();
        latest.is_some_and(|entry| entry.sample.counts.is_some())
    }

    /// The remedies that the window offers, the best first.
    #[must_use]
    pub fn remedies(&self) -> Vec<Remedy> {
        self.facts().map(diagnosis::remedies).unwrap_or_default()
    }

    /// Whether something needs rights that this user lacks.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let modules = self.facts().map_or(&[][..], |facts| &facts.modules);
        modules.iter().any(|module| {
            let failure = module.memory.as_ref().err();
            failure.is_some_and(|failure| failure.error == Some(Win32Error::ACCESS_DENIED))
        })
    }

    /// The history that the graph shows.
    fn shown(&self) -> &History {
        self.frozen.as_ref().unwrap_or(&self.history)
    }

    /// Draws the graph in that size.
    #[must_use]
    pub fn graph(&self, width: i32, height: i32, font: &dyn Font) -> Vec<Shape> {
        graph::draw(self.shown(), width, height, self.is_paused(), font)
    }

    /// Whether graph and table are paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Pauses or resumes graph and table. Samples continue in any case.
    pub fn pause(&mut self, os: &dyn Os) {
        self.frozen = match self.frozen {
            None => Some(self.history.clone()),
            Some(_) => {
                self.table.refresh(os);
                None
            }
        };
    }

    /// The processes with half-open connections.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        self.table.rows()
    }

    /// The index of the selected process.
    #[must_use]
    pub fn selected(&self) -> Option<usize> {
        self.table.selected()
    }

    /// Selects a process by its index.
    pub fn select(&mut self, index: Option<usize>) {
        self.table.select(index);
    }

    /// Sorts the processes.
    pub fn sort(&mut self, order: Order) {
        self.table.sort(order);
    }
}

/// The counts of an answer, unless it is a refusal.
fn counts(answer: &Answer) -> Option<Counts> {
    if driver_client::refusal(Module::Tcpip, answer).is_some() {
        return None;
    }
    // It goes below 0 for a moment during an update.
    let count = |number: u32| i32::try_from(number).map_or(0, i32::unsigned_abs);
    Some(Counts {
        limit: answer.limit.get(),
        half_open: count(answer.half_open.get()),
        queued: count(answer.queued.get()),
    })
}
