//! Locks of folders: only one run at a time writes in a folder.
//!
//! A run that stages, renames or removes files in a folder must hold the lock file
//! of the folder, `tcplimit.lock`, until it ends. The file names the run. Two
//! mechanisms exclude a second run:
//!
//! * The file is created only if it does not exist, and never overwritten.
//! * The run that created the file keeps it locked. An existing file that can be
//!   locked is stale, left by a killed run: it is removed, and the attempt starts
//!   again.
//!
//! A mount without locks leaves only the first mechanism. A stale file can't be
//! recognized there, nor on any mount if another machine wrote it, because this
//! machine may not see its locks: then a person decides. Only the lock file itself
//! is locked: a lock on a driver would end with the rename that replaces it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::failure::{Failure, io_failure, read_failure};
use super::filesystem::{FileSystem, LockOutcome};
use super::mount::MountWarning;

pub use super::file_names::LOCK as NAME;
pub use super::lock_owner::{HeldLock, LockOwner, OwnerState};

/// The lock file may disappear at most this often.
const MAX_RETRIES: u32 = 1000;
/// The beginning of a lock file.
const BEGINNING: &str = r#"{"tcplimit_lock":1,"#;

/// The locks of some folders, released on drop. Code that writes to folders
/// reaches the file system through them.
#[derive(Debug)]
pub struct Locks<'d, D: FileSystem> {
    fs: &'d D,
    paths: Vec<PathBuf>,
}

impl<'d, D: FileSystem> Locks<'d, D> {
    /// Acquires the locks of all these folders, or none. Waits for another run for
    /// a short time.
    ///
    /// # Errors
    /// When another run holds or may hold one of them; or the file system fails.
    pub fn acquire<'p>(
        fs: &'d D,
        folders: impl IntoIterator<Item = &'p Path>,
        verb: &str,
    ) -> Result<Locks<'d, D>, Failure> {
        let owner = LockOwner::current(verb);
        let real = |folder: &Path| {
            fs.canonicalize(folder)
                .unwrap_or_else(|_| folder.to_owned())
        };
        let mut folders: Vec<PathBuf> = folders.into_iter().map(real).collect();
        folders.sort();
        folders.dedup();
        let mut locks = Locks {
            fs,
            paths: Vec::new(),
        };
        let (mut pauses, mut retries) = (0, 0);
        for (index, folder) in folders.iter().enumerate() {
            let path = folder.join(NAME);
            loop {
                match try_create(fs, &path, &owner)? {
                    Attempt::Acquired => {
                        locks.paths.push(path);
                        break;
                    }
                    Attempt::Retry if retries < MAX_RETRIES => retries += 1,
                    Attempt::Retry => {
                        let error = std::io::Error::other("other runs keep replacing it");
                        return Err(io_failure(format!("{} can't be locked", path.display()))(
                            error,
                        ));
                    }
                    Attempt::Held(held) if !fs.pause(pauses) => {
                        let rest = folders.get(index + 1..).unwrap_or_default();
                        let rest = rest
                            .iter()
                            .filter_map(|folder| sibling_lock(fs, folder, &held));
                        let rest: Vec<HeldLock> = rest.collect();
                        return Err(Failure::Locked([vec![held], rest].concat()));
                    }
                    Attempt::Held(_) => pauses += 1,
                }
            }
        }
        Ok(locks)
    }

    /// Whether this lock file is among them.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.paths.iter().any(|held| held == path)
    }

    /// The file system, for writing in these folders.
    pub(crate) fn fs(&self) -> &'d D {
        self.fs
    }
}

/// The lock that the same run holds in another folder. The file is only read:
/// locking it, even for a moment, could make a run that needs it give up.
fn sibling_lock(fs: &impl FileSystem, folder: &Path, held: &HeldLock) -> Option<HeldLock> {
    let path = folder.join(NAME);
    let owner = LockOwner::parse(&fs.read(&path).ok()?);
    (owner == held.owner).then(|| HeldLock {
        path,
        ..held.clone()
    })
}

impl<D: FileSystem> Drop for Locks<'_, D> {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            // A file that remains is stale.
            let _ = self.fs.unlock(path, true);
        }
    }
}

enum Attempt {
    Acquired,
    Held(HeldLock),
    /// The file has disappeared.
    Retry,
}

