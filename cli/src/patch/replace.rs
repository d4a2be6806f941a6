//! Replaces a file by another in one atomic step.
//!
//! 1. Write the backup: the old content under a name that contains its hash. An
//!    existing file of that name must have that content, and is never overwritten.
//! 2. Write the new content to a temporary file in the same folder, with owner,
//!    permissions, attributes and times of the old file, and flush it.
//! 3. Check that the old file is unchanged and has one name.
//! 4. Rename: the step that replaces the file.
//! 5. Flush the folder, read the file back and locate the limit again. If that
//!    fails, restore the old content.
//!
//! A run that ends before step 4 leaves the old file, a later end the new one. The
//! caller must hold the lock of the folder.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tcplimit_report::sha256;

use super::failure::{io_failure, read_failure};
use super::file_names::{ATTEMPTS, BACKUP, DAMAGED, DIGITS, ROLLBACK, TEMPORARY, with_suffix};
use super::filesystem::{FileSystem, folder_of};
use super::lock::Locks;
use super::mount::MountWarning;
use super::refusal::Refusal;

pub use super::failure::Failure;

/// A file and its new content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The file; in a transaction, relative to the folder of the journal.
    pub path: PathBuf,
    /// The old content.
    pub before: Arc<Vec<u8>>,
    /// The new content.
    pub after: Arc<Vec<u8>>,
    /// How to keep the old content.
    pub keep: Keep,
    /// The file whose owner, permissions and times it gets; `None`: its own.
    pub like: Option<PathBuf>,
    /// Whether it gets the time of the change.
    pub touch: bool,
}

/// The metadata of a new file.
#[derive(Clone, Copy)]
struct MetadataSource<'p> {
    /// The file whose times and permissions it gets.
    of: &'p Path,
    /// Whether it must get all other metadata too.
    all: bool,
    /// Whether it gets the present time.
    touch: bool,
}

impl<'p> MetadataSource<'p> {
    /// All metadata of this file.
    fn all(of: &'p Path) -> MetadataSource<'p> {
        let (all, touch) = (true, false);
        MetadataSource { of, all, touch }
    }
}

/// A replacement that is staged but has not changed the file.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    temporary: PathBuf,
    kept: Option<KeptFile>,
    before: Arc<Vec<u8>>,
    after: Arc<Vec<u8>>,
}

/// How the old content of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As a backup.
    Backup,
    /// As a damaged file.
    Damaged,
    /// As a rollback copy, until the transaction is finished.
    Rollback,
    /// Not at all: a backup exists, or the content can be made again.
    Nothing,
}

/// A file that keeps old content.
#[derive(Debug)]
struct KeptFile {
    path: PathBuf,
    is_new: bool,
}

impl Keep {
    /// The path of the file that keeps this content of `path`.
    #[must_use]
    pub fn path(self, path: &Path, content: &[u8]) -> Option<PathBuf> {
        let end = match self {
            Keep::Backup => BACKUP,
            Keep::Damaged => DAMAGED,
            Keep::Rollback => ROLLBACK,
            Keep::Nothing => return None,
        };
        let hash = sha256(content);
        let digits = hash.get(..DIGITS).unwrap_or_default();
        Some(with_suffix(path, &format!(".{digits}{end}")))
    }
}

/// Replaces the content of a file; returns the file that keeps the old content, if
/// any. The content read back at the end must also pass `check`.
///
/// # Errors
/// Why it was not replaced. Only after [`Failure::RollbackFailed`] it may be.
pub fn replace(
    locks: &Locks<'_, impl FileSystem>,
    replacement: &Replacement,
    check: &dyn Fn(&[u8]) -> Result<(), Failure>,
) -> Result<Option<PathBuf>, Failure> {
    let fs = locks.fs();
    let staged = Staged::new(fs, &replacement.path, replacement, replacement.keep)?;
    if let Err(failure) = staged.rename(fs) {
        staged.discard(fs);
        return Err(failure);
    }
    match staged.verify(fs, check) {
        Ok(()) => Ok(staged.kept.map(|kept| kept.path)),
        Err(failure) => Err(staged.roll_back(fs, failure)),
    }
}

impl Staged {
    /// Stages the replacement: steps 1 and 2.
    ///
    /// # Errors
    /// When a step fails; its files are removed then, if possible.
    pub(crate) fn new(
        fs: &impl FileSystem,
        path: &Path,
        replacement: &Replacement,
        keep: Keep,
    ) -> Result<Staged, Failure> {
        let Replacement {
            before,
            after,
            like,
            ..
        } = replacement;
        refuse_hard_links(fs, path)?;
        let kept = match keep.path(path, before) {
            Some(kept) => Some(keep_old_content(fs, kept, path, before)?),
            None => None,
        };
        let like = MetadataSource {
            touch: replacement.touch,
            ..MetadataSource::all(like.as_deref().unwrap_or(path))
        };
        match write_temporary(fs, path, like, after) {
            Ok(temporary) => Ok(Staged {
                path: path.to_owned(),
                temporary,
                kept,
                before: Arc::clone(before),
                after: Arc::clone(after),
            }),
            Err(failure) => {
                remove_kept(fs, path, before, kept.as_ref());
                Err(failure)
            }
        }
    }

