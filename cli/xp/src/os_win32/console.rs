//! Output to a console or a redirected stream.

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
/// Units per call: a console's messages are limited to 64 KB.
const PIECE: usize = 4096;

fn handle(stream: Stream) -> Handle {
    // SAFETY: no preconditions. The handle is not ours to close.
    unsafe {
        GetStdHandle(match stream {
            Stream::Out => OUT,
            Stream::Error => ERROR,
        })
    }
}

fn is_console(handle: Handle) -> bool {
    let mut mode = 0;
    // SAFETY: `mode` is written; any handle is allowed.
    unsafe { GetConsoleMode(handle, &mut mode) != 0 }
}

/// Writes text with Windows' line ends; returns whether the stream accepted it.
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
            // SAFETY: the buffer holds that many units.
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

/// Converts text to the console's code page, like other console programs.
fn bytes(units: &[u16]) -> Vec<u8> {
    // SAFETY: no preconditions. Without a console the page is 0.
    let page = match unsafe { GetConsoleOutputCP() } {
        // SAFETY: as above.
        0 => unsafe { GetOEMCP() },
        page => page,
    };
    let count = i32::try_from(units.len()).unwrap_or(i32::MAX);
    // No page has more than four bytes for a unit.
    let mut bytes = alloc::vec![0; units.len().saturating_mul(4)];
    let room = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    // SAFETY: `units` holds that many, and `bytes` has room for that many.
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

/// Writes bytes unchanged without allocating memory; returns whether all were accepted.
pub(crate) fn print_plain(stream: Stream, mut bytes: &[u8]) -> bool {
    let handle = handle(stream);
    while !bytes.is_empty() {
        let mut written = 0;
        // SAFETY: the buffer holds that many bytes; `written` is written.
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
    // SAFETY: `screen` is written; any handle is allowed.
    let result = unsafe { GetConsoleScreenBufferInfo(handle(stream), &mut screen) };
    (result != 0).then_some(screen)
}

/// The columns of the console, if the stream is one.
pub(super) fn columns(stream: Stream) -> Option<usize> {
    usize::try_from(screen(stream)?.size[0]).ok()
}

/// Whether no other process uses this console.
pub(super) fn is_alone() -> bool {
    let mut processes = [0; 2];
    // SAFETY: the buffer has room for that many. The result is the number of processes, 0 on
    // failure.
    let count = unsafe { GetConsoleProcessList(processes.as_mut_ptr(), 2) };
    count == 1 && screen(Stream::Out).is_some()
}

/// Waits for a key press.
pub(super) fn wait_for_key() {
    // SAFETY: no preconditions.
    let input = unsafe { GetStdHandle(INPUT) };
    // SAFETY: any handle is allowed. Earlier keys do not count.
    unsafe { FlushConsoleInputBuffer(input) };
    loop {
        let mut event = InputRecord::default();
        let mut read = 0;
        // SAFETY: the buffer has room for one event; both are written.
        let result = unsafe { ReadConsoleInputW(input, &mut event, 1, &mut read) };
        if result == 0 || (event.kind == KEY && event.down != 0) {
            return;
        }
    }
}

/// Moves the cursor up by that many lines, to the left.
pub(super) fn move_up(lines: usize) {
    let Some(screen) = screen(Stream::Out) else {
        return;
    };
    let lines = i16::try_from(lines).unwrap_or(i16::MAX);
    let y = screen.cursor[1].saturating_sub(lines).max(0);
    let position = u32::from(y.unsigned_abs()) << 16;
    // SAFETY: no preconditions.
    unsafe { SetConsoleCursorPosition(handle(Stream::Out), position) };
}
