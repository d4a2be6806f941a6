//! Output: a console, or whatever it was redirected to.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Stream;

use super::handle::length;
use super::imports::{
    FlushConsoleInputBuffer, GetConsoleMode, GetConsoleOutputCP, GetConsoleProcessList,
    GetConsoleScreenBufferInfo, GetOEMCP, GetStdHandle, Handle, InputRecord, ReadConsoleInputW,
    ScreenBuffer, SetConsoleCursorPosition, WideCharToMultiByte, WriteConsoleW, WriteFile,
};

/// STD_OUTPUT_HANDLE and STD_ERROR_HANDLE.
const OUT: u32 = 0xFFFF_FFF5;
const ERROR: u32 = 0xFFFF_FFF4;
/// STD_INPUT_HANDLE.
const INPUT: u32 = 0xFFFF_FFF6;
/// KEY_EVENT.
const KEY: u16 = 1;
/// What a console takes at once: its messages are limited to 64 KB.
const PIECE: usize = 4096;

fn handle(stream: Stream) -> Handle {
    // SAFETY: it has no conditions. What it returns is not ours to close.
    unsafe {
        GetStdHandle(match stream {
            Stream::Out => OUT,
            Stream::Error => ERROR,
        })
    }
}

fn is_console(handle: Handle) -> bool {
    let mut mode = 0;
    // SAFETY: `mode` is written; any handle may be asked.
    unsafe { GetConsoleMode(handle, &mut mode) != 0 }
}

/// Writes text, its lines ended as on Windows; whether it was taken.
pub(super) fn print(stream: Stream, text: &str) -> bool {
    let handle = handle(stream);
    let mut units = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        if unit == u16::from(b'\n') {
            units.push(u16::from(b'\r'));
        }
        units.push(unit);
    }
    if is_console(handle) {
        units.chunks(PIECE).all(|piece| {
            let mut written = 0;
            // SAFETY: so many units are there.
            let result = unsafe {
                WriteConsoleW(
                    handle,
                    piece.as_ptr().cast::<c_void>(),
                    length(piece.len()),
                    &mut written,
                    ptr::null_mut(),
                )
            };
            result != 0
        })
    } else {
        print_plain(stream, &bytes(&units))
    }
}

/// Text in the console's code page: what other programs of a console write.
fn bytes(units: &[u16]) -> Vec<u8> {
    // SAFETY: they have no conditions. Without a console the page is 0.
    let page = match unsafe { GetConsoleOutputCP() } {
        // SAFETY: as above.
        0 => unsafe { GetOEMCP() },
        page => page,
    };
    let count = i32::try_from(units.len()).unwrap_or(i32::MAX);
    // No page has more than four bytes for a unit.
    let mut bytes = alloc::vec![0; units.len().saturating_mul(4)];
    let room = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    // SAFETY: so many units are there, and room for so many bytes.
    let written = unsafe {
        WideCharToMultiByte(
            page,
            0,
            units.as_ptr(),
            count,
            bytes.as_mut_ptr(),
            room,
            ptr::null(),
            ptr::null_mut(),
        )
    };
    bytes.truncate(usize::try_from(written).unwrap_or(0));
    bytes
}

/// Writes bytes as they are, without any memory; whether all were taken.
pub(crate) fn print_plain(stream: Stream, mut bytes: &[u8]) -> bool {
    let handle = handle(stream);
    while !bytes.is_empty() {
        let mut written = 0;
        // SAFETY: so many bytes are there; `written` is written.
        let result = unsafe {
            WriteFile(
                handle,
                bytes.as_ptr().cast::<c_void>(),
                length(bytes.len()),
                &mut written,
                ptr::null_mut(),
            )
        };
        let written = usize::try_from(written).unwrap_or(0);
        match bytes.get(written..) {
            Some(rest) if result != 0 && written != 0 => bytes = rest,
            _ => return false,
        }
    }
    true
}

fn screen(stream: Stream) -> Option<ScreenBuffer> {
    let mut screen = ScreenBuffer::default();
    // SAFETY: `screen` is written; any handle may be asked.
    let result = unsafe { GetConsoleScreenBufferInfo(handle(stream), &mut screen) };
    (result != 0).then_some(screen)
}

/// How many columns the console has, if it is one.
pub(super) fn columns(stream: Stream) -> Option<usize> {
    usize::try_from(screen(stream)?.size[0]).ok()
}

/// Whether no other process has this console.
pub(super) fn is_alone() -> bool {
    let mut processes = [0; 2];
    // SAFETY: there is room for so many. It returns how many there are, 0 on failure.
    let count = unsafe { GetConsoleProcessList(processes.as_mut_ptr(), 2) };
    count == 1 && screen(Stream::Out).is_some()
}

/// Waits until a key goes down.
pub(super) fn wait_for_key() {
    // SAFETY: it has no conditions.
    let input = unsafe { GetStdHandle(INPUT) };
    // SAFETY: any handle may be asked. Keys that were pressed before do not count.
    unsafe { FlushConsoleInputBuffer(input) };
    loop {
        let mut event = InputRecord::default();
        let mut read = 0;
        // SAFETY: there is room for one event; both are written.
        let result = unsafe { ReadConsoleInputW(input, &mut event, 1, &mut read) };
        if result == 0 || (event.kind == KEY && event.down != 0) {
            return;
        }
    }
}

/// Puts the cursor so many lines up, and to the left.
pub(super) fn move_up(lines: usize) {
    let Some(screen) = screen(Stream::Out) else {
        return;
    };
    let lines = i16::try_from(lines).unwrap_or(i16::MAX);
    let y = screen.cursor[1].saturating_sub(lines).max(0);
    let position = u32::from(y.unsigned_abs()) << 16;
    // SAFETY: it has no conditions.
    unsafe { SetConsoleCursorPosition(handle(Stream::Out), position) };
}
