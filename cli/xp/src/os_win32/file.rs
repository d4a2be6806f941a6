//! Reading and writing whole files.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::Win32Error;

use super::handle::{HandleKind, OwnedHandle, check_bool, length};
use super::imports::{
    CreateFileW, DeleteFileW, FlushFileBuffers, GetFileSize, MoveFileExW, ReadFile, WriteFile,
};
use super::wide::wide;

pub(super) const GENERIC_READ: u32 = 0x8000_0000;
pub(super) const GENERIC_WRITE: u32 = 0x4000_0000;
/// FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE: drivers are in use.
pub(super) const SHARE_ALL: u32 = 7;
pub(super) const OPEN_EXISTING: u32 = 3;
const CREATE_ALWAYS: u32 = 2;
const OPEN_ALWAYS: u32 = 4;
/// FILE_APPEND_DATA and SYNCHRONIZE: all writes go to the end.
const APPEND: u32 = 4 | 0x10_0000;
const NORMAL: u32 = 0x80;
/// SECURITY_SQOS_PRESENT and SECURITY_IDENTIFICATION: if a name leads to a pipe, its server may
/// identify us, but not impersonate us.
const NOT_AS_US: u32 = 0x10_0000 | 0x1_0000;
/// MOVEFILE_REPLACE_EXISTING and MOVEFILE_WRITE_THROUGH.
const REPLACE: u32 = 1 | 8;
/// Maximum size: no driver is larger.
const LARGEST: u32 = 256 << 20;

/// Opens a file or device.
pub(super) fn open(
    path: &str,
    access: u32,
    share: u32,
    disposition: u32,
) -> Result<OwnedHandle, Win32Error> {
    let path = wide(path);
    // SAFETY: the name ends in a NUL; security and template are null.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            share,
            ptr::null(),
            disposition,
            NORMAL | NOT_AS_US,
            ptr::null_mut(),
        )
    };
    OwnedHandle::new(handle, HandleKind::Object)
}

pub(super) fn read(path: &str) -> Result<Vec<u8>, Win32Error> {
    let file = open(path, GENERIC_READ, SHARE_ALL, OPEN_EXISTING)?;
    let mut high = 0;
    // SAFETY: the file is open; `high` is written.
    let size = unsafe { GetFileSize(file.get(), &mut high) };
    if high != 0 || size > LARGEST {
        return Err(Win32Error::INVALID_DATA);
    }
    let mut bytes = alloc::vec![0; usize::try_from(size).unwrap_or(0)];
    let mut all = 0;
    while let Some(rest) = bytes.get_mut(all..).filter(|rest| !rest.is_empty()) {
        let mut read = 0;
        // SAFETY: the buffer has room for that many bytes; `read` is written.
        check_bool(unsafe {
            ReadFile(
                file.get(),
                rest.as_mut_ptr().cast::<c_void>(),
                length(rest.len()),
                &mut read,
                ptr::null_mut(),
            )
        })?;
        if read == 0 {
            break;
        }
        all += usize::try_from(read).unwrap_or(0);
    }
    bytes.truncate(all);
    Ok(bytes)
}

pub(super) fn write(path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
    put(&open(path, GENERIC_WRITE, 0, CREATE_ALWAYS)?, bytes)
}

/// Others may read it meanwhile.
pub(super) fn append(path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
    put(&open(path, APPEND, SHARE_ALL, OPEN_ALWAYS)?, bytes)
}

/// Writes all bytes and flushes them to disk.
fn put(file: &OwnedHandle, bytes: &[u8]) -> Result<(), Win32Error> {
    let mut written = 0;
    // SAFETY: the buffer holds that many bytes; `written` is written.
    check_bool(unsafe {
        WriteFile(
            file.get(),
            bytes.as_ptr().cast::<c_void>(),
            length(bytes.len()),
            &mut written,
            ptr::null_mut(),
        )
    })?;
    if written != length(bytes.len()) {
        return Err(Win32Error::DISK_FULL);
    }
    // SAFETY: the file is open for writing.
    check_bool(unsafe { FlushFileBuffers(file.get()) })
}

pub(super) fn rename(from: &str, to: &str) -> Result<(), Win32Error> {
    let (from, to) = (wide(from), wide(to));
    // SAFETY: both names end in a NUL.
    check_bool(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), REPLACE) })
}

pub(super) fn delete(path: &str) -> Result<(), Win32Error> {
    let path = wide(path);
    // SAFETY: the name ends in a NUL.
    check_bool(unsafe { DeleteFileW(path.as_ptr()) })
}
