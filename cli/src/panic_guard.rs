//! Decompressors that panic on damaged data.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is running a decompressor.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decompressor. If it panics on hostile data, the data is damaged; the panic message is
/// suppressed.
///
/// # Errors
/// If the decompressor fails or panics, as a text.
pub fn catch_panic<T>(run: impl FnOnce() -> io::Result<T>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let default_hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                default_hook(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the compressed data is damaged".to_owned()),
    }
}
