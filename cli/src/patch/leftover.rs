//! What runs have left in a Windows, what each of it means, and what of it is of
//! no use any more.
//!
//! Removing it must never lose the only copy of a build. So a file goes only
//! where another one says all that it says, and that one is looked at again, and
//! waited for until it is on the medium, right before: of a backup the file that
//! it is a backup of, with the same content; of a staged file any copy, or any
//! backup that stays, of the same build. What can't be judged stays.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_report::{is_module, sha256};

use super::failure::{Failure, io_failure, read_failure};
use super::file_names::{
    ROLLBACK, base_name, is_damaged_name, is_staged_name, parse_driver_backup_name,
};
use super::filesystem::{FileSystem, folder_of};
use super::journal::{self, FileState};
use super::lock::{self, HeldLock, Locks, OwnerState};
use super::lock_owner::{age_text, now};
use super::refusal::Refusal;
use super::replace::sync_folder;
use super::restore::{Assessment, BuildIdentity, assess};
use crate::text::count;

/// What a run has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverKind {
    /// The content that a file had before it was changed.
    Backup,
    /// A damaged file, kept aside.
    Damaged,
    /// A file that was made ready to take the place of another.
    Staged,
    /// What a cabinet held before a restore, while that was under way.
    Rollback,
    /// The lock file of a folder.
    Lock,
    /// The journal of a transaction.
    Journal,
}

impl LeftoverKind {
    /// The word for it in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LeftoverKind::Backup => "backup",
            LeftoverKind::Damaged => "damaged",
            LeftoverKind::Staged => "staged",
            LeftoverKind::Rollback => "meanwhile",
            LeftoverKind::Lock => "lock",
            LeftoverKind::Journal => "journal",
        }
    }

    /// For people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            LeftoverKind::Backup => "a backup",
            LeftoverKind::Damaged => "a damaged file that was kept aside",
            LeftoverKind::Staged => "a staged file",
            LeftoverKind::Rollback => "the old content of a file, kept during a restore",
            LeftoverKind::Lock => "a lock file",
            LeftoverKind::Journal => "a journal",
        }
    }
}

/// A file that a run has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: LeftoverKind,
    /// Whether it is of no use any more, and may be removed.
    pub is_removable: bool,
    /// Why, or why not.
    pub meaning: String,
    /// The file that says all that this one does, and the SHA-256 of its content.
    duplicate: Option<(PathBuf, String)>,
}

impl Leftover {
    /// Its age in seconds, where the system knows it. A backup has the driver's
    /// times, so only Unix does, by the time of the last change.
    pub(crate) fn age(&self) -> Option<u64> {
        let metadata = std::fs::symlink_metadata(&self.path).ok()?;
        now().checked_sub(change_time(&metadata)?)
    }

    /// `a backup, 3 days old`
    pub(crate) fn kind_and_age(&self) -> String {
        let kind = self.kind.description();
        match self.age() {
            Some(age) => format!("{kind}, {} old", age_text(age)),
            None => kind.to_owned(),
        }
    }
}

/// When a file was changed last, its names and rights included, in seconds since
/// 1970.
#[cfg(unix)]
fn change_time(metadata: &std::fs::Metadata) -> Option<u64> {
    u64::try_from(std::os::unix::fs::MetadataExt::ctime(metadata)).ok()
}

#[cfg(not(unix))]
fn change_time(_: &std::fs::Metadata) -> Option<u64> {
    None
}

/// What became of it.
#[derive(Debug)]
pub enum Removal {
    /// It would be removed.
    WouldRemove,
    /// It was removed.
    Removed,
    /// It is there as before.
    Stays,
    /// It can't be removed.
    Failed(Failure),
}

const LOCKED: &str = "another run is at work, or may be";
const UNFINISHED: &str = "the journal is there: the next tcplimit patch or restore with --root and --in-place comes first";

