//! What a mounted file system can't do. The run goes on without it, and says so
//! once.

use std::fmt;
use std::io::{self, ErrorKind};

#[cfg(unix)]
use rustix::io::Errno;

/// Something that a file system can't do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountWarning {
    /// It does not wait until the names in a folder are on the medium.
    FolderSyncUnsupported,
    /// It says that the medium fails when it is to wait for that.
    FolderSyncFailed,
    /// It has no locks.
    LocksUnsupported,
}

impl MountWarning {
    /// What an error says that a folder gave which was to be synced. Others
    /// than these mean that it could be, and failed.
    #[must_use]
    pub fn from_folder_sync_error(error: &io::Error) -> Option<MountWarning> {
        // A folder that may not be read can't be opened for it.
        let is_denied = error.kind() == ErrorKind::PermissionDenied;
        match is_unsupported(error) || is_denied {
            true => Some(MountWarning::FolderSyncUnsupported),
            false => is_io_error(error).then_some(MountWarning::FolderSyncFailed),
        }
    }

    /// What an error says that a file gave which was to be locked.
    #[must_use]
    pub fn from_lock_error(error: &io::Error) -> Option<MountWarning> {
        is_unsupported(error).then_some(MountWarning::LocksUnsupported)
    }
}

/// Whether a call is not for this file system, which VirtualBox's shared
/// folders, CIFS, NFS and FUSE say in different ways.
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
                "the folder can't be flushed to disk on this mount: every file was, and was read back; unmount the disk properly, and after a power failure in this moment look at the files again"
            }
            MountWarning::FolderSyncFailed => {
                "flushing the folder to disk gave an input/output error: every file was flushed and read back, but the medium may be failing; make a copy of what is on it, and look at the files again"
            }
            MountWarning::LocksUnsupported => {
                "this mount has no locks: a lock file that a killed run leaves must be removed by hand, and programs on other machines that use the same folder are not held off"
            }
        })
    }
}
