//! One file in the place of another, in one step that happens or does not.
//!
//! 1. The backup: the old content under a name that has its hash in it. One
//!    that is there already must be it, and is never overwritten.
//! 2. The new content in a temporary file in the same folder, on the medium,
//!    with owner, permissions, attributes and times of the old file.
//! 3. Is the old file still what it was, one file with one name?
//! 4. Rename: the one step that counts.
//! 5. Folder on the medium, file read again, and what is in it located again.
//!    Where that fails the old content is put back.
//!
//! A run that ends before 4 leaves the old file, after it the new one. All of it
//! is done by who has the folder's lock.

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

/// A file that is to have another content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The file; of several, from the folder of their journal on.
    pub path: PathBuf,
    /// What it holds.
    pub before: Arc<Vec<u8>>,
    /// What it shall hold.
    pub after: Arc<Vec<u8>>,
    /// What becomes of what it holds.
    pub keep: Keep,
    /// The file whose owner, permissions and times it gets, if not its own.
    pub like: Option<PathBuf>,
    /// Whether its time is that of the change.
    pub touch: bool,
}

/// What a new file gets beside its content.
#[derive(Clone, Copy)]
struct MetadataSource<'p> {
    /// The file whose times and permissions it gets.
    of: &'p Path,
    /// Whether it must get everything else too.
    all: bool,
    /// Whether its time is that of now.
    touch: bool,
}

impl<'p> MetadataSource<'p> {
    /// Everything.
    fn all(of: &'p Path) -> MetadataSource<'p> {
        let (all, touch) = (true, false);
        MetadataSource { of, all, touch }
    }
}

/// A replacement that is ready and has changed nothing yet.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    temporary: PathBuf,
    kept: Option<KeptFile>,
    before: Arc<Vec<u8>>,
    after: Arc<Vec<u8>>,
}

/// What becomes of the old content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is kept as a backup.
    Backup,
    /// It is kept aside: it is damaged.
    Damaged,
    /// It is kept until the transaction is finished, to be put back by it.
    Rollback,
    /// It is not kept: there is a backup, or a way to make it.
    Nothing,
}

/// A file that has the old content.
#[derive(Debug)]
struct KeptFile {
    path: PathBuf,
    is_new: bool,
}

impl Keep {
    /// The file that keeps this content of a file.
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

/// Replaces the content of a file; returns the file that keeps the old one,
/// when it is to be kept. What is read again in the end must also pass `check`.
///
/// # Errors
/// Why it was not replaced. Only with [`Failure::RollbackFailed`] it may have been.
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
    /// Makes everything ready: steps 1 and 2.
    ///
    /// # Errors
    /// When it can't; nothing is left behind then, if that can be had.
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

    /// The name of the temporary file.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The file that keeps the old content, when it is to be kept.
    pub(crate) fn kept(&self) -> Option<&Path> {
        self.kept.as_ref().map(|kept| kept.path.as_path())
    }

    /// Removes what was kept for the transaction only: it is finished. What can't
    /// be removed is harmless.
    pub(crate) fn remove_rollback_copy(&self, fs: &impl FileSystem) {
        let kept = Keep::Rollback.path(&self.path, &self.before);
        if let Some(kept) = kept.filter(|kept| self.kept() == Some(kept)) {
            let _ = fs.remove(&kept);
        }
    }

    /// Puts the new file in the place of the old: steps 3 and 4.
    ///
    /// # Errors
    /// When it can't; the old file is there then.
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

