//! Handles that are closed on drop.

use tcplimit_xp::Win32Error;

use super::imports::{CloseEventLog, CloseHandle, CloseServiceHandle, GetLastError, Handle};
use super::imports::{INVALID_HANDLE, RegCloseKey};

/// The kind of a handle, which decides how to close it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandleKind {
    Object,
    Service,
    Key,
    Log,
}

/// An open handle.
#[derive(Debug)]
pub(crate) struct OwnedHandle(Handle, HandleKind);

impl OwnedHandle {
    /// Takes the handle that a call returned, unless it is null or INVALID_HANDLE_VALUE.
    ///
    /// # Errors
    /// The error of the call.
    pub(crate) fn new(handle: Handle, kind: HandleKind) -> Result<OwnedHandle, Win32Error> {
        if handle.is_null() || handle == INVALID_HANDLE {
            return Err(last_error());
        }
        Ok(OwnedHandle(handle, kind))
    }

    pub(crate) fn get(&self) -> Handle {
        self.0
    }
}

impl Drop for OwnedHandle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and of this kind, and nobody uses it after.
        unsafe {
            match self.1 {
                HandleKind::Object => CloseHandle(self.0),
                HandleKind::Service => CloseServiceHandle(self.0),
                HandleKind::Key => RegCloseKey(self.0).cast_signed(),
                HandleKind::Log => CloseEventLog(self.0),
            }
        };
    }
}

/// The last error of this thread.
pub(crate) fn last_error() -> Win32Error {
    // SAFETY: no preconditions.
    Win32Error(unsafe { GetLastError() })
}

/// Checks a BOOL.
///
/// # Errors
/// The last error, if FALSE.
pub(crate) fn check_bool(result: i32) -> Result<(), Win32Error> {
    if result == 0 {
        Err(last_error())
    } else {
        Ok(())
    }
}

/// Checks an LSTATUS.
///
/// # Errors
/// The status, unless it is success.
pub(super) fn check_status(result: u32) -> Result<(), Win32Error> {
    match result {
        0 => Ok(()),
        error => Err(Win32Error(error)),
    }
}

/// A length for a call; no buffer here is longer than 4 GB.
pub(crate) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
