//! Windows: their properties and messages.

use alloc::string::String;
use core::ptr;

use tcplimit_xp::Win32Error;
use tcplimit_xp::window::Rect;

use super::imports::{
    AdjustWindowRectEx, CreateWindowExW, DestroyWindow, EnableWindow, FindWindowW, GetClientRect,
    GetFocus, GetWindowTextW, InvalidateRect, IsIconic, MoveWindow, PostMessageW, PostQuitMessage,
    RegisterWindowMessageW, SendMessageW, SetFocus, SetForegroundWindow, SetTimer, SetWindowTextW,
    ShowWindow,
};
use crate::os_win32::handle::last_error;
use crate::os_win32::imports::{GetModuleHandleW, Handle};
use crate::os_win32::wide::{narrow, wide};

/// WS_CHILD.
pub(super) const CHILD: u32 = 0x4000_0000;
/// WS_OVERLAPPEDWINDOW with WS_CLIPCHILDREN.
const MAIN: u32 = 0x00CF_0000 | 0x0200_0000;
/// CW_USEDEFAULT.
const ANYWHERE: i32 = i32::MIN;
/// SW_HIDE, SW_SHOW, SW_RESTORE.
const HIDE: i32 = 0;
const SHOW: i32 = 5;
const RESTORE: i32 = 9;
/// The longest text to read, in units.
const LONGEST: i32 = 64;
/// The only timer, and its milliseconds.
const TIMER: usize = 1;
const SECOND: u32 = 1000;

/// A window of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window(pub(super) Handle);

/// Options for creating a window.
pub(super) struct WindowOptions<'a> {
    pub(super) class: &'a str,
    pub(super) text: &'a str,
    pub(super) style: u32,
    pub(super) extended: u32,
    pub(super) area: [i32; 4],
    pub(super) parent: Handle,
    /// A menu, or the ID of a child.
    pub(super) menu: Handle,
}

/// The module of the program.
pub(super) fn module() -> Handle {
    // SAFETY: null is this program.
    unsafe { GetModuleHandleW(ptr::null()) }
}

impl Window {
    pub(super) fn make(options: &WindowOptions<'_>) -> Result<Window, Win32Error> {
        let (class, text) = (wide(options.class), wide(options.text));
        let [x, y, width, height] = options.area;
        // SAFETY: both texts end in a NUL; any handles are allowed.
        let window = unsafe {
            CreateWindowExW(
                options.extended,
                class.as_ptr(),
                text.as_ptr(),
                options.style,
                x,
                y,
                width,
                height,
                options.parent,
                options.menu,
                module(),
                ptr::null(),
            )
        };
        match window.is_null() {
            true => Err(last_error()),
            false => Ok(Window(window)),
        }
    }

    /// Creates the program's main window, hidden, with an inside of that size.
    pub(crate) fn main(
        class: &str,
        title: &str,
        menu: Handle,
        inside: (i32, i32),
    ) -> Result<Window, Win32Error> {
        let (width, height) = outside(inside);
        Window::make(&WindowOptions {
            class,
            text: title,
            style: MAIN,
            extended: 0,
            area: [ANYWHERE, ANYWHERE, width, height],
            parent: ptr::null_mut(),
            menu,
        })
    }

    /// Finds the window of that class in any process of this desktop.
    pub(crate) fn find(class: &str) -> Option<Window> {
        let class = wide(class);
        // SAFETY: the name ends in a NUL; null is any title.
        let window = unsafe { FindWindowW(class.as_ptr(), ptr::null()) };
        (!window.is_null()).then_some(Window(window))
    }

    /// Sends a message whose parameters are numbers.
    pub(crate) fn send(self, message: u32, wide: usize, long: isize) -> isize {
        // SAFETY: callers pass messages of controls that take numbers.
        unsafe { SendMessageW(self.0, message, wide, long) }
    }

    /// Sends a message that takes a text.
    pub(crate) fn send_text(self, message: u32, text: &str) {
        let text = wide(text);
        // SAFETY: the text ends in a NUL, and the message is handled before this returns.
        unsafe { SendMessageW(self.0, message, 0, text.as_ptr() as isize) };
    }

