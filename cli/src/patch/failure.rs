//! Why a file was not changed.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tcplimit_report::Exit;

use super::lock_owner::{HeldLock, OwnerState};
use super::refusal::{DiscRefusal, Refusal};
use crate::terminal::{os_error_text, quoted};

/// Why a file was not replaced.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It must not be.
    Refused(Refusal),
    /// A file or folder can't be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file system failed.
    Io {
        /// What could not be done.
        problem: String,
        /// Its error.
        error: io::Error,
    },
    /// Another run is at work in these folders, or may be.
    Locked(Vec<HeldLock>),
    /// The file was replaced, then something failed, and putting the old
    /// content back did as well.
    RollbackFailed {
        /// What failed, and what is there now.
        reason: String,
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
            Failure::Unreadable { path, error } => {
                write!(
                    f,
                    "{} can't be read: {}",
                    path.display(),
                    os_error_text(error)
                )
            }
            Failure::Io { problem, error } => {
                write!(f, "{problem}: {}", os_error_text(error))?;
                f.write_str(match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": make room, and try again",
                    ErrorKind::PermissionDenied if cfg!(unix) => {
                        ": the file's folder must be writable; where it is yours, chmod u+w FOLDER makes it so"
                    }
                    ErrorKind::PermissionDenied => ": the file's folder must be writable",
                    ErrorKind::ReadOnlyFilesystem => {
                        ": the disk is mounted read-only; if its Windows hibernates or was not shut down, start that Windows and shut it down first"
                    }
                    ErrorKind::ResourceBusy => ": another program uses the file",
                    _ => "",
                })
            }
            Failure::Locked(held) => write_lock_holders(f, held),
            Failure::RollbackFailed { reason, path } => write!(
                f,
                "{reason}, and the old content could not be put back: look at {} before it is used",
                path.display()
            ),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// What a run ends with that failed so.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Refused(refusal) if !refusal.is_bad_input() => Exit::Refused,
            Failure::Interrupted => Exit::Interrupted,
            _ => Exit::Unreadable,
        }
    }
}

/// One failure may be said of several files. An error of the system is copied by
/// its kind and text.
impl Clone for Failure {
    fn clone(&self) -> Failure {
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Failure::Refused(refusal) => Failure::Refused(refusal.clone()),
            Failure::Unreadable { path, error } => Failure::Unreadable {
                path: path.clone(),
                error: copy(error),
            },
            Failure::Io { problem, error } => Failure::Io {
                problem: problem.clone(),
                error: copy(error),
            },
            Failure::Locked(held) => Failure::Locked(held.clone()),
            Failure::RollbackFailed { reason, path } => Failure::RollbackFailed {
                reason: reason.clone(),
                path: path.clone(),
            },
            Failure::Interrupted => Failure::Interrupted,
        }
    }
}

/// Which run holds which lock, and what to do.
fn write_lock_holders(f: &mut fmt::Formatter<'_>, held: &[HeldLock]) -> fmt::Result {
    if let Some(held) = held
        .iter()
        .find(|held| held.owner_state == OwnerState::Running)
    {
        return write!(
            f,
            "another run of tcplimit is at work here and holds {held}: wait until it has ended, and try again"
        );
    }
    let each: Vec<String> = held.iter().map(HeldLock::to_string).collect();
    let paths = held
        .iter()
        .map(|held| quoted(&held.path.to_string_lossy()))
        .collect::<Vec<String>>();
    write!(
        f,
        "another run of tcplimit holds {}, and whether it is still at work can't be told from here: wait until it has ended; if it has, and left this behind, remove {}, and try again",
        each.join(", "),
        paths.join(" ")
    )
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<DiscRefusal> for Failure {
    fn from(refusal: DiscRefusal) -> Failure {
        match refusal {
            DiscRefusal::Interrupted => Failure::Interrupted,
            refusal => Refusal::Disc(refusal).into(),
        }
    }
}

/// Says what can't be read.
pub(crate) fn read_failure(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Unreadable {
        path: path.to_owned(),
        error,
    }
}

/// Says what could not be done.
pub(crate) fn io_failure(problem: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Io {
        problem: problem.into(),
        error,
    }
}
