//! Transactions over many files: all are replaced, or none.
//!
//! A run first stages every file. Then it writes a journal that states the old
//! and the new content of each file and how to restore the old one. While the
//! journal exists, the transaction is unfinished. A run that finds a journal holds
//! the locks, so the run that wrote it has ended; it rolls back every file that
//! holds what that run wrote. It rolls back rather than forward, because that
//! needs only the journal and the files beside it, and leads to a state known to
//! work. A file with any other content was changed since by another program, for
//! example an update: it is whole and intended, so it stays. So a journal never
//! outlives the next run, unless a file can't be read or written.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use tcplimit_report::sha256;

use super::failure::{Failure, io_failure, read_failure};
use super::file_names::{ROLLBACK, TEMPORARY};
use super::filesystem::{FileSystem, folder_of};
use super::lock::Locks;
use super::refusal::Refusal;
use super::replace::{Keep, Staged, restore_content, sync_folder};
use super::windows_install::MAX_DEPTH;
use crate::terminal::os_error_text;

pub use super::file_names::JOURNAL as NAME;
pub use super::replace::Replacement;

/// The first line of a journal.
const BEGINNING: &str = "tcplimit journal 1";

/// A journal lists at most this many bytes of a file.
const MAX_BYTES: usize = 64;

/// Verifies the content of a file that was read back.
pub type ContentCheck<'a> = dyn Fn(&Replacement, &[u8]) -> Result<(), Failure> + 'a;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Relative to the journal's folder, with `/` between names.
    path: String,
    /// The name of the staged file, in the same folder.
    temporary: String,
    /// SHA-256.
    before: String,
    /// SHA-256.
    after: String,
    /// Offset, old byte, new byte; only if the length is unchanged and few bytes
    /// differ.
    bytes: Vec<(u64, u8, u8)>,
    /// The name of the file that keeps the old content, in the same folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// The result of recovering from an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// There was no journal.
    Nothing,
    /// The journal was incomplete: no file had been changed.
    Unfinished,
    /// The transaction was rolled back.
    RolledBack {
        /// Files that held what that run wrote, and were rolled back.
        back: Vec<String>,
        /// Files that another program changed or removed since: they were left
        /// unchanged.
        left: Vec<String>,
    },
}

/// The state of a file in an unfinished transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It has the old content.
    Before,
    /// It has the new content.
    After,
    /// Another program changed it since.
    Other,
    /// It does not exist.
    Missing,
}

impl FileState {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileState::Before => "before",
            FileState::After => "after",
            FileState::Other => "other",
            FileState::Missing => "missing",
        }
    }

    /// Its description for people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            FileState::Before => "not changed by that run; it stays",
            FileState::After => "changed by that run; the next run rolls it back first",
            FileState::Other => "changed by another program since; it stays",
            FileState::Missing => "removed since",
        }
    }
}

/// Whether a journal exists.
///
/// # Errors
/// When the folder can't be read.
pub fn is_pending(fs: &impl FileSystem, windir: &Path) -> Result<bool, Failure> {
    fs.exists(&windir.join(NAME)).map_err(read_failure(windir))
}

/// The folder of a journal that may list this file: changing the file alone would
/// prevent the rollback. The path must contain no links.
///
/// # Errors
/// When a folder can't be read.
pub(crate) fn pending_above(fs: &impl FileSystem, path: &Path) -> Result<Option<PathBuf>, Failure> {
    for windir in path.ancestors().skip(1).take(MAX_DEPTH) {
        if is_pending(fs, windir)? {
            return Ok(Some(windir.to_owned()));
        }
    }
    Ok(None)
}

