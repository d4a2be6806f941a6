//! The calls of a file system that the patcher needs, so that tests can use one
//! that fails or stops at any step.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::mount::MountWarning;
use crate::input::Input;
use crate::storage::{FileStorage, Storage};

/// Writes the content of a file.
pub type WriteContent<'a> = dyn FnMut(&mut dyn io::Write) -> io::Result<()> + 'a;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
#[cfg(unix)]
use unix::{check_writable, count_links, keep_attributes, keep_security, try_lock};
#[cfg(windows)]
use windows::{check_writable, count_links, keep_attributes, keep_security, move_new, try_lock};

/// A file system. Every call is one step: a run that ends between two calls, or
/// during a [`create`](FileSystem::create), must lose nothing.
pub trait FileSystem {
    /// All bytes of a file.
    ///
    /// # Errors
    /// When it can't be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file of any size for reading by position.
    ///
    /// # Errors
    /// When it can't be opened.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(self.read(path)?))
    }

    /// The names of all entries of a folder, sorted.
    ///
    /// # Errors
    /// When it can't be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// The number of names (hard links) of a file; 1 if the system does not report it.
    ///
    /// # Errors
    /// When it can't be read, or is not a regular file: a link, a pipe.
    fn link_count(&self, path: &Path) -> io::Result<u64>;

    /// Whether an entry has this name, as the file system compares names.
    ///
    /// # Errors
    /// When the file system does not answer.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The path with links resolved, and with names spelled as on the medium.
    ///
    /// # Errors
    /// When it can't be resolved.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Checks that this program may create files in a folder, without creating one.
    ///
    /// # Errors
    /// When it may not.
    fn check_writable(&self, folder: &Path) -> io::Result<()>;

    /// Writes a new file.
    ///
    /// # Errors
    /// When the name exists, or the file can't be written. No part of it remains
    /// then, unless the run ends in this step.
    fn create(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Writes a new file whose content is produced while it is written.
    ///
    /// # Errors
    /// As for [`create`](FileSystem::create), and when `write` fails.
    fn create_with(&self, path: &Path, write: &mut WriteContent<'_>) -> io::Result<()> {
        let mut content = Vec::new();
        write(&mut content)?;
        self.create(path, &content)
    }

    /// Flushes the content and the metadata of a file to the medium.
    ///
    /// # Errors
    /// When that fails.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file that was created and not yet synced the times and permissions
    /// of another file, its owner and attributes, and on Windows its access list.
    ///
    /// # Errors
    /// When times or permissions can't be set; with `all`, when any of the rest
    /// can't be set.
    fn copy_metadata(&self, from: &Path, to: &Path, all: bool) -> io::Result<()>;

    /// Gives a file that was created and not yet synced the present time.
    ///
    /// # Errors
    /// When the time can't be set.
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name that no entry has. The old name may remain.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when an entry has the new name; or when the file
    /// system fails.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Replaces a file by another in one step.
    ///
    /// # Errors
    /// When the file system fails; both files remain then.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Flushes the names in a folder to the medium.
    ///
    /// # Errors
    /// When that fails.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When the file system fails.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file for this run until it is [unlocked](FileSystem::unlock) or the
    /// run ends in any way. For a file that this run created, the path means that
    /// file even if another file has its name by now.
    ///
    /// # Errors
    /// When it can't be opened, or the file system has no locks.
    fn lock(&self, path: &Path) -> io::Result<LockOutcome>;

    /// Unlocks a file; with `remove`, removes it first unless another file has its
    /// name by now.
    ///
    /// # Errors
    /// When it can't be removed.
    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()>;

    /// Waits for another run. `times` counts the earlier waits; `false` means that
    /// the run should give up.
    fn pause(&self, times: u32) -> bool;

    /// Records a warning about this file system.
    fn warn(&self, warning: MountWarning);
}

/// The outcome of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockOutcome {
    /// This run has it, and its path leads to it.
    Acquired,
    /// Another run has it.
    Held,
    /// Its path leads to another file, or to none.
    Gone,
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The size limit of a file, in bytes; every driver is far smaller.
const MAX_FILE_SIZE: u64 = 256 << 20;

/// The file system of the operating system.
#[derive(Debug, Default)]
pub struct HostFileSystem {
    locked: RefCell<BTreeMap<PathBuf, File>>,
    /// Files that were created and not synced, kept open: their new permissions may
    /// forbid opening them for writing.
    created: RefCell<BTreeMap<PathBuf, File>>,
    warnings: RefCell<BTreeSet<MountWarning>>,
}

impl HostFileSystem {
    /// The warnings about the file systems that were written to.
    pub(crate) fn warnings(&self) -> BTreeSet<MountWarning> {
        self.warnings.borrow().clone()
    }
}

