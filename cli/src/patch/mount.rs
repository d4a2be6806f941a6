//! Operations that a mounted file system does not support. The run continues
//! without them and prints one warning.

use std::fmt;
use std::io::{self, ErrorKind};

#[cfg(unix)]
use rustix::io::Errno;

/// An operation that a file system does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountWarning {
    /// It can't flush the names in a folder to the medium.
    FolderSyncUnsupported,
    /// Flushing a folder gives an input/output error.
    FolderSyncFailed,
    /// It has no locks.
    LocksUnsupported,
}

impl MountWarning {
    /// The warning for an error from syncing a folder; `None` for an error that
    /// must fail the run.
    #[must_use]
    pub fn from_folder_sync_error(error: &io::Error) -> Option<MountWarning> {
        // Syncing a folder needs the right to read it.
        let is_denied = error.kind() == ErrorKind::PermissionDenied;
        match is_unsupported(error) || is_denied {
            true => Some(MountWarning::FolderSyncUnsupported),
            false => is_io_error(error).then_some(MountWarning::FolderSyncFailed),
        }
    }

    /// The warning for an error from locking a file; `None` for an error that must
    /// fail the run.
    #[must_use]
    pub fn from_lock_error(error: &io::Error) -> Option<MountWarning> {
        is_unsupported(error).then_some(MountWarning::LocksUnsupported)
    }
}

/// Whether the file system does not support a call: VirtualBox's shared folders,
/// CIFS, NFS and FUSE use different errors.
#[cfg(unix)]
fn is_unsupported(error: &io::Error) -> bool {
    const NUMBERS: [Errno; 7] = [
        Errno::BADF,
        Errno::INVAL,
        Errno::NOLCK,
        Errno::NOSYS,
        Errno::NOTSUP,
        Errno::NOTTY,
        Errno::OPNOTSUPP,
    ];
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    number.is_some_and(|number| NUMBERS.contains(&number))
}

#[cfg(unix)]
fn is_io_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

#[cfg(not(unix))]
fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}

#[cfg(not(unix))]
fn is_io_error(_: &io::Error) -> bool {
    false
}

impl fmt::Display for MountWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MountWarning::FolderSyncUnsupported => {
                "this mount can't flush a folder to disk: every file was flushed and read back; unmount the disk properly, and check the files again if the power fails before that"
            }
            MountWarning::FolderSyncFailed => {
                "flushing the folder to disk gave an input/output error: every file was flushed and read back, but the medium may be failing; back up the disk and check the files again"
            }
            MountWarning::LocksUnsupported => {
                "this mount has no locks: remove a lock file left by a killed run by hand; programs on other machines that use the same folder are not locked out"
            }
        })
    }
}
