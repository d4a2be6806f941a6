//! Why a file was not changed.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Refusal;
use crate::output::cause;

/// Why a file was not replaced.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It must not be.
    Refused(Refusal),
    /// A file or folder can't be read.
    Unread {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file system failed.
    Disk {
        /// What could not be done.
        what: String,
        /// Its error.
        error: io::Error,
    },
    /// The file was replaced, then something failed, and putting the old
    /// content back did as well.
    Unsure {
        /// What failed.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// Ctrl-C.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::Unread { path, error } => {
                write!(f, "{} can't be read: {}", path.display(), cause(error))
            }
            Failure::Disk { what, error } => {
                write!(f, "{what}: {}", cause(error))?;
                f.write_str(match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": make room, and try again",
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                        ": it must be possible to write to the file's folder; a Windows that hibernates or was not shut down can be mounted read-only only"
                    }
                    ErrorKind::ResourceBusy => ": another program uses the file",
                    _ => "",
                })
            }
            Failure::Unsure { why, path } => write!(
                f,
                "{why}, and the old content could not be put back: look at {} before it is used",
                path.display()
            ),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// The same once more, for another file that it is to be said of.
    pub(crate) fn again(&self) -> Failure {
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Failure::Refused(refusal) => Failure::Refused(refusal.clone()),
            Failure::Unread { path, error } => Failure::Unread {
                path: path.clone(),
                error: copy(error),
            },
            Failure::Disk { what, error } => Failure::Disk {
                what: what.clone(),
                error: copy(error),
            },
            Failure::Unsure { why, path } => Failure::Unsure {
                why: why.clone(),
                path: path.clone(),
            },
            Failure::Interrupted => Failure::Interrupted,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

/// Says what can't be read.
pub(crate) fn unread(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Unread {
        path: path.to_owned(),
        error,
    }
}

/// Says what could not be done.
pub(crate) fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Disk {
        what: what.into(),
        error,
    }
}
