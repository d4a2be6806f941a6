//! One file in the place of another, in one step that happens or does not.
//!
//! 1. The backup: the old content under a name that has its hash in it. One
//!    that is there already must be it, and is never overwritten.
//! 2. The new content in a temporary file in the same folder, on the medium,
//!    with owner, permissions, attributes and times of the old file.
//! 3. Is the old file still what it was?
//! 4. Rename: the one step that counts.
//! 5. Folder on the medium, file read again, and what is in it located again.
//!    Where that fails the old content is put back.
//!
//! A run that ends before 4 leaves the old file, after it the new one.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Refusal;
use super::disk::{Disk, folder_of};
pub use super::failure::Failure;
pub(crate) use super::failure::{doing, unread};
use crate::probe::sha256;

/// How temporary files end. A run that was killed may leave one: it is no part
/// of anything.
pub const TEMPORARY: &str = ".tcplimit-new";
/// How backups end.
pub const BACKUP: &str = ".orig";
/// So many hexadecimal digits of the hash are in a backup's name.
const DIGITS: usize = 16;
/// So many temporary files of one file may be left over.
const ATTEMPTS: u32 = 100;

/// A replacement that is ready and has changed nothing yet.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    temporary: PathBuf,
    backup: Option<Backup>,
    before: Vec<u8>,
    after: Vec<u8>,
}

#[derive(Debug)]
struct Backup {
    path: PathBuf,
    is_new: bool,
}

/// The name of the backup of a file with this content.
#[must_use]
pub fn backup_of(path: &Path, content: &[u8]) -> PathBuf {
    let hash = sha256(content);
    let digits = hash.get(..DIGITS).unwrap_or_default();
    named(path, &format!(".{digits}{BACKUP}"))
}

/// The hash in the name of a backup of a file of this name, upper and lower case
/// alike.
pub(crate) fn hash_in(backup: &str, name: &str) -> Option<String> {
    let backup = backup.to_ascii_lowercase();
    let hash = backup
        .strip_prefix(&name.to_ascii_lowercase())?
        .strip_prefix('.')?
        .strip_suffix(BACKUP)?;
    let is_hash = hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash.to_owned())
}

/// The path with something behind its last name.
fn named(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// Replaces the content of a file; returns its backup, when one is asked for.
/// What is read again in the end must also pass `check`.
///
/// # Errors
/// Why it was not replaced. Only with [`Failure::Unsure`] it may have been.
pub fn replace(
    disk: &impl Disk,
    path: &Path,
    before: &[u8],
    after: &[u8],
    backup: bool,
    check: &dyn Fn(&[u8]) -> Result<(), Failure>,
) -> Result<Option<PathBuf>, Failure> {
    let staged = Staged::new(disk, path, before, after, backup)?;
    match staged.swap(disk, check) {
        Ok(()) => Ok(staged.backup.map(|backup| backup.path)),
        Err(Swap::Before(failure)) => {
            staged.discard(disk);
            Err(failure)
        }
        Err(Swap::After(failure)) => match staged.put_back(disk) {
            Ok(()) => Err(failure),
            Err(_) => Err(Failure::Unsure {
                why: failure.to_string(),
                path: path.to_owned(),
            }),
        },
    }
}

/// When a swap failed.
pub(crate) enum Swap {
    /// Before the rename: the old file is there.
    Before(Failure),
    /// After it: the new file is there.
    After(Failure),
}

impl Staged {
    /// Makes everything ready: steps 1 and 2.
    ///
    /// # Errors
    /// When it can't; nothing is left behind then, if that can be had.
    pub(crate) fn new(
        disk: &impl Disk,
        path: &Path,
        before: &[u8],
        after: &[u8],
        backup: bool,
    ) -> Result<Staged, Failure> {
        has_one_name(disk, path)?;
        let backup = match backup {
            true => Some(make_backup(disk, path, before)?),
            false => None,
        };
        match temporary(disk, path, path, after, true) {
            Ok(temporary) => Ok(Staged {
                path: path.to_owned(),
                temporary,
                backup,
                before: before.to_vec(),
                after: after.to_vec(),
            }),
            Err(failure) => {
                drop_backup(disk, backup.as_ref());
                Err(failure)
            }
        }
    }

    /// The name of the temporary file.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The backup, when one was asked for.
    pub(crate) fn backup(&self) -> Option<&Path> {
        self.backup.as_ref().map(|backup| backup.path.as_path())
    }

    /// Exchanges the files: steps 3 to 5.
    pub(crate) fn swap(
        &self,
        disk: &impl Disk,
        check: &dyn Fn(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Swap> {
        let shown = self.path.display();
        let now = disk
            .read(&self.path)
            .map_err(unread(&self.path))
            .map_err(Swap::Before)?;
        if now != self.before {
            let changed = Refusal::ChangedMeanwhile(shown.to_string());
            return Err(Swap::Before(changed.into()));
        }
        disk.rename(&self.temporary, &self.path)
            .map_err(doing(format!("{shown} can't be replaced")))
            .map_err(Swap::Before)?;
        disk.sync_folder(folder_of(&self.path))
            .map_err(doing(format!("{shown} was replaced, but not for good")))
            .map_err(Swap::After)?;
        let again = disk
            .read(&self.path)
            .map_err(doing(format!("{shown} can't be read again")))
            .map_err(Swap::After)?;
        match again == self.after {
            true => check(&again).map_err(Swap::After),
            false => Err(Swap::After(Failure::Disk {
                what: format!("{shown} was replaced"),
                error: io::Error::other("what is read again is not what was written"),
            })),
        }
    }

    /// Takes away what was made ready. What can't be removed is harmless.
    pub(crate) fn discard(&self, disk: &impl Disk) {
        let _ = disk.remove(&self.temporary);
        drop_backup(disk, self.backup.as_ref());
    }

    /// Puts the old content back after a swap.
    fn put_back(&self, disk: &impl Disk) -> Result<(), Failure> {
        set(disk, &self.path, &self.before)
    }
}

/// Gives a file this content, whatever it has: for putting things back.
pub(crate) fn set(disk: &impl Disk, path: &Path, content: &[u8]) -> Result<(), Failure> {
    let shown = path.display();
    let temporary = temporary(disk, path, path, content, true)?;
    disk.rename(&temporary, path)
        .inspect_err(|_| {
            let _ = disk.remove(&temporary);
        })
        .and_then(|()| disk.sync_folder(folder_of(path)))
        .map_err(doing(format!("{shown} can't be put back")))
}

/// Writes a file that is not there yet, like `like` in all but its content, as
/// far as whoever runs this may have it so.
pub(crate) fn write_new(
    disk: &impl Disk,
    path: &Path,
    like: &Path,
    content: &[u8],
) -> Result<(), Failure> {
    let temporary = temporary(disk, path, like, content, false)?;
    give_name(disk, &temporary, path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Refusal::OutputExists(path.display().to_string()).into(),
        _ => doing(format!("{} can't be written", path.display()))(error),
    })
}

/// Writes a new file beside `path`, like `like` in its times and permissions,
/// with `all` in everything but its content, and waits until it is on the
/// medium.
fn temporary(
    disk: &impl Disk,
    path: &Path,
    like: &Path,
    content: &[u8],
    all: bool,
) -> Result<PathBuf, Failure> {
    let mut attempt = 1;
    let written = loop {
        let temporary = named(path, &format!(".{attempt}{TEMPORARY}"));
        match disk.create(&temporary, content) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Not ours: it stays.
                return Err(doing(format!("{} can't be written", temporary.display()))(
                    error,
                ));
            }
            result => break (temporary, result),
        }
    };
    let (temporary, result) = written;
    let finished = result
        .and_then(|()| disk.keep(like, &temporary, all))
        .and_then(|()| disk.sync(&temporary));
    match finished {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = disk.remove(&temporary);
            Err(doing(format!("{} can't be written", temporary.display()))(
                error,
            ))
        }
    }
}

