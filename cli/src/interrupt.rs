//! Ctrl-C: the first asks a command to end, the second ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tcplimit_report::Exit;

/// Calls `first` at the first Ctrl-C. The second ends the program at once, which loses nothing
/// either.
pub(crate) fn on_interrupt(first: impl Fn() + Send + 'static) {
    let again = AtomicBool::new(false);
    // A second run in one process keeps the first handler: only tests do that.
    let _ = ctrlc::set_handler(move || {
        if again.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted.code().into());
        }
        first();
    });
}

/// A flag that Ctrl-C sets, for a command that checks it between two files.
pub(crate) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    on_interrupt(move || set.store(true, Ordering::Relaxed));
    stop
}