    /// The path of the temporary file.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The file that keeps the old content, if any.
    pub(crate) fn kept(&self) -> Option<&Path> {
        self.kept.as_ref().map(|kept| kept.path.as_path())
    }

    /// Removes the rollback copy after the transaction. A copy that can't be removed
    /// is harmless.
    pub(crate) fn remove_rollback_copy(&self, fs: &impl FileSystem) {
        let kept = Keep::Rollback.path(&self.path, &self.before);
        if let Some(kept) = kept.filter(|kept| self.kept() == Some(kept)) {
            let _ = fs.remove(&kept);
        }
    }

    /// Replaces the old file by the new one: steps 3 and 4.
    ///
    /// # Errors
    /// When a step fails; the old file remains then.
    pub(crate) fn rename(&self, fs: &impl FileSystem) -> Result<(), Failure> {
        let shown = self.path.display();
        refuse_hard_links(fs, &self.path)?;
        let now = fs.read(&self.path).map_err(read_failure(&self.path))?;
        if now != *self.before {
            return Err(Refusal::ChangedMeanwhile(shown.to_string()).into());
        }
        fs.rename(&self.temporary, &self.path)
            .map_err(io_failure(format!("{shown} can't be replaced")))
    }

    /// Flushes the folder and verifies the content of the new file: step 5.
    ///
    /// # Errors
    /// When that fails; the new file remains in place.
    pub(crate) fn verify(
        &self,
        fs: &impl FileSystem,
        check: &dyn Fn(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let problem = format!(
            "{} was replaced, but its folder can't be flushed to disk",
            self.path.display()
        );
        sync_folder(fs, folder_of(&self.path)).map_err(io_failure(problem))?;
        verify_content(fs, &self.path, &self.after)?;
        check(&self.after)
    }

    /// Removes the staged files. A file that can't be removed is harmless.
    pub(crate) fn discard(&self, fs: &impl FileSystem) {
        let _ = fs.remove(&self.temporary);
        remove_kept(fs, &self.path, &self.before, self.kept.as_ref());
    }

    /// Restores the old content after this failure; returns the failure to report.
    /// The final content of the file decides.
    fn roll_back(&self, fs: &impl FileSystem, failure: Failure) -> Failure {
        let tried = restore_content(fs, &self.path, &self.before);
        let now = fs.read(&self.path).ok();
        if tried.is_ok() || now.as_ref() == Some(&*self.before) {
            remove_kept(fs, &self.path, &self.before, self.kept.as_ref());
            return failure;
        }
        let holds = match now.as_ref() == Some(&*self.after) {
            true => "it holds the complete new content",
            false => "its present content is unknown",
        };
        Failure::RollbackFailed {
            reason: format!("{failure}; {holds}"),
            path: self.path.clone(),
        }
    }
}

/// Flushes the names in a folder to the medium. If the mount does not support that,
/// records a warning.
pub(crate) fn sync_folder(fs: &impl FileSystem, folder: &Path) -> io::Result<()> {
    let Err(error) = fs.sync_folder(folder) else {
        return Ok(());
    };
    match MountWarning::from_folder_sync_error(&error) {
        Some(warning) => {
            fs.warn(warning);
            Ok(())
        }
        None => Err(error),
    }
}

/// Reads a written file back and compares its content.
fn verify_content(fs: &impl FileSystem, path: &Path, content: &[u8]) -> Result<(), Failure> {
    let shown = path.display();
    let again = fs
        .read(path)
        .map_err(io_failure(format!("{shown} can't be read back")))?;
    match again == content {
        true => Ok(()),
        false => Err(Failure::Io {
            problem: format!("{shown} can't be verified"),
            error: io::Error::other("the content read back differs from the content written"),
        }),
    }
}

/// Replaces any content of a file by this content.
pub(crate) fn restore_content(
    fs: &impl FileSystem,
    path: &Path,
    content: &[u8],
) -> Result<(), Failure> {
    let shown = path.display();
    let temporary = write_temporary(fs, path, MetadataSource::all(path), content)?;
    fs.rename(&temporary, path)
        .inspect_err(|_| {
            let _ = fs.remove(&temporary);
        })
        .and_then(|()| sync_folder(fs, folder_of(path)))
        .map_err(io_failure(format!("{shown} can't be restored")))
}

/// Writes a new file with the metadata of `like`, as far as this process may set
/// them.
pub(crate) fn write_new(
    locks: &Locks<'_, impl FileSystem>,
    path: &Path,
    like: &Path,
    touch: bool,
    content: &[u8],
) -> Result<(), Failure> {
    let fs = locks.fs();
    let like = MetadataSource {
        of: like,
        all: false,
        touch,
    };
    let temporary = write_temporary(fs, path, like, content)?;
    publish(fs, &temporary, path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Refusal::OutputExists(path.display().to_string()).into(),
        _ => io_failure(format!("{} can't be written", path.display()))(error),
    })?;
    verify_content(fs, path, content).inspect_err(|_| {
        let _ = fs.remove(path);
    })
}

