//! How far a long run is: a bar on standard error, on terminals only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::{rate, size};

/// The bar, or nothing where nobody would see it.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error, when that is a terminal.
    pub(crate) fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// None.
    pub(crate) fn hidden() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// One more file was found.
    pub(crate) fn found(&self) {
        self.0.inc_length(1);
    }

    /// One more file is done; so much is done in all.
    pub(crate) fn done(&self, bytes: u64, located: u64) {
        self.0.inc(1);
        if !self.0.is_hidden() {
            self.0
                .set_message(message(bytes, located, self.0.elapsed()));
        }
    }

    /// Writes without disturbing the bar.
    pub(crate) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.suspend(write)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// What follows the number of files.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn message(bytes: u64, located: u64, taken: Duration) -> String {
    match bytes {
        0 => String::new(),
        _ => {
            let each_second = rate(bytes as f64 / taken.as_secs_f64().max(1e-3));
            format!(", {}, {each_second}/s, {located} located", size(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_decimal_and_nothing_dangles() {
        let second = Duration::from_secs(2);
        assert_eq!(message(0, 0, second), "");
        assert_eq!(
            message(3_000_000, 1, second),
            ", 3.00 MB, 1.50 MB/s, 1 located"
        );
    }
}