/// Wait for another run at most this often, and this long each time: two seconds.
const MAX_PAUSES: u32 = 80;
const PAUSE: Duration = Duration::from_millis(25);

impl FileSystem for HostFileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Opening a pipe may block forever.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let input = Input::open(path)?;
        match input.length() {
            0..=MAX_FILE_SIZE => input.content().map(|content| content.to_vec()),
            _ => Err(io::Error::new(
                ErrorKind::FileTooLarge,
                format!("larger than {MAX_FILE_SIZE} bytes, and no driver is"),
            )),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(FileStorage::new(File::open(path)?)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name());
        }
        names.sort();
        Ok(names)
    }

    fn link_count(&self, path: &Path) -> io::Result<u64> {
        let metadata = fs::symlink_metadata(path)?;
        match metadata.is_file() {
            true => count_links(path),
            false => Err(io::Error::other("not a regular file")),
        }
    }

    fn create(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.create_with(path, &mut |file| file.write_all(content))
    }

    fn create_with(&self, path: &Path, write: &mut WriteContent<'_>) -> io::Result<()> {
        // For reading too: NFS refuses a lock on a file open for writing only.
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).open(path)?;
        let written = write(&mut file);
        match written {
            Ok(()) => {
                self.created.borrow_mut().insert(path.to_owned(), file);
            }
            Err(_) => {
                drop(file);
                let _ = fs::remove_file(path);
            }
        }
        written
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn check_writable(&self, folder: &Path) -> io::Result<()> {
        check_writable(folder)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        // Some file systems of Windows don't answer; then links stay unresolved.
        fs::canonicalize(path).or_else(|_| std::path::absolute(path))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        match self.created.borrow_mut().remove(path) {
            Some(file) => file.sync_all(),
            None => open_to_sync(path)?.sync_all(),
        }
    }

    fn copy_metadata(&self, from: &Path, to: &Path, all: bool) -> io::Result<()> {
        let metadata = fs::metadata(from)?;
        if let Some(file) = self.created.borrow().get(to) {
            file.set_times(times(&metadata))?;
        }
        let rest = keep_security(from, to).and_then(|()| keep_attributes(from, to));
        if all {
            rest?;
        }
        if fs::metadata(to)?.permissions() != metadata.permissions() {
            fs::set_permissions(to, metadata.permissions())?;
        }
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let now = fs::FileTimes::new().set_modified(SystemTime::now());
        match self.created.borrow().get(path) {
            Some(file) => file.set_times(now),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    #[cfg(windows)]
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        move_new(from, to)
    }

    #[cfg(not(windows))]
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::hard_link(from, to) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
            done => return done,
        }
        // FAT has no links.
        self.copy(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Windows has no such call; NTFS logs names itself.
        match cfg!(unix) {
            true => File::open(folder)?.sync_all(),
            false => Ok(()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.created.borrow_mut().remove(path);
        fs::remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let created = self.created.borrow_mut().remove(path);
        match try_lock(path, created) {
            Ok(Some(file)) => {
                self.locked.borrow_mut().insert(path.to_owned(), file);
                Ok(LockOutcome::Acquired)
            }
            Ok(None) => Ok(LockOutcome::Held),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(LockOutcome::Gone),
            Err(error) => Err(error),
        }
    }

    #[cfg(windows)]
    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()> {
        // An open file can't be removed. If another run opens it right after this,
        // that run holds the lock, and the removal fails.
        drop(self.locked.borrow_mut().remove(path));
        match remove {
            true => fs::remove_file(path),
            false => Ok(()),
        }
    }

    #[cfg(not(windows))]
    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()> {
        let locked = self.locked.borrow_mut().remove(path);
        let is_ours = match &locked {
            Some(file) => unix::leads_to(path, file)?,
            // Without locks: this run created the file.
            None => true,
        };
        match remove && is_ours {
            true => fs::remove_file(path),
            false => Ok(()),
        }
        // The file is closed here, which releases the lock.
    }

    fn pause(&self, times: u32) -> bool {
        let again = times < MAX_PAUSES;
        if again {
            std::thread::sleep(PAUSE);
        }
        again
    }

    fn warn(&self, warning: MountWarning) {
        self.warnings.borrow_mut().insert(warning);
    }
}

#[cfg(not(windows))]
impl HostFileSystem {
    /// Writes a copy of a file. It overwrites nothing either, but a run killed
    /// during it leaves a partial file.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.create(to, &fs::read(from)?)
            .and_then(|()| self.copy_metadata(from, to, false))
            .and_then(|()| self.sync(to))
            .inspect_err(|error| {
                if error.kind() != ErrorKind::AlreadyExists {
                    let _ = self.remove(to);
                }
            })
    }
}