    /// Whether the new file is there for good, and holds what it was to hold:
    /// step 5.
    ///
    /// # Errors
    /// When it is not; the new file is there all the same.
    pub(crate) fn verify(
        &self,
        fs: &impl FileSystem,
        check: &dyn Fn(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let what = format!(
            "{} was replaced, but its folder can't be flushed to disk",
            self.path.display()
        );
        sync_folder(fs, folder_of(&self.path)).map_err(io_failure(what))?;
        verify_content(fs, &self.path, &self.after)?;
        check(&self.after)
    }

    /// Takes away what was made ready. What can't be removed is harmless.
    pub(crate) fn discard(&self, fs: &impl FileSystem) {
        let _ = fs.remove(&self.temporary);
        remove_kept(fs, &self.path, &self.before, self.kept.as_ref());
    }

    /// Puts the old content back after a replacement that failed so; returns what is to
    /// be said. What counts is which content is there in the end.
    fn roll_back(&self, fs: &impl FileSystem, failure: Failure) -> Failure {
        let tried = restore_content(fs, &self.path, &self.before);
        let now = fs.read(&self.path).ok();
        if tried.is_ok() || now.as_ref() == Some(&*self.before) {
            remove_kept(fs, &self.path, &self.before, self.kept.as_ref());
            return failure;
        }
        let holds = match now.as_ref() == Some(&*self.after) {
            true => "it holds the new content, whole",
            false => "what it holds now can't be told",
        };
        Failure::RollbackFailed {
            reason: format!("{failure}; {holds}"),
            path: self.path.clone(),
        }
    }
}

/// Waits until the names in a folder are on the medium, as far as the mount can
/// do that. What it can't is said in the end.
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

/// Reads a file again that was written.
fn verify_content(fs: &impl FileSystem, path: &Path, content: &[u8]) -> Result<(), Failure> {
    let shown = path.display();
    let again = fs
        .read(path)
        .map_err(io_failure(format!("{shown} can't be read again")))?;
    match again == content {
        true => Ok(()),
        false => Err(Failure::Io {
            problem: format!("{shown} was written"),
            error: io::Error::other("what is read again is not what was written"),
        }),
    }
}

/// Gives a file this content, whatever it has: for putting things back.
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
        .map_err(io_failure(format!("{shown} can't be put back")))
}

/// Writes a file that is not there yet, like `like` in all but its content, as
/// far as whoever runs this may have it so.
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

/// Writes a new file beside `path`, and waits until it is on the medium.
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
                // Not ours: it stays.
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

/// Refuses a file that can't give its place to another, before anything is made
/// ready. `before` is what it holds, where it is there.
///
/// # Errors
/// Why it can't.
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

/// Refuses a file that has other names: they would keep the old content.
fn refuse_hard_links(fs: &impl FileSystem, path: &Path) -> Result<(), Failure> {
    let links = fs.link_count(path).map_err(read_failure(path))?;
    match links > 1 {
        true => Err(Refusal::HardLinked(path.display().to_string(), links).into()),
        false => Ok(()),
    }
}

/// Whether files may be made in a folder, so that a run which only shows what
/// it would do says what the real one would.
pub(crate) fn check_writable(fs: &impl FileSystem, folder: &Path) -> Result<(), Failure> {
    let what = format!("the folder {} can't be written to", folder.display());
    fs.check_writable(folder).map_err(io_failure(what))
}

/// Whether a file is there that keeps this content.
///
/// # Errors
/// When something else goes by its name.
fn is_already_kept(fs: &impl FileSystem, kept: &Path, content: &[u8]) -> Result<bool, Failure> {
    if !fs.exists(kept).map_err(read_failure(kept))? {
        return Ok(false);
    }
    let old = match fs.read(kept) {
        Ok(old) => old,
        // Removed in this moment by the run that had made it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(read_failure(kept)(error)),
    };
    match old == content {
        true => Ok(true),
        false => Err(Refusal::ForeignBackup(kept.display().to_string()).into()),
    }
}

/// Keeps the content of a file in another, or sees that it is there.
fn keep_old_content(
    fs: &impl FileSystem,
    kept: PathBuf,
    path: &Path,
    content: &[u8],
) -> Result<KeptFile, Failure> {
    let is_new = !is_already_kept(fs, &kept, content)?;
    if is_new {
        let temporary = write_temporary(fs, &kept, MetadataSource::all(path), content)?;
        // One that appeared a moment ago is an error: the next run looks at it.
        publish(fs, &temporary, &kept)
            .map_err(io_failure(format!("{} can't be written", kept.display())))?;
    }
    Ok(KeptFile { path: kept, is_new })
}

/// Gives a temporary file a name that nothing has, for good; or removes it.
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

/// Removes what this run has kept of a file that it did not change, and only as
/// long as the file itself has that content: it may be the only copy by now.
fn remove_kept(fs: &impl FileSystem, path: &Path, content: &[u8], kept: Option<&KeptFile>) {
    let Some(kept) = kept.filter(|kept| kept.is_new) else {
        return;
    };
    if fs.read(path).is_ok_and(|now| now == content) {
        let _ = fs.remove(&kept.path);
    }
}