/// Replaces all files, or none. If `go_on` returns `false` between two files,
/// everything is rolled back. The content of each file, read back, must pass
/// `check`. Returns the files that keep old content permanently, in the order of
/// `files`. The locks must be those of
/// [`folders_to_lock`].
///
/// # Errors
/// Why nothing was changed. After [`Failure::RollbackFailed`] the journal still
/// exists, and the next run rolls everything back.
pub fn replace_all(
    locks: &Locks<'_, impl FileSystem>,
    windir: &Path,
    files: &[Replacement],
    go_on: &dyn Fn() -> bool,
    check: &ContentCheck<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let fs = locks.fs();
    let mut staged: Vec<Staged> = Vec::new();
    let discard = |staged: &[Staged]| staged.iter().for_each(|staged| staged.discard(fs));
    for file in files {
        match Staged::new(fs, &windir.join(&file.path), file, retention(file)) {
            Ok(ready) => staged.push(ready),
            Err(failure) => {
                discard(&staged);
                return Err(failure);
            }
        }
    }
    let entries: Vec<Entry> = files
        .iter()
        .zip(&staged)
        .filter_map(|(file, staged)| Entry::new(file, staged))
        .collect();
    let whole = entries.len() == files.len();
    let written = match whole {
        true => write_journal(fs, windir, &entries),
        false => Err(Refusal::VerificationFailed.into()),
    };
    if let Err(failure) = written {
        discard(&staged);
        return Err(failure);
    }

    let exchanged = files.iter().zip(&staged).try_for_each(|(file, ready)| {
        if !go_on() {
            return Err(Failure::Interrupted);
        }
        ready.rename(fs)?;
        ready.verify(fs, &|again| check(file, again))
    });
    // Removing the journal finishes the transaction.
    if let Err(failure) = exchanged.and_then(|()| remove_journal(fs, windir)) {
        return Err(match roll_back(fs, windir, &entries) {
            Ok(_) => {
                discard(&staged);
                failure
            }
            Err(_) => Failure::RollbackFailed {
                reason: format!("{failure}; the next run here tries again to roll back all files"),
                path: windir.join(NAME),
            },
        });
    }
    staged
        .iter()
        .for_each(|staged| staged.remove_rollback_copy(fs));
    let kept = staged.iter().zip(files);
    let kept = kept.filter(|(_, file)| file.keep != Keep::Nothing);
    let kept = kept.filter_map(|(staged, _)| staged.kept());
    Ok(kept.map(Path::to_owned).collect())
}

/// The folders of these files, of the files in a journal, and of the journal
/// itself: all folders that a run over the files writes to.
///
/// # Errors
/// When the journal can't be read.
pub fn folders_to_lock<'p>(
    fs: &impl FileSystem,
    windir: &Path,
    files: impl IntoIterator<Item = &'p Path>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = vec![windir.to_owned()];
    let folder = |path: &Path| folder_of(&windir.join(path)).to_owned();
    folders.extend(files.into_iter().map(folder));
    if let Some(Journal::Whole(entries)) = read_journal(fs, windir)? {
        let entries = entries.iter().map(|entry| folder(Path::new(&entry.path)));
        let mut there = Vec::new();
        for folder in entries {
            if fs.exists(&folder).map_err(read_failure(&folder))? {
                there.push(folder);
            }
        }
        folders.extend(there);
    }
    Ok(folders)
}

/// Rolls back the transaction of a killed run. The locks must be those of
/// [`folders_to_lock`].
///
/// # Errors
/// When the journal is foreign, or the file system fails. The journal stays.
pub fn recover(locks: &Locks<'_, impl FileSystem>, windir: &Path) -> Result<Recovery, Failure> {
    let fs = locks.fs();
    match read_journal(fs, windir)? {
        None => Ok(Recovery::Nothing),
        Some(Journal::Torn) => remove_journal(fs, windir).map(|()| Recovery::Unfinished),
        Some(Journal::Whole(entries)) => roll_back(fs, windir, &entries),
        Some(Journal::Foreign) => Err(foreign_journal(windir)),
    }
}

/// The state of each file in an unfinished transaction; empty for an incomplete
/// journal.
///
/// # Errors
/// When the journal is foreign, or a file can't be read.
pub(crate) fn inspect(
    fs: &impl FileSystem,
    windir: &Path,
) -> Result<Vec<(String, FileState)>, Failure> {
    match read_journal(fs, windir)? {
        None | Some(Journal::Torn) => Ok(Vec::new()),
        Some(Journal::Whole(entries)) => entries
            .iter()
            .map(|entry| Ok((entry.path.clone(), entry.state(fs, windir)?.0)))
            .collect(),
        Some(Journal::Foreign) => Err(foreign_journal(windir)),
    }
}

fn foreign_journal(windir: &Path) -> Failure {
    Failure::Io {
        problem: format!(
            "{} is not a journal of this tcplimit",
            windir.join(NAME).display()
        ),
        error: io::Error::other(
            "it is damaged or of another version; every copy is whole, and tcplimit status lists them: move the journal away, then patch or restore all copies",
        ),
    }
}

