//! Message boxes, the clipboard, folders, other users, and the single instance of a session.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use tcplimit_xp::Win32Error;

use super::imports::{
    CloseClipboard, CreateMutexW, EmptyClipboard, GlobalAlloc, GlobalFree, GlobalLock,
    GlobalUnlock, MessageBoxA, MessageBoxW, OpenClipboard, SHGetFolderPathW, SetClipboardData,
    ShellExecuteW,
};
use super::window::Window;
use crate::os_win32::handle::{HandleKind, OwnedHandle, last_error};
use crate::os_win32::wide::{narrow, wide};

/// CSIDL_PERSONAL: My Documents.
const DOCUMENTS: i32 = 5;
/// MAX_PATH.
const LONGEST: usize = 260;
/// CF_UNICODETEXT, GMEM_MOVEABLE.
const UNICODE_TEXT: u32 = 13;
const MOVEABLE: u32 = 2;
/// IDYES.
const YES: i32 = 6;
/// SW_SHOW.
const SHOW: i32 = 5;
/// ShellExecute returns more than this on success.
const LARGEST_ERROR: isize = 32;
/// ERROR_CANCELLED: the user cancelled.
const CANCELLED: Win32Error = Win32Error(1223);

/// The kind of a message box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// MB_ICONINFORMATION.
    Information = 0x40,
    /// MB_ICONWARNING.
    Warning = 0x30,
    /// MB_ICONQUESTION with MB_YESNO and MB_DEFBUTTON2: "No" is the default.
    Question = 0x20 | 0x4 | 0x100,
}

/// Shows a message over the window; returns whether "Yes" was chosen.
pub(crate) fn message_box(window: Window, kind: MessageKind, text: &str) -> bool {
    let (text, title) = (wide(text), wide("tcplimit"));
    // SAFETY: both texts end in a NUL.
    unsafe { MessageBoxW(window.0, text.as_ptr(), title.as_ptr(), kind as u32) == YES }
}

/// Shows a message without allocating memory.
pub(crate) fn message_box_without_heap(text: &CStr) {
    // SAFETY: both texts end in a NUL. MB_ICONERROR.
    unsafe {
        MessageBoxA(
            ptr::null_mut(),
            text.as_ptr().cast(),
            c"tcplimit".as_ptr().cast(),
            0x10,
        )
    };
}

/// Puts text onto the clipboard; returns whether it succeeded.
pub(crate) fn copy(window: Window, text: &str) -> bool {
    let units = wide(text);
    // SAFETY: any window of this program may open it.
    if unsafe { OpenClipboard(window.0) } == 0 {
        return false;
    }
    // SAFETY: the clipboard is open.
    unsafe { EmptyClipboard() };
    let is_there = put(&units);
    // SAFETY: it is open.
    unsafe { CloseClipboard() };
    is_there
}

/// Gives a copy to the open clipboard.
fn put(units: &[u16]) -> bool {
    // SAFETY: no preconditions.
    let memory = unsafe { GlobalAlloc(MOVEABLE, units.len().saturating_mul(2)) };
    if memory.is_null() {
        return false;
    }
    // SAFETY: the memory is this program's.
    let place = unsafe { GlobalLock(memory) };
    if !place.is_null() {
        // SAFETY: the buffer has room for that many units, which lie elsewhere.
        unsafe { ptr::copy_nonoverlapping(units.as_ptr(), place.cast(), units.len()) };
    }
    // SAFETY: it was locked.
    unsafe { GlobalUnlock(memory) };
    // SAFETY: the clipboard is open; on success it owns the memory.
    if unsafe { SetClipboardData(UNICODE_TEXT, memory) }.is_null() {
        // SAFETY: the clipboard did not take it.
        unsafe { GlobalFree(memory) };
        return false;
    }
    true
}

/// The folder of the user's documents.
///
/// # Errors
/// If there is none.
pub(crate) fn documents() -> Result<String, Win32Error> {
    let mut path: Vec<u16> = alloc::vec![0; LONGEST];
    // SAFETY: the buffer has room for MAX_PATH units; null is no window and this user.
    let result = unsafe {
        SHGetFolderPathW(
            ptr::null_mut(),
            DOCUMENTS,
            ptr::null_mut(),
            0,
            path.as_mut_ptr(),
        )
    };
    match result {
        0 => narrow(&path),
        _ => Err(Win32Error::PATH_NOT_FOUND),
    }
}

/// Starts a program as another user, whom Windows asks for. Returns false if the user cancelled.
///
/// # Errors
/// If it was not started.
pub(crate) fn run_as(window: Window, program: &str, folder: &str) -> Result<bool, Win32Error> {
    let [verb, program, folder] = ["runas", program, folder].map(wide);
    // SAFETY: all texts end in a NUL; null is no arguments.
    let result = unsafe {
        ShellExecuteW(
            window.0,
            verb.as_ptr(),
            program.as_ptr(),
            ptr::null(),
            folder.as_ptr(),
            SHOW,
        )
    };
    if result > LARGEST_ERROR {
        return Ok(true);
    }
    match last_error() {
        CANCELLED | Win32Error(0) => Ok(false),
        error => Err(error),
    }
}

/// The mutex of the instance in this session.
#[derive(Debug)]
pub(crate) struct Instance {
    _mutex: OwnedHandle,
}

impl Instance {
    /// Takes the mutex; `None` if another instance has it. An instance of another user may have one
    /// that can't be opened.
    pub(crate) fn take(name: &str) -> Option<Instance> {
        let name = wide(&format!("Local\\{name}"));
        // SAFETY: the name ends in a NUL; null is the usual security.
        let mutex = unsafe { CreateMutexW(ptr::null(), 0, name.as_ptr()) };
        let error = last_error();
        let mutex = OwnedHandle::new(mutex, HandleKind::Object).ok()?;
        (error != Win32Error::ALREADY_EXISTS).then_some(Instance { _mutex: mutex })
    }
}
