//! The exclusion on the host, which detects a thread that enters twice.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use tcplimit_driver::Exclusion;

/// The thread inside.
#[derive(Debug, Default)]
pub struct Owner {
    inside: Mutex<Option<ThreadId>>,
    left: Condvar,
}

impl Owner {
    /// Whether it is this thread.
    pub fn is_inside(&self) -> bool {
        *self.lock() == Some(thread::current().id())
    }

    fn enter(&self) {
        let me = Some(thread::current().id());
        let mut inside = self.lock();
        assert_ne!(*inside, me, "the driver enters its exclusion twice");
        while inside.is_some() {
            let woken = self.left.wait(inside);
            inside = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *inside = me;
    }

    fn leave(&self) {
        *self.lock() = None;
        self.left.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exclusion that panics when a thread that is inside enters again, as a
/// KMUTEX would not.
#[derive(Debug, Clone, Default)]
pub struct CheckedExclusion(pub(super) Arc<Owner>);

impl CheckedExclusion {
    /// Runs `work` inside, as the driver would.
    pub fn inside<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.enter();
        let done = work();
        self.0.leave();
        done
    }
}

// SAFETY: `enter` returns only after it found nobody inside and stored its own
// thread, both under the mutex; only `leave` removes it again, and the mutex
// makes earlier writes visible to the next thread.
#[expect(unsafe_code, reason = "the driver's lock relies on it")]
unsafe impl Exclusion for CheckedExclusion {
    fn enter(&self) {
        self.0.enter();
    }

    unsafe fn leave(&self) {
        self.0.leave();
    }
}