    /// Sends a message that takes numbers and their count.
    pub(crate) fn send_numbers(self, message: u32, numbers: &[i32]) {
        // SAFETY: the slice holds that many numbers; the message is handled before this returns.
        unsafe { SendMessageW(self.0, message, numbers.len(), numbers.as_ptr() as isize) };
    }

    /// Posts a message whose parameters are numbers.
    pub(crate) fn post(self, message: u32) {
        // SAFETY: no preconditions; numbers are passed.
        unsafe { PostMessageW(self.0, message, 0, 0) };
    }

    pub(crate) fn set_text(self, text: &str) {
        let text = wide(text);
        // SAFETY: the text ends in a NUL.
        unsafe { SetWindowTextW(self.0, text.as_ptr()) };
    }

    /// Its text, if short.
    pub(crate) fn text(self) -> String {
        let mut units = [0; LONGEST as usize];
        // SAFETY: the buffer has room for that many units.
        unsafe { GetWindowTextW(self.0, units.as_mut_ptr(), LONGEST) };
        narrow(&units).unwrap_or_default()
    }

    pub(crate) fn place(self, area: &Rect) {
        let Rect { left, top, .. } = *area;
        // SAFETY: no preconditions.
        unsafe { MoveWindow(self.0, left, top, area.width(), area.height(), 1) };
    }

    pub(crate) fn show(self, is_shown: bool) {
        // SAFETY: no preconditions.
        unsafe { ShowWindow(self.0, if is_shown { SHOW } else { HIDE }) };
    }

    /// Shows it in front of all others.
    pub(crate) fn bring_up(self) {
        // SAFETY: no preconditions.
        let is_iconic = unsafe { IsIconic(self.0) } != 0;
        // SAFETY: no preconditions.
        unsafe { ShowWindow(self.0, if is_iconic { RESTORE } else { SHOW }) };
        // SAFETY: no preconditions.
        unsafe { SetForegroundWindow(self.0) };
    }

    /// Gives it the keyboard, shown or not.
    pub(crate) fn to_front(self) {
        // SAFETY: no preconditions.
        unsafe { SetForegroundWindow(self.0) };
    }

    pub(crate) fn enable(self, is_enabled: bool) {
        // SAFETY: no preconditions.
        unsafe { EnableWindow(self.0, is_enabled.into()) };
    }

    /// Requests a repaint.
    pub(crate) fn invalidate(self) {
        // SAFETY: null is the whole window.
        unsafe { InvalidateRect(self.0, ptr::null(), 0) };
    }

    /// The width and height of its inside.
    pub(crate) fn size(self) -> (i32, i32) {
        let mut area = [0; 4];
        // SAFETY: `area` is written.
        unsafe { GetClientRect(self.0, &mut area) };
        let [_, _, width, height] = area;
        (width, height)
    }

    pub(crate) fn focus(self) {
        // SAFETY: no preconditions.
        unsafe { SetFocus(self.0) };
    }

    pub(crate) fn has_focus(self) -> bool {
        // SAFETY: no preconditions.
        unsafe { GetFocus() == self.0 }
    }

    /// Starts the timer of one second.
    pub(crate) fn start_timer(self) {
        // SAFETY: null: the message goes to the window.
        unsafe { SetTimer(self.0, TIMER, SECOND, ptr::null()) };
    }

    pub(crate) fn destroy(self) {
        // SAFETY: no preconditions.
        unsafe { DestroyWindow(self.0) };
    }
}

/// The window that has the keyboard.
pub(crate) fn focused() -> Window {
    // SAFETY: no preconditions.
    Window(unsafe { GetFocus() })
}

/// The outer size of a main window with a menu and that inside.
pub(crate) fn outside((width, height): (i32, i32)) -> (i32, i32) {
    let mut area = [0, 0, width, height];
    // SAFETY: `area` is read and written.
    unsafe { AdjustWindowRectEx(&mut area, MAIN, 1, 0) };
    let [left, top, right, bottom] = area;
    (right - left, bottom - top)
}

/// Ends the message loop.
pub(crate) fn quit() {
    // SAFETY: no preconditions.
    unsafe { PostQuitMessage(0) };
}

/// The number of a registered message.
pub(crate) fn message(name: &str) -> u32 {
    let name = wide(name);
    // SAFETY: the name ends in a NUL.
    unsafe { RegisterWindowMessageW(name.as_ptr()) }
}