/// Writes a temporary file beside `path`, and flushes it to the medium.
fn write_temporary(
    fs: &impl FileSystem,
    path: &Path,
    like: MetadataSource<'_>,
    content: &[u8],
) -> Result<PathBuf, Failure> {
    let mut attempt = 1;
    let written = loop {
        let temporary = with_suffix(path, &format!(".{attempt}{TEMPORARY}"));
        match fs.create(&temporary, content) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Another program created it: it stays.
                return Err(io_failure(format!(
                    "{} can't be written",
                    temporary.display()
                ))(error));
            }
            result => break (temporary, result),
        }
    };
    let (temporary, result) = written;
    let finished = result
        .and_then(|()| fs.copy_metadata(like.of, &temporary, like.all))
        .and_then(|()| match like.touch {
            true => fs.touch(&temporary),
            false => Ok(()),
        })
        .and_then(|()| fs.sync(&temporary));
    match finished {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs.remove(&temporary);
            Err(io_failure(format!(
                "{} can't be written",
                temporary.display()
            ))(error))
        }
    }
}

/// Checks that a file can be replaced, before anything is staged. `before` is its
/// content; `None` if it does not exist.
///
/// # Errors
/// Why it can't be replaced.
pub(crate) fn check_replaceable(
    fs: &impl FileSystem,
    path: &Path,
    before: Option<&[u8]>,
    keep: Keep,
) -> Result<(), Failure> {
    if let Some(before) = before {
        refuse_hard_links(fs, path)?;
        if let Some(kept) = keep.path(path, before) {
            is_already_kept(fs, &kept, before)?;
        }
    }
    check_writable(fs, folder_of(path))
}

/// Refuses a file with several names: the others would keep the old content.
fn refuse_hard_links(fs: &impl FileSystem, path: &Path) -> Result<(), Failure> {
    let links = fs.link_count(path).map_err(read_failure(path))?;
    match links > 1 {
        true => Err(Refusal::HardLinked(path.display().to_string(), links).into()),
        false => Ok(()),
    }
}

/// Checks that files may be created in a folder, so that a dry run reports the same
/// problem as a real one.
pub(crate) fn check_writable(fs: &impl FileSystem, folder: &Path) -> Result<(), Failure> {
    let problem = format!("the folder {} can't be written to", folder.display());
    fs.check_writable(folder).map_err(io_failure(problem))
}

/// Whether `kept` exists with this content.
///
/// # Errors
/// When it exists with other content.
fn is_already_kept(fs: &impl FileSystem, kept: &Path, content: &[u8]) -> Result<bool, Failure> {
    if !fs.exists(kept).map_err(read_failure(kept))? {
        return Ok(false);
    }
    let old = match fs.read(kept) {
        Ok(old) => old,
        // Just removed by the run that created it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(read_failure(kept)(error)),
    };
    match old == content {
        true => Ok(true),
        false => Err(Refusal::ForeignBackup(kept.display().to_string()).into()),
    }
}

/// Writes the file that keeps the content of `path`, unless it exists.
fn keep_old_content(
    fs: &impl FileSystem,
    kept: PathBuf,
    path: &Path,
    content: &[u8],
) -> Result<KeptFile, Failure> {
    let is_new = !is_already_kept(fs, &kept, content)?;
    if is_new {
        let temporary = write_temporary(fs, &kept, MetadataSource::all(path), content)?;
        // A file that has just appeared is an error: the next run compares it.
        publish(fs, &temporary, &kept)
            .map_err(io_failure(format!("{} can't be written", kept.display())))?;
    }
    Ok(KeptFile { path: kept, is_new })
}

/// Gives a temporary file a name that no entry has, and flushes the folder; removes
/// the file if that fails.
pub(super) fn publish(fs: &impl FileSystem, temporary: &Path, path: &Path) -> io::Result<()> {
    fs.link(temporary, path).inspect_err(|_| {
        let _ = fs.remove(temporary);
    })?;
    let named = match fs.remove(temporary) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    };
    let published = named.and_then(|()| sync_folder(fs, folder_of(path)));
    published.inspect_err(|_| {
        for left in [temporary, path] {
            let _ = fs.remove(left);
        }
    })
}

/// Removes the kept content of a file that this run did not change, but only if the
/// file itself has that content: it may be the only copy by now.
fn remove_kept(fs: &impl FileSystem, path: &Path, content: &[u8], kept: Option<&KeptFile>) {
    let Some(kept) = kept.filter(|kept| kept.is_new) else {
        return;
    };
    if fs.read(path).is_ok_and(|now| now == content) {
        let _ = fs.remove(&kept.path);
    }
}
