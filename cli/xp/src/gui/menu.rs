//! Menus and keys.

use alloc::vec::Vec;
use core::ptr;

use tcplimit_xp::window::{Command, ICON_MENU, MENUS};

use super::imports::{
    AppendMenuW, CheckMenuItem, CreateAcceleratorTableW, CreateMenu, CreatePopupMenu, GetCursorPos,
    SetMenu, TrackPopupMenu,
};
use super::objects;
use super::window::Window;
use crate::os_win32::imports::Handle;
use crate::os_win32::wide::wide;

/// MF_POPUP, MF_CHECKED.
const POPUP: u32 = 0x10;
const CHECKED: u32 = 8;
/// FVIRTKEY, FCONTROL.
const VIRTUAL_KEY: u16 = 1;
const CONTROL: u16 = 8;

/// The menu bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar(Handle);

fn append(menu: Handle, command: Command, is_checked: bool) {
    let label = wide(command.label());
    let flags = if is_checked { CHECKED } else { 0 };
    // SAFETY: the label ends in a NUL.
    unsafe { AppendMenuW(menu, flags, command.id().into(), label.as_ptr()) };
}

impl Bar {
    /// Creates it; the window that gets it destroys it.
    pub(crate) fn make() -> Bar {
        // SAFETY: no preconditions.
        let bar = objects::count_created(unsafe { CreateMenu() });
        for menu in &MENUS {
            // SAFETY: no preconditions.
            let popup = unsafe { CreatePopupMenu() };
            for &command in menu.commands {
                append(popup, command, false);
            }
            let label = wide(menu.label());
            // SAFETY: the label ends in a NUL; the number is a menu's handle.
            unsafe { AppendMenuW(bar, POPUP, popup.addr(), label.as_ptr()) };
        }
        Bar(bar)
    }

    pub(crate) fn get(self) -> Handle {
        self.0
    }

    /// Puts it onto a window, and destroys the old one.
    pub(crate) fn show(self, window: Window, other: Bar) {
        // SAFETY: both are of this program.
        unsafe { SetMenu(window.0, self.0) };
        objects::destroy_menu(other.0);
    }

    /// Checks or unchecks a command.
    pub(crate) fn check(self, command: Command, is_checked: bool) {
        let flags = if is_checked { CHECKED } else { 0 };
        // SAFETY: no preconditions.
        unsafe { CheckMenuItem(self.0, command.id().into(), flags) };
    }
}

/// Shows the icon's menu at the mouse; the command goes to the window.
pub(crate) fn at_icon(window: Window, hides: bool) {
    // SAFETY: no preconditions.
    let menu = objects::count_created(unsafe { CreatePopupMenu() });
    for command in ICON_MENU {
        append(menu, command, hides && command == Command::HideOnClose);
    }
    let mut point = [0; 2];
    // SAFETY: `point` is written.
    unsafe { GetCursorPos(&mut point) };
    let [x, y] = point;
    // SAFETY: the menu exists; it is shown until the user has chosen.
    unsafe { TrackPopupMenu(menu, 0, x, y, 0, window.0, ptr::null()) };
    objects::destroy_menu(menu);
}

/// The keys of the commands.
#[derive(Debug)]
pub(crate) struct Keys(Handle);

impl Keys {
    /// Creates the table, which stays until the program ends.
    pub(crate) fn make() -> Keys {
        let keys = Command::ALL.into_iter().filter_map(|command| {
            let key = command.key()?;
            let flags = VIRTUAL_KEY | if key.control { CONTROL } else { 0 };
            Some([flags, key.code, command.id()])
        });
        let keys: Vec<[u16; 3]> = keys.collect();
        let count = i32::try_from(keys.len()).unwrap_or(0);
        // SAFETY: the buffer holds that many ACCEL: three numbers of 16 bits each.
        Keys(unsafe { CreateAcceleratorTableW(keys.as_ptr(), count) })
    }

    pub(super) fn get(&self) -> Handle {
        self.0
    }
}