/// Opens a file that another program may have written. Windows flushes only a
/// file that is open for writing.
fn open_to_sync(path: &Path) -> io::Result<File> {
    let is_windows = cfg!(windows);
    OpenOptions::new().read(true).write(is_windows).open(path)
}

fn times(metadata: &Metadata) -> fs::FileTimes {
    let mut times = fs::FileTimes::new();
    if let Ok(time) = metadata.modified() {
        times = times.set_modified(time);
    }
    if let Ok(time) = metadata.accessed() {
        times = times.set_accessed(time);
    }
    #[cfg(any(windows, target_os = "macos"))]
    if let Ok(time) = metadata.created() {
        #[cfg(target_os = "macos")]
        use std::os::macos::fs::FileTimesExt;
        #[cfg(windows)]
        use std::os::windows::fs::FileTimesExt;
        times = times.set_created(time);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_can_be_read_but_not_locked_by_another_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (one, other) = (HostFileSystem::default(), HostFileSystem::default());
        assert_eq!(one.lock(&path).unwrap(), LockOutcome::Gone);
        one.create(&path, b"content").unwrap();
        assert_eq!(one.lock(&path).unwrap(), LockOutcome::Acquired);
        for host in [&one, &other, &one] {
            assert_eq!(other.lock(&path).unwrap(), LockOutcome::Held);
            assert_eq!(host.read(&path).unwrap(), b"content");
        }
        one.unlock(&path, true).unwrap();
        assert!(!path.exists());
        assert_eq!(other.lock(&path).unwrap(), LockOutcome::Gone);
        // A file left by a run that has ended is unlocked.
        one.create(&path, b"again").unwrap();
        assert_eq!(one.lock(&path).unwrap(), LockOutcome::Acquired);
        drop(one);
        assert_eq!(other.lock(&path).unwrap(), LockOutcome::Acquired);
        other.unlock(&path, false).unwrap();
        assert_eq!(other.read(&path).unwrap(), b"again");
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_counts_only_while_its_path_leads_to_the_locked_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (one, other) = (HostFileSystem::default(), HostFileSystem::default());
        // Created, and taken for a stale lock before it was locked.
        one.create(&path, b"one").unwrap();
        assert_eq!(other.lock(&path).unwrap(), LockOutcome::Acquired);
        other.unlock(&path, true).unwrap();
        other.create(&path, b"other").unwrap();
        assert_eq!(one.lock(&path).unwrap(), LockOutcome::Gone);
        assert_eq!(other.lock(&path).unwrap(), LockOutcome::Acquired);
        // Removed by a person while it was held: the next run's file stays.
        fs::remove_file(&path).unwrap();
        one.create(&path, b"one").unwrap();
        assert_eq!(one.lock(&path).unwrap(), LockOutcome::Acquired);
        other.unlock(&path, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_file_that_is_a_link_is_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(folder.path().join("other"), b"mine").unwrap();
        std::os::unix::fs::symlink("other", &path).unwrap();
        let host = HostFileSystem::default();
        assert!(host.create(&path, b"x").is_err());
        assert!(host.lock(&path).is_err());
    }

    #[test]
    fn a_file_is_created_once_and_a_folder_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let host = HostFileSystem::default();
        host.create(&path, b"1").unwrap();
        let again = host.create(&path, b"2").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(host.read(&path).unwrap(), b"1");
        assert_eq!(host.list(folder.path()).unwrap(), ["a"]);
        assert!(host.link_count(folder.path()).is_err());
        assert_eq!(host.link_count(&path).unwrap(), 1);
        fs::hard_link(&path, folder.path().join("b")).unwrap();
        assert_eq!(host.link_count(&path).unwrap(), 2);
    }

    #[test]
    fn linking_never_overwrites() {
        type Link = fn(&HostFileSystem, &Path, &Path) -> io::Result<()>;
        let links: &[Link] = &[
            |host, from, to| host.link(from, to),
            #[cfg(not(windows))]
            |host, from, to| host.copy(from, to),
        ];
        for link in links {
            let folder = tempfile::tempdir().unwrap();
            let [one, two, there] = ["one", "two", "there"].map(|name| folder.path().join(name));
            let host = HostFileSystem::default();
            host.create(&one, b"1").unwrap();
            host.sync(&one).unwrap();
            fs::write(&there, b"mine").unwrap();
            let taken = link(&host, &one, &there).unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&there).unwrap(), b"mine");
            assert!(!host.exists(&two).unwrap());
            link(&host, &one, &two).unwrap();
            assert!(host.exists(&two).unwrap());
            assert_eq!(fs::read(&two).unwrap(), b"1");
        }
    }
}
