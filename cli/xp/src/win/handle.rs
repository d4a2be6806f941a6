//! Handles that are closed when they are no longer needed.

use tcplimit_xp::Win32;

use super::calls::{CloseEventLog, CloseHandle, CloseServiceHandle, GetLastError, Handle};
use super::calls::{INVALID_HANDLE, RegCloseKey};

/// What a handle is of, and so how it is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Object,
    Service,
    Key,
    Log,
}

/// An open handle.
#[derive(Debug)]
pub(crate) struct Owned(Handle, Kind);

impl Owned {
    /// What a call returned: a handle, or one of the two values that are none.
    ///
    /// # Errors
    /// The call's.
    pub(crate) fn of(handle: Handle, kind: Kind) -> Result<Owned, Win32> {
        if handle.is_null() || handle == INVALID_HANDLE {
            return Err(last_error());
        }
        Ok(Owned(handle, kind))
    }

    pub(crate) fn get(&self) -> Handle {
        self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle is open and of this kind, and nobody uses it after.
        unsafe {
            match self.1 {
                Kind::Object => CloseHandle(self.0),
                Kind::Service => CloseServiceHandle(self.0),
                Kind::Key => RegCloseKey(self.0).cast_signed(),
                Kind::Log => CloseEventLog(self.0),
            }
        };
    }
}

/// The error of this thread's last call.
pub(crate) fn last_error() -> Win32 {
    // SAFETY: it has no conditions.
    Win32(unsafe { GetLastError() })
}

/// What a BOOL says.
///
/// # Errors
/// The last error, for FALSE.
pub(crate) fn done(result: i32) -> Result<(), Win32> {
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
pub(super) fn status(result: u32) -> Result<(), Win32> {
    match result {
        0 => Ok(()),
        error => Err(Win32(error)),
    }
}

/// A length as calls take it; no buffer here is longer than 4 GB.
pub(crate) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
