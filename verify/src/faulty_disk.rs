//! A file system that fails or stops at any step, and that keeps only flushed
//! data after a power failure: the content of synced files, and some of the
//! last changes of names in each folder. Locks can be switched off;
//! [`interleaving`] explores two runs on it.

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

pub use fault::{Fault, Loss, SurvivingContent, SurvivingNames};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inode {
    content: Vec<u8>,
    /// A digest of the content that it was created with.
    digest: u64,
    synced: bool,
    /// Owner, times and other metadata, as one number; 0 if lost.
    metadata: u32,
    /// Whether a run set its time.
    touched: bool,
    metadata_synced: bool,
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
    /// The names on the medium.
    durable: RefCell<BTreeMap<PathBuf, usize>>,
    /// Changes that are not on the medium yet.
    pending: RefCell<Vec<Change>>,
    fault: Cell<Option<Fault>>,
    steps: Cell<u32>,
    ended: Cell<bool>,
    /// Whether names are case-insensitive, as on NTFS.
    case_blind: bool,
    /// A file that another program creates right before a step.
    foreign_file: Option<(u32, PathBuf, Vec<u8>)>,
    /// A write by another program after a number of reads.
    foreign_write: Option<(PathBuf, Vec<u8>, Cell<u32>)>,
    /// The errors of syncing a folder and of locking a file.
    folder_sync_error: Option<i32>,
    lock_error: Option<i32>,
    warnings: RefCell<BTreeSet<MountWarning>>,
    /// A folder in which no file can be created.
    read_only: Option<PathBuf>,
    /// The run that takes the current step.
    run: Cell<usize>,
    /// Files that a run created and neither synced nor locked.
    created: RefCell<BTreeMap<(usize, PathBuf), usize>>,
    /// Files that a run locked, by their names at that time.
    locked: RefCell<BTreeMap<(usize, PathBuf), usize>>,
}

impl FaultyDisk {
    /// The same disk with case-insensitive names.
    pub fn case_blind(self) -> FaultyDisk {
        FaultyDisk {
            case_blind: true,
            ..self
        }
    }

    /// The same disk where another program creates a file right before this
    /// step, unless it exists.
    pub fn with_foreign_file(&self, step: u32, path: &str, content: &[u8]) -> FaultyDisk {
        let mut disk = self.clone();
        disk.foreign_file = Some((step, PathBuf::from(path), content.to_vec()));
        disk
    }

    /// The same disk where another program writes to a file after this number
    /// of reads.
    pub fn with_foreign_write(self, path: &str, content: &[u8], reads: u32) -> FaultyDisk {
        let write = (PathBuf::from(path), content.to_vec(), Cell::new(reads));
        FaultyDisk {
            foreign_write: Some(write),
            ..self
        }
    }

    /// The same disk where syncing a folder fails with this error code.
    pub fn without_folder_sync(self, error: i32) -> FaultyDisk {
        FaultyDisk {
            folder_sync_error: Some(error),
            ..self
        }
    }

    /// The same disk where locking a file fails with this error code.
    pub fn without_locks(self, error: i32) -> FaultyDisk {
        FaultyDisk {
            lock_error: Some(error),
            ..self
        }
    }

    /// The same disk where no file can be created in this folder.
    pub fn without_rights(self, folder: &str) -> FaultyDisk {
        FaultyDisk {
            read_only: Some(PathBuf::from(folder)),
            ..self
        }
    }

    /// The warnings of all runs.
    pub fn warnings(&self) -> Vec<MountWarning> {
        self.warnings.borrow().iter().copied().collect()
    }

    /// Ends a run and releases its locks.
    fn end_run(&self, run: usize) {
        self.created.borrow_mut().retain(|(of, _), _| *of != run);
        self.locked.borrow_mut().retain(|(of, _), _| *of != run);
    }

    /// A digest of the state of the disk.
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
            (path, first, of.digest, of.metadata, of.touched).hash(&mut hasher);
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

