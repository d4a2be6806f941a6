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
use super::file_names::{ROLLBACK, backup_of, is_aside, is_staged, module_in};
use super::filesystem::{FileSystem, folder_of};
use super::journal::{self, FileState};
use super::lock::{self, HeldLock, Locks, OwnerState};
use super::lock_owner::{age_text, now};
use super::refusal::Refusal;
use super::replace::sync_folder;
use super::restore::{Build, Content, judge};
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
    pub fn says(self) -> &'static str {
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
    twin: Option<(PathBuf, String)>,
}

impl Leftover {
    /// Its age in seconds, where the system knows it. A backup has the driver's
    /// times, so only Unix does, by the time of the last change.
    pub(crate) fn age(&self) -> Option<u64> {
        let about = std::fs::symlink_metadata(&self.path).ok()?;
        now().checked_sub(changed(&about)?)
    }

    /// `a backup, 3 days old`
    pub(crate) fn kind_and_age(&self) -> String {
        let kind = self.kind.says();
        match self.age() {
            Some(age) => format!("{kind}, {} old", age_text(age)),
            None => kind.to_owned(),
        }
    }
}

/// When a file was changed last, its names and rights included, in seconds since
/// 1970.
#[cfg(unix)]
fn changed(about: &std::fs::Metadata) -> Option<u64> {
    u64::try_from(std::os::unix::fs::MetadataExt::ctime(about)).ok()
}

#[cfg(not(unix))]
fn changed(_: &std::fs::Metadata) -> Option<u64> {
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

const AT_WORK: &str = "another run is at work, or may be";
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
    let mut hindrance = None;
    for folder in folders {
        let path = fs.canonicalize(folder).unwrap_or_else(|_| folder.clone());
        if locks.is_some_and(|locks| locks.contains(&path.join(lock::NAME))) {
            continue;
        }
        if let Some(held) = lock::holder(fs, folder)? {
            let lock = of_lock(folder, &held);
            if !lock.is_removable {
                hindrance = Some(AT_WORK);
            }
            found.push(lock);
        }
    }
    if journal::is_pending(fs, home)? {
        let journal = of_journal(fs, home);
        if !journal.is_removable {
            hindrance = hindrance.or(Some(UNFINISHED));
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
                builds.extend(Twin::of(fs, &path, &path));
            } else if let Some((of, hash)) = backup_of(name) {
                let of = names.iter().filter(|name| name.eq_ignore_ascii_case(of));
                let of = of.map(|name| folder.join(name)).collect::<Vec<_>>();
                let backup = of_backup(fs, &path, &hash, &of);
                if !backup.is_removable {
                    let like = path.with_file_name(OsStr::new(&module_in(name)));
                    builds.extend(Twin::of(fs, &path, &like));
                }
                found.push(backup);
            } else if is_staged(name) {
                staged.push(path);
            } else if name.to_string_lossy().ends_with(ROLLBACK) {
                found.push(Leftover {
                    path,
                    kind: LeftoverKind::Rollback,
                    is_removable: false,
                    meaning:
                        "of a restore that was killed: remove it once the file is as it should be"
                            .to_owned(),
                    twin: None,
                });
            } else if is_aside(name) {
                found.push(Leftover {
                    path,
                    kind: LeftoverKind::Damaged,
                    is_removable: false,
                    meaning: "for you to look at: it is never removed".to_owned(),
                    twin: None,
                });
            }
        }
    }
    found.extend(staged.iter().map(|path| of_staged(fs, path, &builds)));
    if let Some(why) = hindrance {
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
    let mut all = journal::folders(fs, home, [])?;
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
        return journal::finish(fs, home);
    }
    if let Some((twin, hash)) = &left.twin {
        // What was written by others may not be on the medium yet.
        fs.link_count(twin)
            .and_then(|_| fs.sync(twin))
            .and_then(|()| sync_folder(fs, folder_of(twin)))
            .map_err(io_failure(format!("{} can't be relied on", twin.display())))?;
        let now = fs.read(twin).map_err(read_failure(twin))?;
        if sha256(&now) != *hash {
            let changed = Refusal::ChangedMeanwhile(twin.display().to_string());
            return Err(changed.into());
        }
    }
    let what = format!("{} can't be removed", left.path.display());
    fs.remove(&left.path).map_err(io_failure(what))?;
    // Should it be back after a power failure, the next run removes it.
    let _ = sync_folder(fs, folder_of(&left.path));
    Ok(())
}

