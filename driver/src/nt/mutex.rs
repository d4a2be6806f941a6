//! One thread at a time, by a mutex of NT.

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

/// A mutex object in a critical region: the thread can be neither suspended
/// nor ended inside, and it stays at PASSIVE_LEVEL, as registry calls need.
pub(super) struct Mutex {
    object: UnsafeCell<MaybeUninit<KMUTANT>>,
    /// Whether a thread is inside: a mutex object lets its owner in again.
    inside: AtomicBool,
}

// SAFETY: NT's calls, which are made for use from any thread, are all that
// touches the object once `initialize` is done.
unsafe impl Sync for Mutex {}

impl Mutex {
    /// A mutex that is not usable before [`Mutex::initialize`].
    pub(super) const fn new() -> Mutex {
        Mutex {
            object: UnsafeCell::new(MaybeUninit::uninit()),
            inside: AtomicBool::new(false),
        }
    }

    /// Makes it usable.
    ///
    /// # Safety
    /// Once for each load, before any other use, and it must not be moved
    /// afterwards.
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

// SAFETY: NT lets one thread at a time own a mutex object, and gives it on with
// full barriers. The wait is not alertable, in kernel mode and without timeout,
// so it returns only with the object. Should its owner wait for it again, it
// stays in `enter` for good.
unsafe impl Exclusion for Mutex {
    fn enter(&self) {
        // SAFETY: at PASSIVE_LEVEL; `leave` has the counterpart.
        unsafe { KeEnterCriticalRegion() };
        // SAFETY: the object is initialised: DriverEntry does that first.
        unsafe {
            KeWaitForSingleObject(self.object().cast(), EXECUTIVE, KERNEL_MODE, 0, null_mut())
        };
        // Never true: nothing that is called inside comes back here. Were it,
        // a thread that hangs is better than two references to one value.
        while self.inside.swap(true, Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    }

    unsafe fn leave(&self) {
        self.inside.store(false, Ordering::Relaxed);
        // SAFETY: this thread owns it since `enter`; no wait follows.
        unsafe { KeReleaseMutex(self.object(), 0) };
        // SAFETY: the counterpart is in `enter`, in the same thread.
        unsafe { KeLeaveCriticalRegion() };
    }
}
