//! State of the only thread that has windows.

use core::cell::RefCell;

/// A cell for the program's state, for window procedures.
pub(crate) struct State<T>(RefCell<Option<T>>);

// SAFETY: the program starts no thread, and Windows calls window procedures in the thread that made
// the window, so one thread uses it.
unsafe impl<T> Sync for State<T> {}

impl<T> State<T> {
    /// An empty cell.
    pub(crate) const fn new() -> State<T> {
        State(RefCell::new(None))
    }

    /// Stores the state.
    pub(crate) fn put(&self, value: T) {
        if let Ok(mut place) = self.0.try_borrow_mut() {
            *place = Some(value);
        }
    }

    /// Runs an operation on the state. `None` if there is none yet, or if it is borrowed: Windows
    /// calls window procedures from within calls to its windows.
    pub(crate) fn with<R>(&self, operation: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_borrow_mut().ok()?.as_mut().map(operation)
    }
}
