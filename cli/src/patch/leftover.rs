//! Files that runs left in a Windows, their meaning, and which of them are no longer
//! needed.
//!
//! Removal must never lose the only copy of a build. So a file is removed only if
//! another file makes it redundant, which is read again and flushed to the medium
//! right before: for a backup, its original file with the same content; for a
//! staged file, any copy or any remaining backup of the same build. A file that
//! can't be assessed stays.

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

/// The kind of a file that a run left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverKind {
    /// The content that a file had before it was changed.
    Backup,
    /// Damaged content, kept.
    Damaged,
    /// A file staged to replace another.
    Staged,
    /// The old content of a cabinet during a restore.
    Rollback,
    /// The lock file of a folder.
    Lock,
    /// The journal of a transaction.
    Journal,
}

impl LeftoverKind {
    /// Its name in JSON.
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

    /// Its description for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            LeftoverKind::Backup => "a backup",
            LeftoverKind::Damaged => "a kept damaged file",
            LeftoverKind::Staged => "a staged file",
            LeftoverKind::Rollback => "the old content of a file, kept during a restore",
            LeftoverKind::Lock => "a lock file",
            LeftoverKind::Journal => "a journal",
        }
    }
}

/// A file that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// Its kind.
    pub kind: LeftoverKind,
    /// Whether it is no longer needed and may be removed.
    pub is_removable: bool,
    /// Why, or why not, for people.
    pub meaning: String,
    /// The file that makes this one redundant, and the SHA-256 of its content.
    duplicate: Option<(PathBuf, String)>,
}

impl Leftover {
    /// Its age in seconds. A backup has the driver's times, so only the time of the
    /// last change on Unix (`ctime`) tells it.
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

/// The time of the last change of a file, including its names and rights, in
/// seconds since 1970.
#[cfg(unix)]
fn change_time(metadata: &std::fs::Metadata) -> Option<u64> {
    u64::try_from(std::os::unix::fs::MetadataExt::ctime(metadata)).ok()
}

#[cfg(not(unix))]
fn change_time(_: &std::fs::Metadata) -> Option<u64> {
    None
}

/// The outcome of a removal.
#[derive(Debug)]
pub enum Removal {
    /// It would be removed.
    WouldRemove,
    /// It was removed.
    Removed,
    /// It stays.
    Stays,
    /// Removing it failed.
    Failed(Failure),
}

const LOCKED: &str = "another run is, or may be, in progress";
const UNFINISHED: &str =
    "a journal exists: first run tcplimit patch or restore with --root and --in-place";

/// All files that runs left in these folders of a Windows, except locks that the
/// caller holds. Nothing is written.
///
/// # Errors
/// When a folder or a lock file can't be read.
pub fn leftovers<D: FileSystem>(
    fs: &D,
    windir: &Path,
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
    if journal::is_pending(fs, windir)? {
        let journal = journal_leftover(fs, windir);
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
                    meaning: "left by a killed restore: remove it once the file is correct"
                        .to_owned(),
                    duplicate: None,
                });
            } else if is_damaged_name(name) {
                found.push(Leftover {
                    path,
                    kind: LeftoverKind::Damaged,
                    is_removable: false,
                    meaning: "for your inspection: it is never removed".to_owned(),
                    duplicate: None,
                });
            }
        }
    }
    found.extend(staged.iter().map(|path| staged_leftover(fs, path, &builds)));
    if let Some(reason) = blocker {
        for left in &mut found {
            if left.is_removable {
                left.is_removable = false;
                left.meaning = format!("it stays for now: {reason}");
            }
        }
    }
    Ok(found)
}

