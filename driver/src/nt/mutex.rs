//! The driver's exclusion: a mutex of NT.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use tcplimit_driver::Exclusion;

use super::imports::{
    KeEnterCriticalRegion, KeInitializeMutex, KeLeaveCriticalRegion, KeReleaseMutex,
    KeWaitForSingleObject,
};
use super::types::KMUTANT;

/// KWAIT_REASON: Executive.
const EXECUTIVE: i32 = 0;
/// KPROCESSOR_MODE: KernelMode.
const KERNEL_MODE: i8 = 0;

/// A mutex object in a critical region: the thread inside can be neither
/// suspended nor ended, and stays at PASSIVE_LEVEL, as registry calls need.
pub(super) struct Mutex {
    object: UnsafeCell<MaybeUninit<KMUTANT>>,
    /// Whether a thread is inside, since a mutex object admits its owner again.
    inside: AtomicBool,
}

// SAFETY: once `initialize` is done, only NT's calls touch the object, and any
// thread may make them.
unsafe impl Sync for Mutex {}

impl Mutex {
    /// A mutex that must be initialised before use.
    pub(super) const fn new() -> Mutex {
        Mutex {
            object: UnsafeCell::new(MaybeUninit::uninit()),
            inside: AtomicBool::new(false),
        }
    }

    /// Initialises the mutex.
    ///
    /// # Safety
    /// Called once for each load, before any other use; the mutex must not be
    /// moved afterwards.
    pub(super) unsafe fn initialize(&self) {
        self.inside.store(false, Ordering::Relaxed);
        // SAFETY: the object lies in memory that is never paged out (a driver's
        // data is not), and by contract nobody uses it yet.
        unsafe { KeInitializeMutex(self.object(), 0) };
    }

    fn object(&self) -> *mut KMUTANT {
        self.object.get().cast()
    }
}

// SAFETY: NT lets one thread at a time own a mutex object, and passes it on with
// full barriers. The wait is not alertable, in kernel mode and without timeout,
// so it returns only with the object. If its owner enters again, it never
// returns from `enter`.
unsafe impl Exclusion for Mutex {
    fn enter(&self) {
        // SAFETY: at PASSIVE_LEVEL; `leave` has the counterpart.
        unsafe { KeEnterCriticalRegion() };
        // SAFETY: DriverEntry has initialised the object.
        unsafe {
            KeWaitForSingleObject(self.object().cast(), EXECUTIVE, KERNEL_MODE, 0, null_mut())
        };
        // Never true: nothing called inside enters again. If it did, a thread
        // that hangs is better than two references to one value.
        while self.inside.swap(true, Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    }

    unsafe fn leave(&self) {
        self.inside.store(false, Ordering::Relaxed);
        // SAFETY: this thread has owned it since `enter`; no wait follows.
        unsafe { KeReleaseMutex(self.object(), 0) };
        // SAFETY: the counterpart is in `enter`, in the same thread.
        unsafe { KeLeaveCriticalRegion() };
    }
}
