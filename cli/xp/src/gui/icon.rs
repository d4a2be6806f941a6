//! The program's icon, and its entry in the notification area.

use super::imports::{GetSystemMetrics, LoadImageW, NotifyIcon, Shell_NotifyIconW};
use super::window::{Window, module};
use crate::os_win32::handle::length;
use crate::os_win32::imports::Handle;

/// WM_APP + 1: messages from the icon to the window.
pub(super) const MESSAGE: u32 = 0x8001;
/// NIM_ADD, NIM_MODIFY, NIM_DELETE.
const ADD: u32 = 0;
const MODIFY: u32 = 1;
const DELETE: u32 = 2;
/// NIF_MESSAGE | NIF_ICON | NIF_TIP, and NIF_INFO.
const ALL: u32 = 1 | 2 | 4;
const BALLOON: u32 = 0x10;
/// NIIF_WARNING.
const WARNING: u32 = 2;
/// IMAGE_ICON, LR_SHARED.
const IMAGE_ICON: u32 = 1;
const SHARED: u32 = 0x8000;
/// The icon's number in the resources.
const ICON: usize = 1;

/// The size of an icon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// SM_CXICON.
    Large = 11,
    /// SM_CXSMICON.
    Small = 49,
}

/// The program's icon; null if it has none. Windows owns it.
pub(super) fn load(size: Size) -> Handle {
    // SAFETY: no preconditions.
    let size = unsafe { GetSystemMetrics(size as i32) };
    // SAFETY: the number names a resource of this program.
    unsafe { LoadImageW(module(), ICON, IMAGE_ICON, size, size, SHARED) }
}

/// Copies a text with its NUL, truncated to the buffer.
fn put(text: &str, room: &mut [u16]) {
    let Some((last, room)) = room.split_last_mut() else {
        return;
    };
    *last = 0;
    room.fill(0);
    for (unit, place) in text.encode_utf16().zip(room) {
        *place = unit;
    }
}

fn notify_icon(window: Window, flags: u32) -> NotifyIcon {
    NotifyIcon {
        size: length(size_of::<NotifyIcon>()),
        window: window.0,
        id: 1,
        flags,
        message: MESSAGE,
        icon: load(Size::Small),
        tip: [0; 128],
        state: [0; 2],
        text: [0; 256],
        timeout: 0,
        title: [0; 64],
        text_flags: 0,
    }
}

fn send(message: u32, icon: &NotifyIcon) -> bool {
    // SAFETY: the structure states its own size, and its texts end in a NUL.
    unsafe { Shell_NotifyIconW(message, icon) != 0 }
}

/// Shows the icon; returns whether a notification area accepted it.
pub(crate) fn add(window: Window, tip: &str) -> bool {
    let mut icon = notify_icon(window, ALL);
    put(tip, &mut icon.tip);
    send(ADD, &icon)
}

/// Changes its tooltip.
pub(crate) fn set_tip(window: Window, tip: &str) {
    let mut icon = notify_icon(window, ALL);
    put(tip, &mut icon.tip);
    send(MODIFY, &icon);
}

/// Shows a balloon at the icon.
pub(crate) fn balloon(window: Window, title: &str, text: &str) {
    let mut icon = notify_icon(window, BALLOON);
    put(text, &mut icon.text);
    put(title, &mut icon.title);
    icon.text_flags = WARNING;
    send(MODIFY, &icon);
}

/// Removes the icon.
pub(crate) fn remove(window: Window) {
    send(DELETE, &notify_icon(window, 0));
}
