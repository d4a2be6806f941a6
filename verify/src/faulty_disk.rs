//! A file system that fails, or stops, at any step, and after a power failure
//! has only what was put on the medium: the content of files that were synced,
//! and of the names in a folder at most those of its last changes. It has locks,
//! or none; [`interleaving`] has two runs on it.

mod fault;
pub mod interleaving;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tcplimit::patch::filesystem::{FileSystem, LockOutcome};
use tcplimit::patch::mount::MountWarning;

pub use fault::{Content, Fault, Loss, Names};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inode {
    content: Vec<u8>,
    /// The content that it was written with, in a number.
    digest: u64,
    synced: bool,
    /// Owner, times and so on, in one number; 0 where that is lost.
    like: u32,
    /// Whether its time is that of a run.
    touched: bool,
    like_synced: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    fn folder(&self) -> &Path {
        let (Change::Create(path, _) | Change::Rename(path, _) | Change::Remove(path)) = self;
        path.parent().expect("a file is in a folder")
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Create(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Change::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Change::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// The file system.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    inodes: RefCell<Vec<Inode>>,
    names: RefCell<BTreeMap<PathBuf, usize>>,
    /// As on the medium.
    durable: RefCell<BTreeMap<PathBuf, usize>>,
    /// What is not there yet.
    pending: RefCell<Vec<Change>>,
    fault: Cell<Option<Fault>>,
    steps: Cell<u32>,
    ended: Cell<bool>,
    /// Whether upper and lower case count alike, as on NTFS.
    case_blind: bool,
    /// What another program writes, and right before which step.
    appears: Option<(u32, PathBuf, Vec<u8>)>,
    /// What becomes of a file once it was read so often.
    changes: Option<(PathBuf, Vec<u8>, Cell<u32>)>,
    /// The error that syncing a folder gives, and that locking a file gives.
    folder_sync_error: Option<i32>,
    lock_error: Option<i32>,
    warnings: RefCell<BTreeSet<MountWarning>>,
    /// A folder in which no file may be made.
    read_only: Option<PathBuf>,
    /// The run whose steps are taken.
    run: Cell<usize>,
    /// Files that runs have created and neither synced nor locked.
    created: RefCell<BTreeMap<(usize, PathBuf), usize>>,
    /// Files that runs have locked, by the names that they had then.
    locked: RefCell<BTreeMap<(usize, PathBuf), usize>>,
}

impl FaultyDisk {
    /// The same, where upper and lower case count alike.
    pub fn case_blind(self) -> FaultyDisk {
        FaultyDisk {
            case_blind: true,
            ..self
        }
    }

    /// The same, where right before this step another program writes a file,
    /// unless there is one.
    pub fn appearing(&self, step: u32, path: &str, content: &[u8]) -> FaultyDisk {
        let mut disk = self.clone();
        disk.appears = Some((step, PathBuf::from(path), content.to_vec()));
        disk
    }

    /// The same, where another program writes to a file right after it was read
    /// so often.
    pub fn changing(self, path: &str, content: &[u8], reads: u32) -> FaultyDisk {
        let changes = (PathBuf::from(path), content.to_vec(), Cell::new(reads));
        FaultyDisk {
            changes: Some(changes),
            ..self
        }
    }

    /// The same, where syncing a folder gives this error of the system.
    pub fn without_folder_sync(self, error: i32) -> FaultyDisk {
        FaultyDisk {
            folder_sync_error: Some(error),
            ..self
        }
    }

    /// The same, where locking a file gives this error of the system.
    pub fn without_locks(self, error: i32) -> FaultyDisk {
        FaultyDisk {
            lock_error: Some(error),
            ..self
        }
    }

    /// The same, where no file may be made in this folder.
    pub fn without_rights(self, folder: &str) -> FaultyDisk {
        FaultyDisk {
            read_only: Some(PathBuf::from(folder)),
            ..self
        }
    }

    /// What runs have taken note of.
    pub fn warnings(&self) -> Vec<MountWarning> {
        self.warnings.borrow().iter().copied().collect()
    }

    /// A run ends, however it does: its locks are free.
    fn end_run(&self, run: usize) {
        self.created.borrow_mut().retain(|(of, _), _| *of != run);
        self.locked.borrow_mut().retain(|(of, _), _| *of != run);
    }

    /// The state of the disk, in a number.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let inodes = self.inodes.borrow();
        let names = self.names.borrow();
        // The first name of an inode, not its number: that depends on the order in
        // which files were created.
        let first = |inode: usize| names.iter().find(|(_, other)| **other == inode);
        let mut add = |path: &PathBuf, inode: usize| {
            let first = first(inode).map(|(first, _)| first);
            let of = &inodes[inode];
            (path, first, of.digest, of.like, of.touched).hash(&mut hasher);
        };
        for (path, inode) in &*names {
            add(path, *inode);
        }
        for held in [&self.created, &self.locked] {
            for ((_, path), inode) in &*held.borrow() {
                add(path, *inode);
            }
        }
        for held in [&self.created, &self.locked] {
            for key in held.borrow().keys() {
                key.hash(&mut hasher);
            }
            0xFFFF.hash(&mut hasher);
        }
        self.warnings.borrow().hash(&mut hasher);
        hasher.finish()
    }

    /// A path as it is written on the medium, where something goes by it.
    fn spelled(&self, path: &Path) -> PathBuf {
        let names = self.names.borrow();
        let alike = |there: &&PathBuf| {
            let there = there.as_os_str();
            self.case_blind && there.eq_ignore_ascii_case(path.as_os_str())
        };
        names
            .keys()
            .find(alike)
            .map_or(path, |there| there)
            .to_owned()
    }

    /// One with these files, each with attributes of its own.
    pub fn with(files: &[(&str, &[u8])]) -> FaultyDisk {
        let disk = FaultyDisk::default();
        for (like, (path, content)) in (1..).zip(files) {
            let inode = disk.add(content, true, like);
            disk.names.borrow_mut().insert(PathBuf::from(path), inode);
        }
        disk.durable.replace(disk.names.borrow().clone());
        disk
    }

    fn add(&self, content: &[u8], synced: bool, like: u32) -> usize {
        let mut inodes = self.inodes.borrow_mut();
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        inodes.push(Inode {
            content: content.to_vec(),
            digest: hasher.finish(),
            synced,
            like,
            touched: false,
            like_synced: synced,
        });
        inodes.len() - 1
    }

    /// The same, to which this will happen.
    pub fn faulty(&self, fault: Fault) -> FaultyDisk {
        let disk = self.clone();
        disk.fault.set(Some(fault));
        disk.steps.set(0);
        disk
    }

    /// What a next run finds.
    pub fn after(&self) -> FaultyDisk {
        let disk = self.clone();
        disk.fault.set(None);
        disk.steps.set(0);
        disk.ended.set(false);
        disk.created.borrow_mut().clear();
        disk.locked.borrow_mut().clear();
        if let (Some(Fault::PowerLoss(_, loss)), true) = (self.fault.get(), self.ended.get()) {
            disk.lose(loss);
        }
        disk
    }

    fn lose(&self, loss: Loss) {
        let mut names = self.durable.borrow().clone();
        let pending = self.pending.borrow().clone();
        let in_folder = |changes: &[Change], folder: &Path| {
            let here = changes.iter().filter(|change| change.folder() == folder);
            here.count()
        };
        for (index, change) in pending.iter().enumerate() {
            let happened = match loss.names {
                Names::First(count) => in_folder(&pending[..index], change.folder()) < count,
                Names::Last(count) => in_folder(&pending[index..], change.folder()) <= count,
            };
            if happened {
                change.apply(&mut names);
            }
        }
        for inode in self.inodes.borrow_mut().iter_mut() {
            let length = inode.content.len();
            if !inode.synced {
                match loss.content {
                    Content::All => {}
                    Content::Half => inode.content.truncate(length / 2),
                    Content::Zeros => inode.content.fill(0),
                    Content::Nothing => inode.content.clear(),
                }
            }
            if !inode.like_synced {
                (inode.like, inode.touched) = (0, false);
            }
            (inode.synced, inode.like_synced) = (true, true);
        }
        self.durable.replace(names.clone());
        self.names.replace(names);
        self.pending.borrow_mut().clear();
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u32 {
        self.steps.get()
    }

    /// The content of a file, without a step.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let inode = *self.names.borrow().get(Path::new(path))?;
        Some(self.inodes.borrow()[inode].content.clone())
    }

    /// Its attributes, without a step.
    pub fn like(&self, path: &str) -> Option<u32> {
        let inode = *self.names.borrow().get(Path::new(path))?;
        Some(self.inodes.borrow()[inode].like)
    }

    /// Whether its time is that of a run, without a step.
    pub fn is_touched(&self, path: &str) -> Option<bool> {
        let inode = *self.names.borrow().get(Path::new(path))?;
        Some(self.inodes.borrow()[inode].touched)
    }

    /// All files, without a step.
    pub fn paths(&self) -> Vec<String> {
        let names = self.names.borrow();
        names
            .keys()
            .map(|path| path.display().to_string())
            .collect()
    }

    /// Counts a step; whether it happens, happens in part, or fails.
    fn step(&self) -> Step {
        if self.ended.get() {
            return Step::Fails(io::Error::other("the run has ended"));
        }
        let step = self.steps.get();
        self.steps.set(step + 1);
        if let Some((at, path, content)) = &self.appears
            && *at == step
            && self.inode(path).is_err()
        {
            let inode = self.add(content, true, 0);
            self.change(Change::Create(path.clone(), inode));
        }
        match self.fault.get() {
            Some(Fault::Fails(at)) if at == step => Step::Half(io::Error::other("a fault")),
            Some(Fault::Full(at)) if at <= step => Step::Full,
            Some(Fault::Killed(at) | Fault::PowerLoss(at, _)) if at == step => {
                self.ended.set(true);
                Step::Half(io::Error::other("the run has ended"))
            }
            _ => Step::Happens,
        }
    }

    /// For steps that happen as a whole or not at all.
    fn whole(&self) -> io::Result<()> {
        match self.step() {
            Step::Happens | Step::Full => Ok(()),
            Step::Half(error) | Step::Fails(error) => Err(error),
        }
    }

    fn change(&self, change: Change) {
        change.apply(&mut self.names.borrow_mut());
        self.pending.borrow_mut().push(change);
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        let path = self.spelled(path);
        let names = self.names.borrow();
        names
            .get(&path)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// So often a run waits for another.
const PAUSES: u32 = 1;

enum Step {
    Happens,
    Full,
    Half(io::Error),
    Fails(io::Error),
}

impl FileSystem for FaultyDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.whole()?;
        let inode = self.inode(path)?;
        let content = self.inodes.borrow()[inode].content.clone();
        if let Some((of, new, reads)) = &self.changes
            && of == path
        {
            reads.set(reads.get().saturating_sub(1));
            if reads.get() == 0 {
                self.inodes.borrow_mut()[inode].content.clone_from(new);
            }
        }
        Ok(content)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.whole()?;
        let names = self.names.borrow();
        let within = names.keys().filter(|path| path.parent() == Some(folder));
        let last = within.filter_map(|path| path.file_name());
        Ok(last.map(OsString::from).collect())
    }

    fn link_count(&self, path: &Path) -> io::Result<u64> {
        self.whole()?;
        let inode = self.inode(path)?;
        let names = self.names.borrow();
        let links = names.values().filter(|other| **other == inode).count();
        Ok(u64::try_from(links).unwrap_or(u64::MAX))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.whole()?;
        Ok(self.inode(path).is_ok())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.spelled(path))
    }

    /// No step: rights don't change.
    fn check_writable(&self, folder: &Path) -> io::Result<()> {
        match self.read_only.as_deref() == Some(folder) {
            true => Err(ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }

    fn create(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.check_writable(path.parent().expect("a file is in a folder"))?;
        let (written, result) = match self.step() {
            Step::Happens => (content, Ok(())),
            // What is there in part is removed at once.
            Step::Full => return Err(ErrorKind::StorageFull.into()),
            Step::Half(error) if !self.ended.get() => return Err(error),
            Step::Half(error) => (&content[..content.len() / 2], Err(error)),
            Step::Fails(error) => return Err(error),
        };
        if self.inode(path).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = self.add(written, false, 0);
        self.change(Change::Create(path.to_owned(), inode));
        let handle = (self.run.get(), path.to_owned());
        self.created.borrow_mut().insert(handle, inode);
        result
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        let handle = (self.run.get(), path.to_owned());
        self.created.borrow_mut().remove(&handle);
        let inode = self.inode(path)?;
        let inode = &mut self.inodes.borrow_mut()[inode];
        (inode.synced, inode.like_synced) = (true, true);
        Ok(())
    }

    fn copy_metadata(&self, from: &Path, to: &Path, _all: bool) -> io::Result<()> {
        self.whole()?;
        let (from, to) = (self.inode(from)?, self.inode(to)?);
        let mut inodes = self.inodes.borrow_mut();
        inodes[to].like = inodes[from].like;
        inodes[to].touched = inodes[from].touched;
        inodes[to].like_synced = false;
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        let inode = self.inode(path)?;
        let mut inodes = self.inodes.borrow_mut();
        inodes[inode].touched = true;
        inodes[inode].like_synced = false;
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        let inode = self.inode(from)?;
        if self.inode(to).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Create(to.to_owned(), inode));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        self.inode(from)?;
        self.change(Change::Rename(self.spelled(from), self.spelled(to)));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.whole()?;
        if let Some(error) = self.folder_sync_error {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut durable = self.durable.borrow_mut();
        self.pending.borrow_mut().retain(|change| {
            let here = change.folder() == folder;
            if here {
                change.apply(&mut durable);
            }
            !here
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole()?;
        self.inode(path)?;
        self.change(Change::Remove(self.spelled(path)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        self.whole()?;
        let handle = (self.run.get(), path.to_owned());
        let there = self.inode(path).ok();
        let created = self.created.borrow_mut().remove(&handle);
        let Some(inode) = created.or(there) else {
            return Ok(LockOutcome::Gone);
        };
        if let Some(error) = self.lock_error {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut locked = self.locked.borrow_mut();
        if locked.values().any(|other| *other == inode) {
            return Ok(LockOutcome::Held);
        }
        if there != Some(inode) {
            return Ok(LockOutcome::Gone);
        }
        locked.insert(handle, inode);
        Ok(LockOutcome::Acquired)
    }

    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()> {
        let handle = (self.run.get(), path.to_owned());
        let locked = self.locked.borrow_mut().remove(&handle);
        self.whole()?;
        let there = self.inode(path)?;
        if remove && locked.is_none_or(|inode| inode == there) {
            self.change(Change::Remove(self.spelled(path)));
        }
        Ok(())
    }

    fn pause(&self, times: u32) -> bool {
        times < PAUSES
    }

    fn warn(&self, warning: MountWarning) {
        self.warnings.borrow_mut().insert(warning);
    }
}
