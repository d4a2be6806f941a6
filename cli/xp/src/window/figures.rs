//! The figures as text, for screen readers, the clipboard and the notification area.

use alloc::format;
use alloc::string::{String, ToString};

use super::Model;
use super::history::{Counts, SPAN};
use crate::time;
use crate::win32_error::Win32Error;

/// A tooltip has room for 127 characters.
const LONGEST_TOOLTIP: usize = 127;

impl Model {
    /// The figures of the graph in one line.
    #[must_use]
    pub fn figures(&self) -> String {
        let history = self.shown();
        let Some(latest) = history.latest() else {
            return phrase!("no data yet").into();
        };
        let unknown = || "?".to_string();
        let counts = |of: fn(&Counts) -> u32| {
            let counts = latest.sample.counts.as_ref();
            counts.map_or_else(unknown, |counts| of(counts).to_string())
        };
        let rates = |of: fn(&super::Rates) -> u32| {
            let rates = latest.sample.rates.as_ref();
            rates.map_or_else(unknown, |rates| of(rates).to_string())
        };
        let peak = match history.peak() {
            Some((entry, peak)) => text!(
                "peak {peak} at {time}",
                peak,
                time = time::clock(entry.sample.time)
            ),
            None => phrase!("peak ?").into(),
        };
        text!(
            "limit {limit}, half-open {half_open}, queued {queued}, attempts per second {attempts}, failures per second {failures}, \
             established {established}, {peak}, event 4226 in {minutes} minutes: {events}",
            limit = counts(|counts| counts.limit),
            half_open = counts(|counts| counts.half_open),
            queued = counts(|counts| counts.queued),
            attempts = rates(|rates| rates.attempts),
            failures = rates(|rates| rates.failures),
            established = rates(|rates| rates.established),
            peak,
            minutes = SPAN / 60,
            events = history.events()
        )
    }

    /// The text of Ctrl+C: the time, one figure a line, and the table.
    #[must_use]
    pub fn copied(&self) -> String {
        let time = self.shown().latest().map_or(0, |entry| entry.sample.time);
        let mut text = format!("{}\r\n", time::date(time));
        for figure in self.figures().split(',') {
            text.push_str(figure.trim_start());
            text.push_str("\r\n");
        }
        for row in self.rows() {
            text.push_str(&row.line);
            text.push_str("\r\n");
        }
        text
    }

    /// The text of Ctrl+C in the table: the selected row, if any.
    #[must_use]
    pub fn copied_row(&self) -> Option<String> {
        let row = self.rows().get(self.selected()?)?;
        Some(format!("{}\r\n", row.line))
    }

    /// The tooltip of the icon in the notification area.
    #[must_use]
    pub fn tooltip(&self) -> String {
        let counts = self.history.latest().and_then(|entry| entry.sample.counts);
        let text = match counts {
            Some(Counts {
                limit, half_open, ..
            }) => text!(
                "tcplimit: limit {limit}, half-open {half_open}",
                limit,
                half_open
            ),
            None => phrase!("tcplimit: the driver does not answer").into(),
        };
        text.chars().take(LONGEST_TOOLTIP).collect()
    }

    /// The file name of a saved picture: `tcplimit 2008-01-10 21-20-00.bmp`.
    #[must_use]
    pub fn picture_name(&self) -> String {
        let time = self.shown().latest().map_or(0, |entry| entry.sample.time);
        let date = time::date(time).replace(':', "-");
        format!("tcplimit {}.bmp", date.trim_end_matches('Z'))
    }
}

/// The message after saving a picture.
#[must_use]
pub fn saved(path: &Result<String, Win32Error>) -> String {
    match path {
        Ok(path) => text!("Saved {path}", path),
        Err(error) => text!("Can't save the picture: {error}.", error),
    }
}
