//! The lock that the driver is shipped with, in every order in which threads
//! can take their steps: one at a time, and each sees what was done before.
//!
//! `loom` tries the orders. It stands in for the system at the two places that
//! the lock leaves open, the exclusion and the place of the value, and it
//! notices when two threads are at the value at once, or one without having
//! seen what another did. That it does is shown with exclusions that fail.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use tcplimit_driver::{Exclusion, Lock, RawCell};

/// The value's place, where `loom` watches who is at it.
struct CheckedExclusion<T>(UnsafeCell<T>);

// SAFETY: the cell owns its value, `with_mut` points to it, and to change it
// through that pointer is what it is for.
#[expect(unsafe_code, reason = "the checker's place for the lock's value")]
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

// SAFETY: `taken` is set by the thread inside and by no other until it leaves,
// and both go through the mutex, which makes one thread's work seen by the next.
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

/// Keeps nobody out.
struct Open;

// SAFETY: none. It breaks the promise, for `loom` to notice; and it does before
// two threads are at the value.
#[expect(unsafe_code, reason = "broken on purpose")]
unsafe impl Exclusion for Open {
    fn enter(&self) {}
    unsafe fn leave(&self) {}
}

/// Keeps others out, but does not make them see what was done inside.
struct Unseen(AtomicBool);

// SAFETY: none, as `Open`: the flag's order says nothing of the value.
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

/// Lets two threads in at once after the first has left: an exclusion that
/// forgets to close the door behind itself.
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

/// What the lock holds here: who was in, in order, and how often that was.
#[derive(Default)]
struct Visits {
    count: usize,
    threads: Vec<usize>,
}

/// Each of so many threads comes in so often, reads, lets others run, and
/// writes what it read and one more.
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
        // Were it still taken, `loom` would report that nobody can go on.
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
