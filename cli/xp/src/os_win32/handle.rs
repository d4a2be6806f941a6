//! Handles that are closed when they are no longer needed.

use tcplimit_xp::Win32Error;

use super::imports::{CloseEventLog, CloseHandle, CloseServiceHandle, GetLastError, Handle};
use super::imports::{INVALID_HANDLE, RegCloseKey};

/// What a handle is of, and so how it is closed.
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
    /// What a call returned: a handle, or one of the two values that are none.
    ///
    /// # Errors
    /// The call's.
    pub(crate) fn of(handle: Handle, kind: HandleKind) -> Result<OwnedHandle, Win32Error> {
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

/// The error of this thread's last call.
pub(crate) fn last_error() -> Win32Error {
    // SAFETY: it has no conditions.
    Win32Error(unsafe { GetLastError() })
}

/// What a BOOL says.
///
/// # Errors
/// The last error, for FALSE.
pub(crate) fn check_bool(result: i32) -> Result<(), Win32Error> {
    if result == 0 {
        Err(last_error())
    } else {
        Ok(())
    }
}

/// What a LSTATUS says.
///
/// # Errors
/// It, where it is none of success.
pub(super) fn check_status(result: u32) -> Result<(), Win32Error> {
    match result {
        0 => Ok(()),
        error => Err(Win32Error(error)),
    }
}

/// A length as calls take it; no buffer here is longer than 4 GB.
pub(crate) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