/// All that runs have left in these folders of a Windows, in the order of what
/// it is. Locks that the caller has are none of it. Nothing is written.
///
/// # Errors
/// When a folder, or who has a lock, can't be read.
pub fn leftovers<D: FileSystem>(
    fs: &D,
    home: &Path,
    folders: &[PathBuf],
    locks: Option<&Locks<'_, D>>,
) -> Result<Vec<Leftover>, Failure> {
    let mut found = Vec::new();
    let mut blocker = None;
    for folder in folders {
        let path = fs.canonicalize(folder).unwrap_or_else(|_| folder.clone());
        if locks.is_some_and(|locks| locks.contains(&path.join(lock::NAME))) {
            continue;
        }
        if let Some(held) = lock::inspect(fs, folder)? {
            let lock = lock_leftover(folder, &held);
            if !lock.is_removable {
                blocker = Some(LOCKED);
            }
            found.push(lock);
        }
    }
    if journal::is_pending(fs, home)? {
        let journal = journal_leftover(fs, home);
        if !journal.is_removable {
            blocker = blocker.or(Some(UNFINISHED));
        }
        found.push(journal);
    }
    let mut builds = Vec::new();
    let mut staged = Vec::new();
    for folder in folders {
        let names = fs.list(folder).map_err(read_failure(folder))?;
        for name in &names {
            let path = folder.join(name);
            if is_module(&name.to_string_lossy()) {
                builds.extend(Duplicate::read(fs, &path, &path));
            } else if let Some((of, hash)) = parse_driver_backup_name(name) {
                let of = names.iter().filter(|name| name.eq_ignore_ascii_case(of));
                let of = of.map(|name| folder.join(name)).collect::<Vec<_>>();
                let backup = backup_leftover(fs, &path, &hash, &of);
                if !backup.is_removable {
                    let like = path.with_file_name(OsStr::new(&base_name(name)));
                    builds.extend(Duplicate::read(fs, &path, &like));
                }
                found.push(backup);
            } else if is_staged_name(name) {
                staged.push(path);
            } else if name.to_string_lossy().ends_with(ROLLBACK) {
                found.push(Leftover {
                    path,
                    kind: LeftoverKind::Rollback,
                    is_removable: false,
                    meaning:
                        "of a restore that was killed: remove it once the file is as it should be"
                            .to_owned(),
                    duplicate: None,
                });
            } else if is_damaged_name(name) {
                found.push(Leftover {
                    path,
                    kind: LeftoverKind::Damaged,
                    is_removable: false,
                    meaning: "for you to look at: it is never removed".to_owned(),
                    duplicate: None,
                });
            }
        }
    }
    found.extend(staged.iter().map(|path| staged_leftover(fs, path, &builds)));
    if let Some(why) = blocker {
        for left in &mut found {
            if left.is_removable {
                left.is_removable = false;
                left.meaning = format!("it stays for now: {why}");
            }
        }
    }
    Ok(found)
}