/// Rolls back every file that holds what the transaction wrote, and removes the
/// journal. If interrupted at any point, it can be repeated.
fn roll_back(fs: &impl FileSystem, windir: &Path, entries: &[Entry]) -> Result<Recovery, Failure> {
    let (mut back, mut left) = (Vec::new(), Vec::new());
    for entry in entries {
        let (now, content) = entry.state(fs, windir)?;
        match now {
            FileState::Before => {}
            FileState::After => back.push((entry, entry.before(fs, windir, content)?)),
            FileState::Other | FileState::Missing => left.push(entry.path.clone()),
        }
    }
    for (entry, before) in &back {
        restore_content(fs, &windir.join(&entry.path), before)?;
    }
    for entry in entries {
        let temporary = entry.sibling(windir, &entry.temporary);
        if fs
            .read(&temporary)
            .is_ok_and(|content| sha256(&content) == entry.after)
        {
            let _ = fs.remove(&temporary);
        }
    }
    remove_journal(fs, windir)?;
    for entry in entries {
        entry.remove_rollback_copy(fs, windir);
    }
    let back = back.into_iter().map(|(entry, _)| entry.path.clone());
    Ok(Recovery::RolledBack {
        back: back.collect(),
        left,
    })
}

fn write_journal(fs: &impl FileSystem, windir: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let path = windir.join(NAME);
    let shown = path.display().to_string();
    let text = serialize(entries);
    match fs.create(&path, text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Another program has just created it: it stays.
            return Err(io_failure(format!("{shown} can't be written"))(error));
        }
        result => result,
    }
    .and_then(|()| fs.sync(&path))
    .and_then(|()| sync_folder(fs, windir))
    .map_err(|error| {
        let _ = fs.remove(&path);
        io_failure(format!("{shown} can't be written"))(error)
    })
}

/// Removes the journal.
pub(crate) fn remove_journal(fs: &impl FileSystem, windir: &Path) -> Result<(), Failure> {
    let path = windir.join(NAME);
    fs.remove(&path)
        .map_err(io_failure(format!("{} can't be removed", path.display())))?;
    // If it reappears after a power failure, the next run rolls everything back,
    // which is a consistent state too.
    let _ = sync_folder(fs, windir);
    Ok(())
}

/// The bytes that differ, if they are few and the length is unchanged: the limit
/// and checksum of a plain driver, but not a recompressed cabinet.
fn differing_bytes(file: &Replacement) -> Option<Vec<(u64, u8, u8)>> {
    if file.before.len() != file.after.len() {
        return None;
    }
    let pairs = (0..).zip(file.before.iter().zip(file.after.iter()));
    let differ = pairs.filter(|(_, (before, after))| before != after);
    let bytes: Vec<_> = differ
        .map(|(offset, (&before, &after))| (offset, before, after))
        .take(MAX_BYTES + 1)
        .collect();
    (bytes.len() <= MAX_BYTES).then_some(bytes)
}

/// How to keep the old content: in a file if the journal can't list the changed
/// bytes.
fn retention(file: &Replacement) -> Keep {
    match file.keep {
        Keep::Nothing if differing_bytes(file).is_none() => Keep::Rollback,
        keep => keep,
    }
}

impl Entry {
    fn new(file: &Replacement, staged: &Staged) -> Option<Entry> {
        let names = file.path.components().map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let names = names.collect::<Option<Vec<&str>>>()?;
        let temporary = staged.temporary().file_name()?.to_str()?;
        let kept = match staged.kept() {
            Some(kept) => Some(kept.file_name()?.to_str()?.to_owned()),
            None => None,
        };
        let bytes = differing_bytes(file);
        if bytes.is_none() && kept.is_none() {
            return None;
        }
        Some(Entry {
            path: names.join("/"),
            temporary: temporary.to_owned(),
            before: sha256(&file.before),
            after: sha256(&file.after),
            bytes: bytes.unwrap_or_default(),
            kept,
        })
    }

    /// Removes the rollback copy if the file itself has its content again. A copy
    /// that can't be removed is harmless.
    fn remove_rollback_copy(&self, fs: &impl FileSystem, windir: &Path) {
        let kept = self.kept.as_ref().filter(|kept| kept.ends_with(ROLLBACK));
        if let Some(kept) = kept
            && self
                .state(fs, windir)
                .is_ok_and(|(now, _)| now == FileState::Before)
        {
            let _ = fs.remove(&self.sibling(windir, kept));
        }
    }

    /// A file in the folder of this one.
    fn sibling(&self, windir: &Path, name: &str) -> PathBuf {
        windir.join(&self.path).with_file_name(name)
    }