fn of_lock(folder: &Path, held: &HeldLock) -> Leftover {
    let owner = held.owner.as_ref();
    let owner = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
    let (is_removable, says) = match held.owner_state {
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
        meaning: format!("{says}{owner}"),
        twin: None,
    }
}

fn of_journal(fs: &impl FileSystem, home: &Path) -> Leftover {
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
        twin: None,
    }
}

/// `of` are the files that it may be a backup of.
fn of_backup(fs: &impl FileSystem, path: &Path, hash: &str, of: &[PathBuf]) -> Leftover {
    let left = |twin: Option<(PathBuf, String)>, meaning: String| Leftover {
        path: path.to_owned(),
        kind: LeftoverKind::Backup,
        is_removable: twin.is_some(),
        meaning,
        twin,
    };
    let content = match regular(fs, path) {
        Ok(content) => content,
        Err(failure) => return left(None, failure.to_string()),
    };
    let whole = sha256(&content);
    if !whole.starts_with(hash) {
        let says = "its content is not what its name says: look at it";
        return left(None, says.to_owned());
    }
    let name = path.file_name().map(module_in).unwrap_or_default();
    let there: Vec<(&PathBuf, Vec<u8>)> = of
        .iter()
        .filter_map(|file| Some((file, regular(fs, file).ok()?)))
        .collect();
    if let Some((twin, _)) = there.iter().find(|(_, now)| *now == content) {
        return left(
            Some(((*twin).clone(), whole)),
            format!("{name} has the same content"),
        );
    }
    let build = |content: &[u8]| match judge(&path.with_file_name(&name), content) {
        Content::Sound(build) => Some(build.ten),
        _ => None,
    };
    let says = match (of, there.first()) {
        ([], _) => format!("{name} is not there: this brings it back"),
        _ if !is_module(&name) => format!("the way back, if {name} was changed since"),
        (_, Some((_, now))) if build(now).is_some() && build(now) == build(&content) => {
            format!("the way back: what {name} was before it was changed")
        }
        _ => format!(
            "{name} is damaged by now, or of another build: this may be the only copy of its build"
        ),
    };
    left(None, says)
}

fn of_staged(fs: &impl FileSystem, path: &Path, builds: &[Twin]) -> Leftover {
    let left = |is_removable, meaning: String, twin| Leftover {
        path: path.to_owned(),
        kind: LeftoverKind::Staged,
        is_removable,
        meaning,
        twin,
    };
    let content = match regular(fs, path) {
        Ok(content) => content,
        Err(failure) => return left(false, failure.to_string(), None),
    };
    let name = path.file_name().map(module_in).unwrap_or_default();
    match judge(&path.with_file_name(&name), &content) {
        Content::Damaged => left(
            true,
            "a run that was killed did not finish it".to_owned(),
            None,
        ),
        Content::Other => left(
            false,
            "what it is can't be told, so it may be the only copy of a build".to_owned(),
            None,
        ),
        Content::Sound(build) => match builds.iter().find(|twin| twin.says_all_of(&build)) {
            Some(twin) => {
                let shown = twin.path.file_name().unwrap_or_default().to_string_lossy();
                left(
                    true,
                    format!("the run that made it has ended, and {shown} is of the same build"),
                    Some((twin.path.clone(), twin.sha256.clone())),
                )
            }
            None => left(
                false,
                "it is the only copy of its build here: move it to where you keep it".to_owned(),
                None,
            ),
        },
    }
}

/// A file that stays, and which build it is.
struct Twin {
    path: PathBuf,
    sha256: String,
    build: Build,
}

impl Twin {
    /// A file that could be patched if it were called as `like` is.
    fn of(fs: &impl FileSystem, path: &Path, like: &Path) -> Option<Twin> {
        let content = regular(fs, path).ok()?;
        match judge(like, &content) {
            Content::Sound(build) => Some(Twin {
                path: path.to_owned(),
                sha256: sha256(&content),
                build,
            }),
            _ => None,
        }
    }

    /// Whether a file of this build would be no loss beside it: an unpatched one
    /// only where this is unpatched too.
    fn says_all_of(&self, build: &Build) -> bool {
        let is_pristine = |build: &Build| build.value == PRISTINE_LIMIT;
        self.build.ten == build.ten && (is_pristine(&self.build) || !is_pristine(build))
    }
}

/// The content of a file that is no link.
fn regular(fs: &impl FileSystem, path: &Path) -> Result<Vec<u8>, Failure> {
    let content = fs.link_count(path).and_then(|_| fs.read(path));
    content.map_err(read_failure(path))
}
