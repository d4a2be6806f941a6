//! The system event log.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Win32Error;

use super::handle::{HandleKind, OwnedHandle, check_bool, length};
use super::imports::{OpenEventLogW, ReadEventLogW};
use super::wide::wide;

/// EVENTLOG_SEQUENTIAL_READ and EVENTLOG_BACKWARDS_READ.
const BACKWARDS: u32 = 1 | 8;
/// Bytes at a time; a record is 64 KB at most.
const ROOM: usize = 0x1_0000;

pub(super) fn read(more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32Error> {
    let name = wide("System");
    // SAFETY: null is this machine; the name ends in a NUL.
    let log = OwnedHandle::new(
        unsafe { OpenEventLogW(ptr::null(), name.as_ptr()) },
        HandleKind::Log,
    )?;
    let mut buffer: Vec<u8> = alloc::vec![0; ROOM];
    loop {
        let (mut read, mut needed) = (0, 0);
        // SAFETY: the buffer has room for that many bytes; the numbers are written.
        let result = check_bool(unsafe {
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
            Err(Win32Error::HANDLE_EOF) => return Ok(()),
            result => result?,
        }
        let read = usize::try_from(read).unwrap_or(0);
        let records = buffer.get(..read).unwrap_or_default();
        if records.is_empty() || !more(records) {
            return Ok(());
        }
    }
}
