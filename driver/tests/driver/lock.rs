//! The shipped lock, in every interleaving of its threads: they hold the value
//! one at a time, and each sees the earlier writes.
//!
//! `loom` tries the interleavings. It replaces the lock's two parameters, the
//! exclusion and the value's cell, and detects when two threads hold the value
//! at once, or one without having seen another's write. Faulty exclusions show
//! that it does.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use tcplimit_driver::{Exclusion, Lock, RawCell};

/// The value's cell, whose accesses `loom` checks.
struct CheckedExclusion<T>(UnsafeCell<T>);

// SAFETY: the cell owns its value, and `with_mut` points to it for mutation.
#[expect(unsafe_code, reason = "the checker's cell for the lock's value")]
unsafe impl<T> RawCell<T> for CheckedExclusion<T> {
    fn with<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(work)
    }
}

/// Waits as a thread waits for a KMUTEX.
struct Waiting {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Waiting {
    fn new() -> Self {
        Waiting {
            taken: Mutex::new(false),
            free: Condvar::new(),
        }
    }
}

// SAFETY: only the thread inside sets `taken` until it leaves, and both go through
// the mutex, which makes one thread's writes visible to the next.
#[expect(unsafe_code, reason = "the exclusion under which the lock is checked")]
unsafe impl Exclusion for Waiting {
    fn enter(&self) {
        let mut taken = self.taken.lock().unwrap();
        while *taken {
            taken = self.free.wait(taken).unwrap();
        }
        *taken = true;
    }

    unsafe fn leave(&self) {
        *self.taken.lock().unwrap() = false;
        self.free.notify_one();
    }
}

/// Excludes nobody.
struct Open;

// SAFETY: none. It breaks the contract on purpose; `loom` detects that before two
// threads hold the value.
#[expect(unsafe_code, reason = "broken on purpose")]
unsafe impl Exclusion for Open {
    fn enter(&self) {}
    unsafe fn leave(&self) {}
}

/// Excludes others, but publishes no writes.
struct Unseen(AtomicBool);

// SAFETY: none, as `Open`: the flag's memory order does not cover the value.
#[expect(unsafe_code, reason = "broken on purpose")]
unsafe impl Exclusion for Unseen {
    fn enter(&self) {
        let (free, taken) = (false, true);
        while self
            .0
            .compare_exchange(free, taken, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            thread::yield_now();
        }
    }

    unsafe fn leave(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Admits two threads at once after the first has left.
struct OpenOnceLeft {
    waiting: Waiting,
    left: AtomicBool,
}

// SAFETY: none, as `Open`.
#[expect(unsafe_code, reason = "broken on purpose")]
unsafe impl Exclusion for OpenOnceLeft {
    fn enter(&self) {
        if !self.left.load(Ordering::SeqCst) {
            self.waiting.enter();
        }
    }

    unsafe fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
        // SAFETY: the caller is inside, if anybody is.
        unsafe { self.waiting.leave() };
    }
}

/// The lock's value: the threads that were inside, in order, and their number.
#[derive(Default)]
struct Visits {
    count: usize,
    threads: Vec<usize>,
}

/// Each of `threads` threads enters `times` times, reads the count, yields, and
/// writes the count plus one.
fn visit<E: Exclusion + Send + Sync + 'static>(
    threads: usize,
    times: usize,
    exclusion: impl Fn() -> E + Send + Sync + 'static,
) {
    loom::model(move || {
        let place = CheckedExclusion(UnsafeCell::new(Visits::default()));
        let lock = Arc::new(Lock::with_cell(place, exclusion()));
        let come = move |thread: usize, lock: &Lock<Visits, E, CheckedExclusion<Visits>>| {
            for _ in 0..times {
                lock.with(|visits| {
                    let count = visits.count;
                    thread::yield_now();
                    visits.count = count + 1;
                    visits.threads.push(thread);
                });
            }
        };
        let others: Vec<_> = (1..threads)
            .map(|thread| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || come(thread, &lock))
            })
            .collect();
        come(0, &lock);
        for other in others {
            other.join().unwrap();
        }
        lock.with(|visits| {
            assert_eq!(visits.count, threads * times, "an update was lost");
            for thread in 0..threads {
                let own = visits.threads.iter().filter(|&&own| own == thread);
                assert_eq!(own.count(), times, "a visit was lost");
            }
        });
    });
}

#[test]
fn two_threads_never_hold_the_value_at_once_and_see_each_others_writes() {
    visit(2, 2, Waiting::new);
}

#[test]
fn three_threads_never_hold_the_value_at_once_and_see_each_others_writes() {
    visit(3, 1, Waiting::new);
}

#[test]
fn a_panic_inside_releases_the_lock() {
    loom::model(|| {
        let place = CheckedExclusion(UnsafeCell::new(0));
        let lock = Lock::with_cell(place, Waiting::new());
        let work = || lock.with(|_| std::panic::resume_unwind(Box::new("out")));
        let panicked: Result<(), _> = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        assert!(panicked.is_err());
        // If it were still taken, `loom` would report a deadlock.
        lock.with(|value| *value += 1);
        assert_eq!(lock.with(|value| *value), 1);
    });
}

#[test]
#[should_panic(expected = "currently writing to cell")]
fn an_exclusion_that_admits_two_threads_is_detected() {
    visit(2, 1, || Open);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn an_exclusion_that_publishes_no_writes_is_detected() {
    visit(2, 1, || Unseen(AtomicBool::new(false)));
}

#[test]
#[should_panic(expected = "currently writing to cell")]
fn an_exclusion_that_excludes_nobody_is_detected() {
    visit(3, 1, || OpenOnceLeft {
        waiting: Waiting::new(),
        left: AtomicBool::new(false),
    });
}