/// Refuses a file that has other names: they would keep the old content.
pub(crate) fn has_one_name(disk: &impl Disk, path: &Path) -> Result<(), Failure> {
    let links = disk.links(path).map_err(unread(path))?;
    match links > 1 {
        true => Err(Refusal::Linked(path.display().to_string(), links).into()),
        false => Ok(()),
    }
}

/// Whether the backup of this content is there.
///
/// # Errors
/// When something else goes by its name.
pub(crate) fn has_backup(disk: &impl Disk, backup: &Path, content: &[u8]) -> Result<bool, Failure> {
    if !disk.exists(backup).map_err(unread(backup))? {
        return Ok(false);
    }
    let old = disk.read(backup).map_err(unread(backup))?;
    match old == content {
        true => Ok(true),
        false => Err(Refusal::ForeignBackup(backup.display().to_string()).into()),
    }
}

/// Makes the backup, or sees that it is there.
fn make_backup(disk: &impl Disk, path: &Path, content: &[u8]) -> Result<Backup, Failure> {
    let backup = backup_of(path, content);
    let is_new = !has_backup(disk, &backup, content)?;
    if is_new {
        let temporary = temporary(disk, &backup, path, content, true)?;
        // One that appeared a moment ago is an error: the next run looks at it.
        give_name(disk, &temporary, &backup)
            .map_err(doing(format!("{} can't be written", backup.display())))?;
    }
    Ok(Backup {
        path: backup,
        is_new,
    })
}

/// Gives a temporary file a name that nothing has, for good; or removes it.
fn give_name(disk: &impl Disk, temporary: &Path, path: &Path) -> io::Result<()> {
    disk.link(temporary, path).inspect_err(|_| {
        let _ = disk.remove(temporary);
    })?;
    let named = match disk.remove(temporary) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    };
    let for_good = named.and_then(|()| disk.sync_folder(folder_of(path)));
    for_good.inspect_err(|_| {
        for left in [temporary, path] {
            let _ = disk.remove(left);
        }
    })
}

/// Removes a backup that this run has made of a file that it did not change.
fn drop_backup(disk: &impl Disk, backup: Option<&Backup>) {
    if let Some(backup) = backup.filter(|backup| backup.is_new) {
        let _ = disk.remove(&backup.path);
    }
}
