//! The system event log.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Win32;

use super::calls::{OpenEventLogW, ReadEventLogW};
use super::handle::{Kind, Owned, done, length};
use super::wide::wide;

/// EVENTLOG_SEQUENTIAL_READ and EVENTLOG_BACKWARDS_READ.
const BACKWARDS: u32 = 1 | 8;
/// Bytes at a time; a record is 64 KB at most.
const ROOM: usize = 0x1_0000;

pub(super) fn read(more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32> {
    let name = wide("System");
    // SAFETY: of this machine; the name ends in a NUL.
    let log = Owned::of(
        unsafe { OpenEventLogW(ptr::null(), name.as_ptr()) },
        Kind::Log,
    )?;
    let mut buffer: Vec<u8> = alloc::vec![0; ROOM];
    loop {
        let (mut read, mut needed) = (0, 0);
        // SAFETY: there is room for so many bytes; the numbers are written.
        let result = done(unsafe {
            ReadEventLogW(
                log.get(),
                BACKWARDS,
                0,
                buffer.as_mut_ptr().cast::<c_void>(),
                length(buffer.len()),
                &mut read,
                &mut needed,
            )
        });
        match result {
            Err(Win32::HANDLE_EOF) => return Ok(()),
            result => result?,
        }
        let read = usize::try_from(read).unwrap_or(0);
        let records = buffer.get(..read).unwrap_or_default();
        if records.is_empty() || !more(records) {
            return Ok(());
        }
    }
}