fn try_create(fs: &impl FileSystem, path: &Path, owner: &LockOwner) -> Result<Attempt, Failure> {
    let shown = path.display();
    match fs.create(path, owner.text().as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return try_existing(fs, path, owner);
        }
        Err(error) => return Err(io_failure(format!("{shown} can't be written"))(error)),
    }
    match fs.lock(path) {
        Ok(LockOutcome::Acquired) => Ok(Attempt::Acquired),
        // Before it was locked, another run took it for stale.
        Ok(LockOutcome::Held | LockOutcome::Gone) => Ok(Attempt::Retry),
        Err(error) => match MountWarning::from_lock_error(&error) {
            Some(warning) => {
                fs.warn(warning);
                Ok(Attempt::Acquired)
            }
            None => {
                let _ = fs.unlock(path, true);
                Err(io_failure(format!("{shown} can't be locked"))(error))
            }
        },
    }
}

/// Tries to take over an existing lock file.
fn try_existing(fs: &impl FileSystem, path: &Path, this: &LockOwner) -> Result<Attempt, Failure> {
    let held = |owner_state| {
        let text = fs.read(path).unwrap_or_default();
        Ok(Attempt::Held(HeldLock {
            path: path.to_owned(),
            owner: LockOwner::parse(&text),
            owner_state,
        }))
    };
    match fs.lock(path) {
        Ok(LockOutcome::Acquired) => {}
        Ok(LockOutcome::Held) => return held(OwnerState::Running),
        Ok(LockOutcome::Gone) => return Ok(Attempt::Retry),
        // It may belong to another user.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return held(OwnerState::Unknown);
        }
        Err(error) => {
            return match MountWarning::from_lock_error(&error) {
                Some(_) => held(OwnerState::Unknown),
                None => Err(io_failure(format!("{} can't be locked", path.display()))(
                    error,
                )),
            };
        }
    }
    let text = fs.read(path).map_err(read_failure(path));
    let is_stale = match &text {
        Ok(text) => match LockOwner::parse(text) {
            Some(other) => other.host == this.host,
            // Its run was killed while writing it.
            None if is_torn(text) => true,
            None => {
                let _ = fs.unlock(path, false);
                return Err(Failure::Io {
                    problem: format!("{} is not a lock file of tcplimit", path.display()),
                    error: std::io::Error::other("inspect it and move it away"),
                });
            }
        },
        Err(_) => false,
    };
    let unlocked = fs.unlock(path, is_stale);
    text?;
    match is_stale {
        true => {
            unlocked.map_err(io_failure(format!("{} can't be removed", path.display())))?;
            Ok(Attempt::Retry)
        }
        false => held(OwnerState::Unknown),
    }
}

/// Whether this is an incomplete lock file.
fn is_torn(text: &[u8]) -> bool {
    let end = text.iter().rposition(|&byte| byte != 0);
    let text = text.get(..end.map_or(0, |at| at + 1)).unwrap_or_default();
    let beginning = BEGINNING.as_bytes();
    let is_whole = text.windows(2).any(|two| two == b"}\n");
    (text.starts_with(beginning) || beginning.starts_with(text)) && !is_whole
}

/// The lock of a folder, without acquiring it; `None` if no run holds it.
///
/// # Errors
/// When the lock file can't be read.
pub(crate) fn inspect(fs: &impl FileSystem, folder: &Path) -> Result<Option<HeldLock>, Failure> {
    let path = folder.join(NAME);
    let text = match fs.read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_failure(&path)(error)),
    };
    let owner = LockOwner::parse(&text);
    let owner_state = match fs.lock(&path) {
        Ok(LockOutcome::Held) => OwnerState::Running,
        Ok(LockOutcome::Gone) => return Ok(None),
        Ok(LockOutcome::Acquired) => {
            let _ = fs.unlock(&path, false);
            match &owner {
                Some(owner) if owner.host != super::lock_owner::host() => OwnerState::Unknown,
                _ => OwnerState::Ended,
            }
        }
        Err(_) => OwnerState::Unknown,
    };
    Ok(Some(HeldLock {
        path,
        owner,
        owner_state,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::filesystem::HostFileSystem;
    use super::*;

    #[test]
    fn the_state_of_a_run_on_another_machine_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let fs = HostFileSystem::default();
        let state = || {
            inspect(&fs, folder.path())
                .unwrap()
                .map(|held| held.owner_state)
        };
        assert_eq!(state(), None);
        let here = LockOwner::current("patch");
        let mut elsewhere = here.clone();
        elsewhere.host.push('x');
        for (owner, expected) in [(here, OwnerState::Ended), (elsewhere, OwnerState::Unknown)] {
            std::fs::write(folder.path().join(NAME), owner.text()).unwrap();
            assert_eq!(state(), Some(expected), "{owner:?}");
        }
        std::fs::write(folder.path().join(NAME), "?").unwrap();
        assert_eq!(state(), Some(OwnerState::Ended));
    }
}
