//! Functions that the window imports. Each is documented as present since Windows 2000 or XP, and
//! `cargo xtask driver` checks the names against the exports of real systems.

use core::ffi::c_void;

use crate::os_win32::imports::Handle;

/// A window procedure.
pub(super) type Procedure = unsafe extern "system" fn(Handle, u32, usize, isize) -> isize;

imports! { "kernel32.dll":
    pub(super) fn CreateMutexW(security: *const c_void, owned: i32, name: *const u16) -> Handle;
    pub(super) fn GlobalAlloc(flags: u32, bytes: usize) -> Handle;
    pub(super) fn GlobalFree(memory: Handle) -> Handle;
    pub(super) fn GlobalLock(memory: Handle) -> *mut c_void;
    pub(super) fn GlobalUnlock(memory: Handle) -> i32;
}

imports! { "comctl32.dll":
    pub(super) fn InitCommonControlsEx(classes: *const [u32; 2]) -> i32;
}

imports! { "shell32.dll":
    pub(super) fn SHGetFolderPathW(
        window: Handle,
        folder: i32,
        token: Handle,
        flags: u32,
        path: *mut u16,
    ) -> i32;
    pub(super) fn ShellExecuteW(
        window: Handle,
        verb: *const u16,
        file: *const u16,
        words: *const u16,
        folder: *const u16,
        show: i32,
    ) -> isize;
    pub(super) fn Shell_NotifyIconW(message: u32, icon: *const NotifyIcon) -> i32;
}

imports! { "gdi32.dll":
    pub(super) fn BitBlt(
        to: Handle,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        from: Handle,
        from_x: i32,
        from_y: i32,
        operation: u32,
    ) -> i32;
    pub(super) fn CreateCompatibleBitmap(dc: Handle, width: i32, height: i32) -> Handle;
    pub(super) fn CreateCompatibleDC(dc: Handle) -> Handle;
    pub(super) fn CreateDIBSection(
        dc: Handle,
        info: *const BitmapInfo,
        usage: u32,
        bits: *mut *mut u8,
        section: Handle,
        offset: u32,
    ) -> Handle;
    pub(super) fn CreateFontIndirectW(font: *const [u32; 23]) -> Handle;
    pub(super) fn CreatePen(style: i32, width: i32, color: u32) -> Handle;
    pub(super) fn DeleteDC(dc: Handle) -> i32;
    pub(super) fn DeleteObject(object: Handle) -> i32;
    pub(super) fn ExtTextOutW(
        dc: Handle,
        x: i32,
        y: i32,
        options: u32,
        area: *const [i32; 4],
        text: *const u16,
        units: u32,
        distances: *const i32,
    ) -> i32;
    pub(super) fn GdiFlush() -> i32;
    pub(super) fn GetTextExtentPoint32W(
        dc: Handle,
        text: *const u16,
        units: i32,
        size: *mut [i32; 2],
    ) -> i32;
    pub(super) fn Polyline(dc: Handle, points: *const [i32; 2], count: i32) -> i32;
    pub(super) fn SelectObject(dc: Handle, object: Handle) -> Handle;
    pub(super) fn SetBkColor(dc: Handle, color: u32) -> u32;
    pub(super) fn SetBkMode(dc: Handle, mode: i32) -> i32;
    pub(super) fn SetTextColor(dc: Handle, color: u32) -> u32;
}

