//! Ctrl-C, which Windows reports on a thread of its own.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::imports::{
    CreateEventW, Handle, SetConsoleCtrlHandler, SetEvent, Sleep, WaitForSingleObject,
};

/// CTRL_C_EVENT and CTRL_BREAK_EVENT; higher ones end the program.
const BREAK: u32 = 1;
/// WAIT_OBJECT_0.
const SIGNALLED: u32 = 0;

/// The event that Ctrl-C sets; null until [`catch`]. It is never closed.
static PRESSED: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(ptr::null_mut());

/// From now on Ctrl-C sets the event.
pub(super) fn catch() {
    // SAFETY: security and name are null; the event stays set.
    let event: Handle = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
    if event.is_null() {
        // Ctrl-C then ends the program as usual.
        return;
    }
    PRESSED.store(event, Ordering::Release);
    // SAFETY: the function exists as long as the program, and only sets the event.
    unsafe { SetConsoleCtrlHandler(pressed, 1) };
}

unsafe extern "system" fn pressed(event_kind: u32) -> i32 {
    if event_kind > BREAK {
        return 0;
    }
    // SAFETY: the event was made before this function was registered.
    unsafe { SetEvent(PRESSED.load(Ordering::Acquire)) };
    1
}

/// Waits; returns whether Ctrl-C was pressed.
pub(super) fn wait(milliseconds: u32) -> bool {
    let event = PRESSED.load(Ordering::Acquire);
    if event.is_null() {
        // SAFETY: no preconditions.
        unsafe { Sleep(milliseconds) };
        return false;
    }
    // SAFETY: the event is open.
    unsafe { WaitForSingleObject(event, milliseconds) == SIGNALLED }
}
