//! Counts the GDI and USER objects that the program creates at run time: it must delete as many.
//!
//! Windows limits a process to 10,000 of each, and a window that runs for weeks must not use them
//! up. A test runs the window for minutes, each night for an hour, and compares: see
//! `tcplimitw.objects`.

use core::sync::atomic::{AtomicU32, Ordering};

use super::imports::{DeleteDC, DeleteObject, DestroyMenu};
use crate::os_win32::imports::Handle;

/// Objects created and not yet deleted.
static LIVE: AtomicU32 = AtomicU32::new(0);

/// Counts a created object, unless it is null.
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

/// The present number of objects.
pub(super) fn live_count() -> u32 {
    LIVE.load(Ordering::Relaxed)
}

/// Deletes a pen, bitmap or font that no device context has selected.
pub(super) fn delete_object(object: Handle) {
    // SAFETY: it is of this program; Windows refuses one that is selected, or is none.
    count_deleted(unsafe { DeleteObject(object) });
}

/// Deletes a memory device context.
pub(super) fn delete_dc(dc: Handle) {
    // SAFETY: it is of this program, and nobody uses it after.
    count_deleted(unsafe { DeleteDC(dc) });
}

/// Destroys a menu that no window has. Its submenus are not counted.
pub(super) fn destroy_menu(menu: Handle) {
    // SAFETY: it is of this program, and nobody uses it after.
    count_deleted(unsafe { DestroyMenu(menu) });
}
