//! Access lists of folders.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Win32Error;

use super::handle::{check_bool, length};
use super::imports::{GetFileSecurityW, GetVolumeInformationW, GetVolumePathNameW};
use super::wide::wide;

/// FILE_PERSISTENT_ACLS.
const HAS_LISTS: u32 = 8;
/// DACL_SECURITY_INFORMATION.
const LIST: u32 = 4;
/// Units of a path, with its NUL; MAX_PATH is 260.
const LONGEST: usize = 1024;
/// An access list has at most 64 KB, and the rest is small.
const ROOM: usize = 0x1_1000;

pub(super) fn list(folder: &str) -> Result<Option<Vec<u8>>, Win32Error> {
    let folder = wide(folder);
    let mut volume = [0_u16; LONGEST];
    // SAFETY: the name ends in a NUL; the buffer has room for that many units.
    check_bool(unsafe {
        GetVolumePathNameW(folder.as_ptr(), volume.as_mut_ptr(), length(volume.len()))
    })?;
    let mut flags = 0;
    // SAFETY: the call has ended the name with a NUL; null results are not written.
    check_bool(unsafe {
        GetVolumeInformationW(
            volume.as_ptr(),
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            &mut flags,
            ptr::null_mut(),
            0,
        )
    })?;
    if flags & HAS_LISTS == 0 {
        return Ok(None);
    }
    let mut bytes: Vec<u8> = alloc::vec![0; ROOM];
    let mut needed = 0;
    // SAFETY: the name ends in a NUL; the buffer has room for that many bytes.
    check_bool(unsafe {
        GetFileSecurityW(
            folder.as_ptr(),
            LIST,
            bytes.as_mut_ptr().cast::<c_void>(),
            length(bytes.len()),
            &mut needed,
        )
    })?;
    Ok(Some(bytes))
}