    /// The state of the file, and its content.
    fn state(&self, fs: &impl FileSystem, windir: &Path) -> Result<(FileState, Vec<u8>), Failure> {
        let path = windir.join(&self.path);
        let content = match fs.read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((FileState::Missing, Vec::new()));
            }
            Err(error) => {
                let error = io::Error::new(
                    error.kind(),
                    format!(
                        "{}; an interrupted run lists it: make it readable, or replace it by its backup, and run again",
                        os_error_text(&error)
                    ),
                );
                return Err(read_failure(&path)(error));
            }
        };
        let hash = sha256(&content);
        let now = match hash {
            _ if hash == self.before => FileState::Before,
            _ if hash == self.after => FileState::After,
            _ => FileState::Other,
        };
        Ok((now, content))
    }

    /// The old content, made from the new content or read from the file that keeps
    /// it.
    fn before(
        &self,
        fs: &impl FileSystem,
        windir: &Path,
        content: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(before) = self.undo(content) {
            return Ok(before);
        }
        let kept = self.kept.as_ref().map(|kept| self.sibling(windir, kept));
        if let Some(kept) = &kept {
            let before = fs.read(kept).map_err(read_failure(kept))?;
            if sha256(&before) == self.before {
                return Ok(before);
            }
        }
        Err(Failure::Io {
            problem: format!("{} can't be rolled back", windir.join(&self.path).display()),
            error: io::Error::other(
                "its old content is neither in the journal nor beside it; the file is whole: move the journal away, then patch or restore all copies",
            ),
        })
    }

    /// The old content, made from the new content.
    fn undo(&self, mut content: Vec<u8>) -> Option<Vec<u8>> {
        for &(offset, before, after) in &self.bytes {
            let byte = content.get_mut(usize::try_from(offset).ok()?)?;
            if *byte != after {
                return None;
            }
            *byte = before;
        }
        (sha256(&content) == self.before).then_some(content)
    }

    /// Whether it names only files below the journal's folder that this program
    /// could have created.
    fn is_confined(&self) -> bool {
        let inside = |name: &str| {
            let parts = Path::new(name).components();
            parts.clone().count() > 0
                && parts
                    .into_iter()
                    .all(|part| matches!(part, Component::Normal(_)))
        };
        inside(&self.path)
            && inside(&self.temporary)
            && !self.temporary.contains(['/', '\\'])
            && self.temporary.ends_with(TEMPORARY)
            && self
                .kept
                .as_ref()
                .is_none_or(|kept| inside(kept) && !kept.contains(['/', '\\']))
    }
}

fn serialize(entries: &[Entry]) -> String {
    let lines = entries
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok());
    let mut text = format!("{BEGINNING}\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&last_line(entries.len()));
    text
}

/// The last line.
fn last_line(entries: usize) -> String {
    format!("end {entries}\n")
}

/// The content of a journal.
#[derive(Debug)]
enum Journal {
    /// The files of a transaction.
    Whole(Vec<Entry>),
    /// Incomplete: its run ended while writing it, before changing any file.
    Torn,
    /// Not written by this program, or damaged.
    Foreign,
}

fn read_journal(fs: &impl FileSystem, windir: &Path) -> Result<Option<Journal>, Failure> {
    let path = windir.join(NAME);
    if !is_pending(fs, windir)? {
        return Ok(None);
    }
    let text = match fs.read(&path) {
        // Its run has just finished.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(read_failure(&path))?,
    };
    Ok(Some(match parse(&text) {
        Some(entries) => Journal::Whole(entries),
        None if is_torn(&text) => Journal::Torn,
        None => Journal::Foreign,
    }))
}

/// The entries of a complete journal.
fn parse(text: &[u8]) -> Option<Vec<Entry>> {
    let text = str::from_utf8(text).ok()?;
    let body = text.strip_prefix(BEGINNING)?.strip_prefix('\n')?;
    let mut entries = Vec::new();
    let mut rest = body;
    while let Some((line, next)) = rest.split_once('\n') {
        if let Ok(entry) = serde_json::from_str::<Entry>(line) {
            entries.push(entry);
            rest = next;
        } else {
            break;
        }
    }
    let whole = rest == last_line(entries.len()) && entries.iter().all(Entry::is_confined);
    whole.then_some(entries)
}

/// Whether this is an incomplete journal: its run had changed no file. Content
/// that never reached the medium may read as zeros.
fn is_torn(text: &[u8]) -> bool {
    let length = text
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    let text = text.get(..length).unwrap_or_default();
    let beginning = BEGINNING.as_bytes();
    let begun = text.starts_with(beginning) || beginning.starts_with(text);
    let lines = text.strip_suffix(b"\n");
    let last = lines.and_then(|lines| lines.rsplit(|&byte| byte == b'\n').next());
    begun && !last.is_some_and(|last| last.starts_with(b"end "))
}

#[cfg(test)]
mod tests;
