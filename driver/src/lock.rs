//! A lock: one thread at a time.

use core::cell::UnsafeCell;
use core::fmt;

/// Mutual exclusion of threads.
///
/// # Safety
/// From the return of `enter` until the call of `leave` by the same thread,
/// `enter` must not return in any thread, that one included, and all writes
/// before a `leave` must be visible after the next `enter`.
#[expect(unsafe_code, reason = "the lock's soundness rests on it")]
pub unsafe trait Exclusion {
    /// Waits until no other thread is inside.
    fn enter(&self);
    /// Lets the next thread in.
    ///
    /// # Safety
    /// Called by the thread inside, once for each `enter`, after its last use of
    /// the guarded value.
    unsafe fn leave(&self);
}

/// A cell that can be changed through a shared reference: [`UnsafeCell`], or the
/// one of a model checker.
///
/// # Safety
/// The pointer that `with` gives to `work` must be to a value that lies in the
/// cell, that may be changed through it while `work` runs, and that nothing
/// but this cell's `with` leads to.
#[expect(unsafe_code, reason = "the lock dereferences the cell's pointer")]
pub unsafe trait RawCell<T> {
    /// Calls `work` with a pointer to the value.
    fn with<R>(&self, work: impl FnOnce(*mut T) -> R) -> R;
}

// SAFETY: an `UnsafeCell` owns its value, and `get` points to it for shared
// mutation.
#[expect(unsafe_code, reason = "the cell of the shipped lock")]
unsafe impl<T> RawCell<T> for UnsafeCell<T> {
    fn with<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.get())
    }
}

/// A value for one thread at a time.
pub struct Lock<T, E, P = UnsafeCell<T>> {
    exclusion: E,
    cell: P,
    value: core::marker::PhantomData<T>,
}

// SAFETY: `with` gives out the value to one thread at a time, since nobody
// else can reach `cell`, and `Exclusion` promises that no two are inside. The
// value moves between threads, so it must be `Send`.
#[expect(unsafe_code, reason = "shared by all threads")]
unsafe impl<T: Send, E: Exclusion + Sync, P> Sync for Lock<T, E, P> {}

impl<T, E: Exclusion> Lock<T, E> {
    /// Locks a value.
    pub const fn new(value: T, exclusion: E) -> Self {
        Lock::with_cell(UnsafeCell::new(value), exclusion)
    }
}

impl<T, E: Exclusion, P: RawCell<T>> Lock<T, E, P> {
    /// As [`Lock::new`], for a cell that holds the value already.
    pub const fn with_cell(cell: P, exclusion: E) -> Self {
        Lock {
            exclusion,
            cell,
            value: core::marker::PhantomData,
        }
    }

    /// The exclusion.
    pub const fn exclusion(&self) -> &E {
        &self.exclusion
    }

    /// Calls `work` with the value while no other thread uses it. Never returns
    /// if called again inside `work`.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.exclusion.enter();
        let _inside = Inside(&self.exclusion);
        self.cell.with(|value| {
            // SAFETY: `RawCell` promises a pointer to the value in `cell`, which
            // lives as long as `self`. It is the only reference: this thread is
            // inside the exclusion, which keeps all others out until `_inside`
            // is dropped, after `work` and its reference are gone, and this one
            // from coming in again.
            #[expect(unsafe_code, reason = "the one dereference of the lock")]
            work(unsafe { &mut *value })
        })
    }
}

impl<T, E, P> fmt::Debug for Lock<T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Leaves when dropped, so also when a test's closure panics.
struct Inside<'a, E: Exclusion>(&'a E);

impl<E: Exclusion> Drop for Inside<'_, E> {
    fn drop(&mut self) {
        // SAFETY: only `with` makes this value, right after `enter`, and
        // drops it in the same thread when its reference to the value is gone.
        #[expect(unsafe_code, reason = "the counterpart of `enter`")]
        unsafe {
            self.0.leave();
        }
    }
}