imports! { "user32.dll":
    pub(super) fn AdjustWindowRectEx(
        area: *mut [i32; 4],
        style: u32,
        menu: i32,
        extended: u32,
    ) -> i32;
    pub(super) fn AppendMenuW(menu: Handle, flags: u32, id: usize, label: *const u16) -> i32;
    pub(super) fn BeginPaint(window: Handle, paint: *mut Paint) -> Handle;
    pub(super) fn CallWindowProcW(
        procedure: Procedure,
        window: Handle,
        message: u32,
        wide: usize,
        long: isize,
    ) -> isize;
    pub(super) fn CheckMenuItem(menu: Handle, id: u32, flags: u32) -> u32;
    pub(super) fn CloseClipboard() -> i32;
    pub(super) fn CreateAcceleratorTableW(keys: *const [u16; 3], count: i32) -> Handle;
    pub(super) fn CreateMenu() -> Handle;
    pub(super) fn CreatePopupMenu() -> Handle;
    pub(super) fn CreateWindowExW(
        extended: u32,
        class: *const u16,
        title: *const u16,
        style: u32,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        parent: Handle,
        menu: Handle,
        module: Handle,
        parameter: *const c_void,
    ) -> Handle;
    pub(super) fn DefWindowProcW(window: Handle, message: u32, wide: usize, long: isize) -> isize;
    pub(super) fn DestroyMenu(menu: Handle) -> i32;
    pub(super) fn DestroyWindow(window: Handle) -> i32;
    pub(super) fn DispatchMessageW(message: *const Message) -> isize;
    pub(super) fn EmptyClipboard() -> i32;
    pub(super) fn EnableWindow(window: Handle, enable: i32) -> i32;
    pub(super) fn EndPaint(window: Handle, paint: *const Paint) -> i32;
    pub(super) fn FindWindowW(class: *const u16, title: *const u16) -> Handle;
    pub(super) fn GetClassInfoExW(module: Handle, name: *const u16, class: *mut Class) -> i32;
    pub(super) fn GetClientRect(window: Handle, area: *mut [i32; 4]) -> i32;
    pub(super) fn GetCursorPos(point: *mut [i32; 2]) -> i32;
    pub(super) fn GetFocus() -> Handle;
    pub(super) fn GetMessageW(message: *mut Message, window: Handle, first: u32, last: u32) -> i32;
    pub(super) fn GetSysColor(index: i32) -> u32;
    pub(super) fn GetSystemMetrics(index: i32) -> i32;
    pub(super) fn GetWindowTextW(window: Handle, text: *mut u16, units: i32) -> i32;
    pub(super) fn InvalidateRect(window: Handle, area: *const [i32; 4], erase: i32) -> i32;
    pub(super) fn IsDialogMessageW(window: Handle, message: *const Message) -> i32;
    pub(super) fn IsIconic(window: Handle) -> i32;
    pub(super) fn LoadCursorW(module: Handle, name: usize) -> Handle;
    pub(super) fn LoadImageW(
        module: Handle,
        name: usize,
        kind: u32,
        width: i32,
        height: i32,
        flags: u32,
    ) -> Handle;
    pub(super) fn MessageBoxA(
        window: Handle,
        text: *const u8,
        title: *const u8,
        kind: u32,
    ) -> i32;
    pub(super) fn MessageBoxW(
        window: Handle,
        text: *const u16,
        title: *const u16,
        kind: u32,
    ) -> i32;
    pub(super) fn MoveWindow(
        window: Handle,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        repaint: i32,
    ) -> i32;
    pub(super) fn OpenClipboard(window: Handle) -> i32;
    pub(super) fn PostMessageW(window: Handle, message: u32, wide: usize, long: isize) -> i32;
    pub(super) fn PostQuitMessage(code: i32);
    pub(super) fn RegisterClassExW(class: *const Class) -> u16;
    pub(super) fn RegisterWindowMessageW(name: *const u16) -> u32;
    pub(super) fn SendMessageW(window: Handle, message: u32, wide: usize, long: isize) -> isize;
    pub(super) fn SetClipboardData(format: u32, memory: Handle) -> Handle;
    pub(super) fn SetFocus(window: Handle) -> Handle;
    pub(super) fn SetForegroundWindow(window: Handle) -> i32;
    pub(super) fn SetMenu(window: Handle, menu: Handle) -> i32;
    pub(super) fn SetTimer(
        window: Handle,
        id: usize,
        milliseconds: u32,
        function: *const c_void,
    ) -> usize;
    pub(super) fn SetWindowTextW(window: Handle, text: *const u16) -> i32;
    pub(super) fn ShowWindow(window: Handle, command: i32) -> i32;
    pub(super) fn SystemParametersInfoW(
        action: u32,
        number: u32,
        data: *mut c_void,
        change: u32,
    ) -> i32;
    pub(super) fn TrackPopupMenu(
        menu: Handle,
        flags: u32,
        x: i32,
        y: i32,
        reserved: i32,
        window: Handle,
        area: *const c_void,
    ) -> i32;
    pub(super) fn TranslateAcceleratorW(
        window: Handle,
        table: Handle,
        message: *const Message,
    ) -> i32;
    pub(super) fn TranslateMessage(message: *const Message) -> i32;
}

/// MSG.
#[repr(C)]
pub(super) struct Message {
    pub(super) window: Handle,
    pub(super) message: u32,
    pub(super) wide: usize,
    pub(super) long: isize,
    pub(super) time: u32,
    pub(super) point: [i32; 2],
}

/// WNDCLASSEXW.
#[repr(C)]
pub(super) struct Class {
    pub(super) size: u32,
    pub(super) style: u32,
    pub(super) procedure: Option<Procedure>,
    pub(super) class_extra: i32,
    pub(super) window_extra: i32,
    pub(super) module: Handle,
    pub(super) icon: Handle,
    pub(super) cursor: Handle,
    pub(super) background: Handle,
    pub(super) menu: *const u16,
    pub(super) name: *const u16,
    pub(super) small_icon: Handle,
}

/// PAINTSTRUCT.
#[repr(C)]
pub(super) struct Paint {
    pub(super) dc: Handle,
    pub(super) erase: i32,
    pub(super) area: [i32; 4],
    pub(super) rest: [u32; 10],
}

/// BITMAPINFOHEADER, and no palette.
#[repr(C)]
pub(super) struct BitmapInfo {
    pub(super) size: u32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) planes: u16,
    pub(super) bits: u16,
    pub(super) rest: [u32; 6],
}

/// NOTIFYICONDATAW, as in Windows XP.
#[repr(C)]
pub(super) struct NotifyIcon {
    pub(super) size: u32,
    pub(super) window: Handle,
    pub(super) id: u32,
    pub(super) flags: u32,
    pub(super) message: u32,
    pub(super) icon: Handle,
    pub(super) tip: [u16; 128],
    pub(super) state: [u32; 2],
    pub(super) text: [u16; 256],
    pub(super) timeout: u32,
    pub(super) title: [u16; 64],
    pub(super) text_flags: u32,
}

/// HIGHCONTRASTW.
#[repr(C)]
pub(super) struct HighContrast {
    pub(super) size: u32,
    pub(super) flags: u32,
    pub(super) scheme: *const u16,
}

/// MINMAXINFO.
#[repr(C)]
pub(super) struct MinMaxInfo {
    pub(super) points: [[i32; 2]; 3],
    pub(super) least: [i32; 2],
    pub(super) most: [i32; 2],
}

const _: () = {
    let is_x64 = size_of::<usize>() == 8;
    assert!(size_of::<Message>() == if is_x64 { 48 } else { 28 });
    assert!(size_of::<Class>() == if is_x64 { 80 } else { 48 });
    assert!(size_of::<Paint>() == if is_x64 { 72 } else { 64 });
    assert!(size_of::<NotifyIcon>() == if is_x64 { 952 } else { 936 });
    assert!(size_of::<HighContrast>() == if is_x64 { 16 } else { 12 });
};
const _: () = assert!(size_of::<BitmapInfo>() == 40);
const _: () = assert!(size_of::<MinMaxInfo>() == 40);