/// Removes the files that are no longer needed from these folders of a Windows,
/// until `go_on` returns `false`. Can be interrupted and repeated at any step.
///
/// # Errors
/// When a folder can't be read, or another run is in progress; nothing was removed
/// then.
pub fn clean<D: FileSystem>(
    fs: &D,
    windir: &Path,
    folders: &[PathBuf],
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<(Leftover, Removal)>, Failure> {
    let before = leftovers(fs, windir, folders, None)?;
    let stays = |left| (left, Removal::Stays);
    if !before.iter().any(|left| left.is_removable) {
        return Ok(before.into_iter().map(stays).collect());
    }
    let mut all = journal::folders_to_lock(fs, windir, [])?;
    all.extend_from_slice(folders);
    let locks = Locks::acquire(fs, all.iter().map(PathBuf::as_path), "clean")?;
    let now = leftovers(fs, windir, folders, Some(&locks))?;
    // Acquiring the locks has removed those of killed runs.
    let stale = before
        .into_iter()
        .filter(|left| left.kind == LeftoverKind::Lock && left.is_removable);
    let mut done: Vec<_> = stale.map(|left| (left, Removal::Removed)).collect();
    for left in now {
        let removal = match left.is_removable && go_on() {
            true => match remove(fs, windir, &left) {
                Ok(()) => Removal::Removed,
                Err(failure) => Removal::Failed(failure),
            },
            false => Removal::Stays,
        };
        done.push((left, removal));
    }
    Ok(done)
}

/// Removes one file, if another file still makes it redundant.
fn remove(fs: &impl FileSystem, windir: &Path, left: &Leftover) -> Result<(), Failure> {
    if left.kind == LeftoverKind::Journal {
        return journal::remove_journal(fs, windir);
    }
    if let Some((duplicate, hash)) = &left.duplicate {
        // Another program's file may not be on the medium yet.
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
    let problem = format!("{} can't be removed", left.path.display());
    fs.remove(&left.path).map_err(io_failure(problem))?;
    // If it reappears after a power failure, the next run removes it.
    let _ = sync_folder(fs, folder_of(&left.path));
    Ok(())
}

fn lock_leftover(folder: &Path, held: &HeldLock) -> Leftover {
    let owner = held.owner.as_ref();
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let (is_removable, reason) = match held.owner_state {
        OwnerState::Ended => (true, "its run was killed"),
        OwnerState::Running => (false, "its run is in progress"),
        OwnerState::Unknown => (
            false,
            "whether its run is still in progress is unknown here: remove it once that run has ended",
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

fn journal_leftover(fs: &impl FileSystem, windir: &Path) -> Leftover {
    let (is_removable, meaning) = match journal::inspect(fs, windir) {
        Ok(files) => {
            let all = |wanted: FileState| files.iter().all(|(_, now)| *now == wanted);
            let number = count(u64::try_from(files.len()).unwrap_or(u64::MAX), "file");
            match (all(FileState::Before), all(FileState::After)) {
                (true, true) => (true, "its run had changed nothing".to_owned()),
                (true, false) => (true, format!("it lists {number}, all with the old content")),
                (false, true) => (true, format!("it lists {number}, all with the new content")),
                (false, false) => (
                    false,
                    format!(
                        "its run was interrupted, and of its {number} neither all have the old content nor all the new: the next tcplimit patch or restore with --root and --in-place first rolls back its changes"
                    ),
                ),
            }
        }
        Err(failure) => (false, failure.to_string()),
    };
    Leftover {
        path: windir.join(journal::NAME),
        kind: LeftoverKind::Journal,
        is_removable,
        meaning,
        duplicate: None,
    }
}

/// `of` are the possible original files.
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
        let meaning = "its content does not match the hash in its name: inspect it";
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
        ([], _) => format!("{name} is missing: this backup restores it"),
        _ if !is_module(&name) => format!("restores {name} if that was changed since"),
        (_, Some((_, now))) if build(now).is_some() && build(now) == build(&content) => {
            format!("restores {name} to its content before the change")
        }
        _ => format!(
            "{name} is now damaged or of another build: this may be the only copy of its build"
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
        Assessment::Damaged => left(true, "a killed run left it incomplete".to_owned(), None),
        Assessment::Other => left(
            false,
            "not recognized, so it may be the only copy of a build".to_owned(),
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
                    "it is the only copy of its build here: move it to a safe place".to_owned(),
                    None,
                ),
            }
        }
    }
}

/// A file that stays, and its build.
struct Duplicate {
    path: PathBuf,
    sha256: String,
    build: BuildIdentity,
}

impl Duplicate {
    /// Reads a file; `None` unless it could be patched under the name of `like`.
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

    /// Whether it makes a file of this build redundant: an unpatched file only if it
    /// is unpatched too.
    fn supersedes(&self, build: &BuildIdentity) -> bool {
        let is_pristine = |build: &BuildIdentity| build.value == PRISTINE_LIMIT;
        self.build.pristine == build.pristine && (is_pristine(&self.build) || !is_pristine(build))
    }
}

/// The content of a file that is not a link.
fn read_regular(fs: &impl FileSystem, path: &Path) -> Result<Vec<u8>, Failure> {
    let content = fs.link_count(path).and_then(|_| fs.read(path));
    content.map_err(read_failure(path))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_age_counts_from_the_last_change() {
        // Older than this test, unlike any file that it could make.
        let path = Path::new("/bin/sh");
        let changed = std::fs::symlink_metadata(path).unwrap().ctime();
        let left = Leftover {
            path: path.to_owned(),
            kind: LeftoverKind::Backup,
            is_removable: false,
            meaning: String::new(),
            duplicate: None,
        };
        let expected = now() - u64::try_from(changed).unwrap();
        let age = left.age().unwrap();
        assert!(age.abs_diff(expected) < 60 && age > 0, "{age} {expected}");
    }
}
