//! State of the one thread that has windows.

use core::cell::RefCell;

/// A place for the program's state, which window procedures find again.
pub(crate) struct State<T>(RefCell<Option<T>>);

// SAFETY: the program starts no thread, and Windows calls window procedures in the thread that made
// the window, so one thread uses it.
unsafe impl<T> Sync for State<T> {}

impl<T> State<T> {
    /// Nothing yet.
    pub(crate) const fn new() -> State<T> {
        State(RefCell::new(None))
    }

    /// Puts the state there.
    pub(crate) fn put(&self, value: T) {
        if let Ok(mut place) = self.0.try_borrow_mut() {
            *place = Some(value);
        }
    }

    /// Does something with the state; `None` where there is none yet, or where it is being used:
    /// Windows calls a window procedure from within calls to its windows.
    pub(crate) fn with<R>(&self, operation: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok()?.as_mut().map(operation)
    }
}
