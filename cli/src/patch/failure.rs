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
    /// A rule forbids it.
    Refused(Refusal),
    /// A file or folder can't be read.
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The file system failed.
    Io {
        /// The action that failed, and its file.
        problem: String,
        /// The error of the system.
        error: io::Error,
    },
    /// Another run is, or may be, in progress in these folders.
    Locked(Vec<HeldLock>),
    /// The file was replaced, then something failed, and so did restoring the old
    /// content.
    RollbackFailed {
        /// The failure, and the present content of the file.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A copy in an offline Windows appeared or vanished before the locks were acquired.
    CopiesChanged,
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
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": free some space and try again",
                    ErrorKind::PermissionDenied if cfg!(unix) => {
                        ": the file's folder must be writable; if it is yours, run chmod u+w FOLDER"
                    }
                    ErrorKind::PermissionDenied => ": the file's folder must be writable",
                    ErrorKind::ReadOnlyFilesystem => {
                        ": the disk is mounted read-only; if its Windows is hibernated or was not shut down, start that Windows and shut it down first"
                    }
                    ErrorKind::ResourceBusy => ": another program uses the file",
                    _ => "",
                })
            }
            Failure::Locked(held) => write_lock_holders(f, held),
            Failure::RollbackFailed { reason, path } => write!(
                f,
                "{reason}, and the old content could not be restored: check {} before using it",
                path.display()
            ),
            Failure::CopiesChanged => f.write_str(
                "the copies changed while another run was in progress: run the command again",
            ),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// The exit code of a run with this failure.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Refused(refusal) if !refusal.is_bad_input() => Exit::Refused,
            Failure::Interrupted => Exit::Interrupted,
            _ => Exit::Unreadable,
        }
    }

    /// Whether the file was not there. NTFS-3G has no atomic rename: a file that another
    /// run replaces is missing for a moment, so only a run with the locks can be sure.
    pub(crate) fn may_be_a_rename(&self) -> bool {
        matches!(self, Failure::Unreadable { error, .. } if error.kind() == ErrorKind::NotFound)
    }
}

/// One failure may apply to several files. An error of the system is copied by
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
            Failure::CopiesChanged => Failure::CopiesChanged,
            Failure::Interrupted => Failure::Interrupted,
        }
    }
}

/// Names each lock and the run that holds it, with advice.
fn write_lock_holders(f: &mut fmt::Formatter<'_>, held: &[HeldLock]) -> fmt::Result {
    if let Some(held) = held
        .iter()
        .find(|held| held.owner_state == OwnerState::Running)
    {
        return write!(
            f,
            "another run of tcplimit is in progress here and holds {held}: wait until it has ended, then try again"
        );
    }
    let each: Vec<String> = held.iter().map(HeldLock::to_string).collect();
    let paths = held
        .iter()
        .map(|held| quoted(&held.path.to_string_lossy()))
        .collect::<Vec<String>>();
    write!(
        f,
        "another run of tcplimit holds {}, and whether that run is still in progress is unknown here: wait until it has ended; if it has ended and left this behind, remove {} and try again",
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

/// A failure to read this file or folder.
pub(crate) fn read_failure(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Unreadable {
        path: path.to_owned(),
        error,
    }
}

/// A failure of the system, with what could not be done.
pub(crate) fn io_failure(problem: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::Io {
        problem: problem.into(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_hint() {
        let text = |kind: ErrorKind| {
            let problem = "a can't be written".to_owned();
            let error = kind.into();
            Failure::Io { problem, error }.to_string()
        };
        let denied = match cfg!(unix) {
            true => "must be writable; if it is yours, run chmod u+w FOLDER",
            false => "must be writable",
        };
        for (kind, hint) in [
            (ErrorKind::StorageFull, "free some space and try again"),
            (ErrorKind::QuotaExceeded, "free some space and try again"),
            (ErrorKind::PermissionDenied, denied),
            (ErrorKind::ReadOnlyFilesystem, "shut it down first"),
            (ErrorKind::ResourceBusy, "another program uses the file"),
        ] {
            let text = text(kind);
            assert!(text.starts_with("a can't be written: "), "{text}");
            assert!(text.ends_with(hint), "{text}");
        }
        let other = text(ErrorKind::TimedOut);
        assert_eq!(other.matches(": ").count(), 1, "{other}");
    }
}
