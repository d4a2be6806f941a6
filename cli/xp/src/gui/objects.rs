//! Objects of GDI and USER that the program makes while it runs, counted: as many must be deleted.
//!
//! Windows gives a process 10,000 of each, and a window that runs for weeks must not use them up.
//! A test has the window live for minutes, each night for an hour, and compares: see `tcplimitw.objects`.

use core::sync::atomic::{AtomicU32, Ordering};

use super::imports::{DeleteDC, DeleteObject, DestroyMenu};
use crate::os_win32::imports::Handle;

/// Those that were made and are not deleted.
static LIVE: AtomicU32 = AtomicU32::new(0);

/// Counts an object that was made; null is none.
pub(super) fn count_created(object: Handle) -> Handle {
    if !object.is_null() {
        LIVE.fetch_add(1, Ordering::Relaxed);
    }
    object
}

fn count_deleted(was_deleted: i32) {
    if was_deleted != 0 {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many there are now.
pub(super) fn live_count() -> u32 {
    LIVE.load(Ordering::Relaxed)
}

/// Deletes a pen, a bitmap or a font that no device context has selected.
pub(super) fn delete_object(object: Handle) {
    // SAFETY: it is of this program; Windows refuses one that is selected, or is none.
    count_deleted(unsafe { DeleteObject(object) });
}

/// Deletes a device context in memory.
pub(super) fn delete_dc(dc: Handle) {
    // SAFETY: it is of this program, and nobody uses it after.
    count_deleted(unsafe { DeleteDC(dc) });
}

/// Destroys a menu that no window has, with those below it, which are not counted.
pub(super) fn destroy_menu(menu: Handle) {
    // SAFETY: it is of this program, and nobody uses it after.
    count_deleted(unsafe { DestroyMenu(menu) });
}