    /// The stored spelling of a path, if it exists.
    fn stored_path(&self, path: &Path) -> PathBuf {
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

    /// A disk with these files, each with its own metadata.
    pub fn with(files: &[(&str, &[u8])]) -> FaultyDisk {
        let disk = FaultyDisk::default();
        for (metadata, (path, content)) in (1..).zip(files) {
            let inode = disk.add(content, true, metadata);
            disk.names.borrow_mut().insert(PathBuf::from(path), inode);
        }
        disk.durable.replace(disk.names.borrow().clone());
        disk
    }

    fn add(&self, content: &[u8], synced: bool, metadata: u32) -> usize {
        let mut inodes = self.inodes.borrow_mut();
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        inodes.push(Inode {
            content: content.to_vec(),
            digest: hasher.finish(),
            synced,
            metadata,
            touched: false,
            metadata_synced: synced,
        });
        inodes.len() - 1
    }

    /// The same disk with a fault to come.
    pub fn faulty(&self, fault: Fault) -> FaultyDisk {
        let disk = self.clone();
        disk.fault.set(Some(fault));
        disk.steps.set(0);
        disk
    }

    /// The disk as the next run finds it.
    pub fn after(&self) -> FaultyDisk {
        let disk = self.clone();
        disk.fault.set(None);
        disk.steps.set(0);
        disk.ended.set(false);
        disk.created.borrow_mut().clear();
        disk.locked.borrow_mut().clear();
        if let (Some(Fault::PowerLoss(_, loss)), true) = (self.fault.get(), self.ended.get()) {
            disk.apply_loss(loss);
        }
        disk
    }

    fn apply_loss(&self, loss: Loss) {
        let mut names = self.durable.borrow().clone();
        let pending = self.pending.borrow().clone();
        let in_folder = |changes: &[Change], folder: &Path| {
            let here = changes.iter().filter(|change| change.folder() == folder);
            here.count()
        };
        for (index, change) in pending.iter().enumerate() {
            let happened = match loss.names {
                SurvivingNames::First(count) => {
                    in_folder(&pending[..index], change.folder()) < count
                }
                SurvivingNames::Last(count) => {
                    in_folder(&pending[index..], change.folder()) <= count
                }
            };
            if happened {
                change.apply(&mut names);
            }
        }
        for inode in self.inodes.borrow_mut().iter_mut() {
            let length = inode.content.len();
            if !inode.synced {
                match loss.content {
                    SurvivingContent::All => {}
                    SurvivingContent::Half => inode.content.truncate(length / 2),
                    SurvivingContent::Zeros => inode.content.fill(0),
                    SurvivingContent::Nothing => inode.content.clear(),
                }
            }
            if !inode.metadata_synced {
                (inode.metadata, inode.touched) = (0, false);
            }
            (inode.synced, inode.metadata_synced) = (true, true);
        }
        self.durable.replace(names.clone());
        self.names.replace(names);
        self.pending.borrow_mut().clear();
    }

    /// The number of steps taken.
    pub fn steps(&self) -> u32 {
        self.steps.get()
    }

    /// The content of a file, without a step.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let inode = *self.names.borrow().get(Path::new(path))?;
        Some(self.inodes.borrow()[inode].content.clone())
    }

    /// The metadata of a file, without a step.
    pub fn metadata(&self, path: &str) -> Option<u32> {
        let inode = *self.names.borrow().get(Path::new(path))?;
        Some(self.inodes.borrow()[inode].metadata)
    }

    /// Whether a run set the file's time, without a step.
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

    /// Counts a step and decides whether it happens, happens in part, or fails.
    fn step(&self) -> CallEffect {
        if self.ended.get() {
            return CallEffect::Fails(io::Error::other("the run has ended"));
        }
        let step = self.steps.get();
        self.steps.set(step + 1);
        if let Some((at, path, content)) = &self.foreign_file
            && *at == step
            && self.inode(path).is_err()
        {
            let inode = self.add(content, true, 0);
            self.change(Change::Create(path.clone(), inode));
        }
        match self.fault.get() {
            Some(Fault::Fails(at)) if at == step => CallEffect::Half(io::Error::other("a fault")),
            Some(Fault::Full(at)) if at <= step => CallEffect::Full,
            Some(Fault::Killed(at) | Fault::PowerLoss(at, _)) if at == step => {
                self.ended.set(true);
                CallEffect::Half(io::Error::other("the run has ended"))
            }
            _ => CallEffect::Happens,
        }
    }