/// Removes what is of no use any more from these folders of a Windows; between
/// two files `go_on` is asked. May be stopped, and done again, at any step.
///
/// # Errors
/// When a folder can't be read, or another run is at work; nothing was removed
/// then.
pub fn clean<D: FileSystem>(
    fs: &D,
    home: &Path,
    folders: &[PathBuf],
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<(Leftover, Removal)>, Failure> {
    let before = leftovers(fs, home, folders, None)?;
    let stays = |left| (left, Removal::Stays);
    if !before.iter().any(|left| left.is_removable) {
        return Ok(before.into_iter().map(stays).collect());
    }
    let mut all = journal::folders_to_lock(fs, home, [])?;
    all.extend_from_slice(folders);
    let locks = Locks::acquire(fs, all.iter().map(PathBuf::as_path), "clean")?;
    let now = leftovers(fs, home, folders, Some(&locks))?;
    // Taking the locks has removed those of runs that were killed.
    let stale = before
        .into_iter()
        .filter(|left| left.kind == LeftoverKind::Lock && left.is_removable);
    let mut done: Vec<_> = stale.map(|left| (left, Removal::Removed)).collect();
    for left in now {
        let removal = match left.is_removable && go_on() {
            true => match remove(fs, home, &left) {
                Ok(()) => Removal::Removed,
                Err(failure) => Removal::Failed(failure),
            },
            false => Removal::Stays,
        };
        done.push((left, removal));
    }
    Ok(done)
}

/// Removes one file, if all that it says is still said by another.
fn remove(fs: &impl FileSystem, home: &Path, left: &Leftover) -> Result<(), Failure> {
    if left.kind == LeftoverKind::Journal {
        return journal::remove_journal(fs, home);
    }
    if let Some((duplicate, hash)) = &left.duplicate {
        // What was written by others may not be on the medium yet.
        fs.link_count(duplicate)
            .and_then(|_| fs.sync(duplicate))
            .and_then(|()| sync_folder(fs, folder_of(duplicate)))
            .map_err(io_failure(format!(
                "{} can't be relied on",
                duplicate.display()
            )))?;
        let now = fs.read(duplicate).map_err(read_failure(duplicate))?;
        if sha256(&now) != *hash {
            let changed = Refusal::ChangedMeanwhile(duplicate.display().to_string());
            return Err(changed.into());
        }
    }
    let what = format!("{} can't be removed", left.path.display());
    fs.remove(&left.path).map_err(io_failure(what))?;
    // Should it be back after a power failure, the next run removes it.
    let _ = sync_folder(fs, folder_of(&left.path));
    Ok(())
}

fn lock_leftover(folder: &Path, held: &HeldLock) -> Leftover {
    let owner = held.owner.as_ref();
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let (is_removable, reason) = match held.owner_state {
        OwnerState::Ended => (true, "its run was killed"),
        OwnerState::Running => (false, "its run is at work"),
        OwnerState::Unknown => (
            false,
            "whether its run is still at work can't be told from here: remove it once that has ended",
        ),
    };
    Leftover {
        path: folder.join(lock::NAME),
        kind: LeftoverKind::Lock,
        is_removable,
        meaning: format!("{reason}{owner}"),
        duplicate: None,
    }
}

fn journal_leftover(fs: &impl FileSystem, home: &Path) -> Leftover {
    let (is_removable, meaning) = match journal::inspect(fs, home) {
        Ok(files) => {
            let all = |wanted: FileState| files.iter().all(|(_, now)| *now == wanted);
            let number = count(u64::try_from(files.len()).unwrap_or(u64::MAX), "file");
            match (all(FileState::Before), all(FileState::After)) {
                (true, true) => (true, "its run had not begun to change anything".to_owned()),
                (true, false) => (true, format!("{number} in it, all as before its run")),
                (false, true) => (
                    true,
                    format!("{number} in it, all as its run was to make them"),
                ),
                (false, false) => (
                    false,
                    format!(
                        "its run was interrupted, and its {number} are neither all as before nor all as it was to make them: the next tcplimit patch or restore with --root and --in-place puts back first what it changed"
                    ),
                ),
            }
        }
        Err(failure) => (false, failure.to_string()),
    };
    Leftover {
        path: home.join(journal::NAME),
        kind: LeftoverKind::Journal,
        is_removable,
        meaning,
        duplicate: None,
    }
}

/// `of` are the files that it may be a backup of.
fn backup_leftover(fs: &impl FileSystem, path: &Path, hash: &str, of: &[PathBuf]) -> Leftover {
    let left = |duplicate: Option<(PathBuf, String)>, meaning: String| Leftover {
        path: path.to_owned(),
        kind: LeftoverKind::Backup,
        is_removable: duplicate.is_some(),
        meaning,
        duplicate,
    };
    let content = match read_regular(fs, path) {
        Ok(content) => content,
        Err(failure) => return left(None, failure.to_string()),
    };
    let whole = sha256(&content);
    if !whole.starts_with(hash) {
        let meaning = "its content is not what its name says: look at it";
        return left(None, meaning.to_owned());
    }
    let name = path.file_name().map(base_name).unwrap_or_default();
    let there: Vec<(&PathBuf, Vec<u8>)> = of
        .iter()
        .filter_map(|file| Some((file, read_regular(fs, file).ok()?)))
        .collect();
    if let Some((duplicate, _)) = there.iter().find(|(_, now)| *now == content) {
        return left(
            Some(((*duplicate).clone(), whole)),
            format!("{name} has the same content"),
        );
    }
    let build = |content: &[u8]| match assess(&path.with_file_name(&name), content) {
        Assessment::Patchable(build) => Some(build.pristine),
        _ => None,
    };
    let meaning = match (of, there.first()) {
        ([], _) => format!("{name} is not there: this brings it back"),
        _ if !is_module(&name) => format!("the way back, if {name} was changed since"),
        (_, Some((_, now))) if build(now).is_some() && build(now) == build(&content) => {
            format!("the way back: what {name} was before it was changed")
        }
        _ => format!(
            "{name} is damaged by now, or of another build: this may be the only copy of its build"
        ),
    };
    left(None, meaning)
}

fn staged_leftover(fs: &impl FileSystem, path: &Path, builds: &[Duplicate]) -> Leftover {
    let left = |is_removable, meaning: String, duplicate| Leftover {
        path: path.to_owned(),
        kind: LeftoverKind::Staged,
        is_removable,
        meaning,
        duplicate,
    };
    let content = match read_regular(fs, path) {
        Ok(content) => content,
        Err(failure) => return left(false, failure.to_string(), None),
    };
    let name = path.file_name().map(base_name).unwrap_or_default();
    match assess(&path.with_file_name(&name), &content) {
        Assessment::Damaged => left(
            true,
            "a run that was killed did not finish it".to_owned(),
            None,
        ),
        Assessment::Other => left(
            false,
            "what it is can't be told, so it may be the only copy of a build".to_owned(),
            None,
        ),
        Assessment::Patchable(build) => {
            match builds.iter().find(|duplicate| duplicate.supersedes(&build)) {
                Some(duplicate) => {
                    let shown = duplicate
                        .path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy();
                    left(
                        true,
                        format!("the run that made it has ended, and {shown} is of the same build"),
                        Some((duplicate.path.clone(), duplicate.sha256.clone())),
                    )
                }
                None => left(
                    false,
                    "it is the only copy of its build here: move it to where you keep it"
                        .to_owned(),
                    None,
                ),
            }
        }
    }
}

/// A file that stays, and which build it is.
struct Duplicate {
    path: PathBuf,
    sha256: String,
    build: BuildIdentity,
}

impl Duplicate {
    /// A file that could be patched if it were called as `like` is.
    fn read(fs: &impl FileSystem, path: &Path, like: &Path) -> Option<Duplicate> {
        let content = read_regular(fs, path).ok()?;
        match assess(like, &content) {
            Assessment::Patchable(build) => Some(Duplicate {
                path: path.to_owned(),
                sha256: sha256(&content),
                build,
            }),
            _ => None,
        }
    }

    /// Whether a file of this build would be no loss beside it: an unpatched one
    /// only where this is unpatched too.
    fn supersedes(&self, build: &BuildIdentity) -> bool {
        let is_pristine = |build: &BuildIdentity| build.value == PRISTINE_LIMIT;
        self.build.pristine == build.pristine && (is_pristine(&self.build) || !is_pristine(build))
    }
}

/// The content of a file that is no link.
fn read_regular(fs: &impl FileSystem, path: &Path) -> Result<Vec<u8>, Failure> {
    let content = fs.link_count(path).and_then(|_| fs.read(path));
    content.map_err(read_failure(path))
}
