//! How far a long run is: a bar on standard error, on terminals only.

use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar, or nothing where nobody would see it.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error, when that is a terminal.
    pub(crate) fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {msg}")
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
                .set_message(format!("{}, {located} located", HumanBytes(bytes)));
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