    /// A step that happens completely or not at all.
    fn atomic_step(&self) -> io::Result<()> {
        match self.step() {
            CallEffect::Happens | CallEffect::Full => Ok(()),
            CallEffect::Half(error) | CallEffect::Fails(error) => Err(error),
        }
    }

    fn change(&self, change: Change) {
        change.apply(&mut self.names.borrow_mut());
        self.pending.borrow_mut().push(change);
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        let path = self.stored_path(path);
        let names = self.names.borrow();
        names
            .get(&path)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// The number of times a run waits for another.
const PAUSES: u32 = 1;

/// The effect of a call on the disk.
enum CallEffect {
    Happens,
    Full,
    Half(io::Error),
    Fails(io::Error),
}

impl FileSystem for FaultyDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.atomic_step()?;
        let inode = self.inode(path)?;
        let content = self.inodes.borrow()[inode].content.clone();
        if let Some((of, new, reads)) = &self.foreign_write
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
        self.atomic_step()?;
        let names = self.names.borrow();
        let within = names.keys().filter(|path| path.parent() == Some(folder));
        let last = within.filter_map(|path| path.file_name());
        Ok(last.map(OsString::from).collect())
    }

    fn link_count(&self, path: &Path) -> io::Result<u64> {
        self.atomic_step()?;
        let inode = self.inode(path)?;
        let names = self.names.borrow();
        let links = names.values().filter(|other| **other == inode).count();
        Ok(u64::try_from(links).unwrap_or(u64::MAX))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.atomic_step()?;
        Ok(self.inode(path).is_ok())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.stored_path(path))
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
            CallEffect::Happens => (content, Ok(())),
            // A partial file is removed at once.
            CallEffect::Full => return Err(ErrorKind::StorageFull.into()),
            CallEffect::Half(error) if !self.ended.get() => return Err(error),
            CallEffect::Half(error) => (&content[..content.len() / 2], Err(error)),
            CallEffect::Fails(error) => return Err(error),
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
        self.atomic_step()?;
        let handle = (self.run.get(), path.to_owned());
        self.created.borrow_mut().remove(&handle);
        let inode = self.inode(path)?;
        let inode = &mut self.inodes.borrow_mut()[inode];
        (inode.synced, inode.metadata_synced) = (true, true);
        Ok(())
    }

    fn copy_metadata(&self, from: &Path, to: &Path, _all: bool) -> io::Result<()> {
        self.atomic_step()?;
        let (from, to) = (self.inode(from)?, self.inode(to)?);
        let mut inodes = self.inodes.borrow_mut();
        inodes[to].metadata = inodes[from].metadata;
        inodes[to].touched = inodes[from].touched;
        inodes[to].metadata_synced = false;
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.atomic_step()?;
        let inode = self.inode(path)?;
        let mut inodes = self.inodes.borrow_mut();
        inodes[inode].touched = true;
        inodes[inode].metadata_synced = false;
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.atomic_step()?;
        let inode = self.inode(from)?;
        if self.inode(to).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Create(to.to_owned(), inode));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.atomic_step()?;
        self.inode(from)?;
        self.change(Change::Rename(self.stored_path(from), self.stored_path(to)));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.atomic_step()?;
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
        self.atomic_step()?;
        self.inode(path)?;
        self.change(Change::Remove(self.stored_path(path)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        self.atomic_step()?;
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
        self.atomic_step()?;
        let there = self.inode(path)?;
        if remove && locked.is_none_or(|inode| inode == there) {
            self.change(Change::Remove(self.stored_path(path)));
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
