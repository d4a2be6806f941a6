//! Progress of a long run: a bar on standard error, only on terminals.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::rate;

/// The bar; hidden without a terminal.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    unit: Unit,
}

/// The unit that the bar counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Files,
    /// For runs in which one disc image may take as long as a thousand other files.
    Bytes,
}

impl Unit {
    fn template(self) -> &'static str {
        match self {
            Unit::Files => "{bar:30} {pos}/{len} files{msg}",
            Unit::Bytes => "{bar:30} {decimal_bytes}/{decimal_total_bytes}{msg}",
        }
    }
}

impl Progress {
    /// A bar that counts files.
    pub(crate) fn of_files() -> Progress {
        Self::shown(Unit::Files)
    }

    /// A bar that counts bytes.
    pub(crate) fn of_bytes() -> Progress {
        Self::shown(Unit::Bytes)
    }

    fn shown(unit: Unit) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(unit.template())
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress { bar, unit }
    }

    /// No bar.
    pub(crate) fn hidden() -> Progress {
        Progress {
            bar: ProgressBar::hidden(),
            unit: Unit::Files,
        }
    }

    /// Adds a file to the total.
    pub(crate) fn found(&self, path: &Path) {
        let more = match self.unit {
            _ if self.bar.is_hidden() => return,
            Unit::Files => 1,
            Unit::Bytes => std::fs::metadata(path).map_or(0, |about| about.len()),
        };
        self.bar.inc_length(more);
    }

    /// Notes that one more file is done; `bytes` and `located` are totals.
    pub(crate) fn done(&self, bytes: u64, located: u64) {
        match self.unit {
            Unit::Files => self.bar.inc(1),
            Unit::Bytes => self.bar.set_position(bytes),
        }
        if !self.bar.is_hidden() {
            self.bar
                .set_message(message(bytes, located, self.bar.elapsed()));
        }
    }

    /// Sets the position and the total, in bytes.
    pub(crate) fn set_position(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// Writes without disturbing the bar.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The text after the number of files or bytes.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn message(bytes: u64, located: u64, taken: Duration) -> String {
    match bytes {
        0 => String::new(),
        _ => {
            let each_second = rate(bytes as f64 / taken.as_secs_f64().max(1e-3));
            format!(", {each_second}/s, {located} located")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_a_template_and_a_rate_is_decimal() {
        for unit in [Unit::Files, Unit::Bytes] {
            assert!(ProgressStyle::with_template(unit.template()).is_ok());
        }
        let second = Duration::from_secs(2);
        assert_eq!(message(0, 0, second), "");
        assert_eq!(message(3_000_000, 1, second), ", 1.50 MB/s, 1 located");
    }
}
