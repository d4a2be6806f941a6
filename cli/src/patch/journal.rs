//! Many files as one transaction: all of them, or none.
//!
//! Everything is made ready first, file by file. Then a journal is written
//! that says how each file is now, how it will be, and how to get from there
//! back. While it is there, the transaction is not finished. A run that finds it
//! has the locks, so the run that wrote it has ended; it puts back every file
//! that holds what that run wrote. It does not go on instead, because going
//! back needs nothing but the journal and the files beside it, and leaves a
//! state that everybody knew. A file that holds anything else was changed by
//! another program since, by an update for one: it is whole, it is somebody's
//! choice, and it stays. So a journal never outlives the next run, unless a file
//! can't be read or written.

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

/// Its first line.
const BEGINNING: &str = "tcplimit journal 1";

/// So many bytes of a file a journal says at most.
const MAX_BYTES: usize = 64;

/// A second look at what was read again of a file.
pub type ContentCheck<'a> = dyn Fn(&Replacement, &[u8]) -> Result<(), Failure> + 'a;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// From the journal's folder on, with `/` between names.
    path: String,
    /// The file that was made ready, in the same folder.
    temporary: String,
    /// SHA-256.
    before: String,
    /// SHA-256.
    after: String,
    /// Offset, byte before, byte after; of files of one length, where they are
    /// few.
    bytes: Vec<(u64, u8, u8)>,
    /// The file that keeps the old content, in the same folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// What was found of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    Nothing,
    /// A journal that was not finished: no file had been changed.
    Unfinished,
    /// A journal.
    RolledBack {
        /// Files that held what that run wrote, and were put back.
        back: Vec<String>,
        /// Files that something else changed or removed since: they were left
        /// as they are.
        left: Vec<String>,
    },
}

/// What a file of an unfinished transaction is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// As before that.
    Before,
    /// As it was to be.
    After,
    /// Something else changed it since.
    Other,
    /// It is not there.
    Missing,
}

impl FileState {
    /// The word for it in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileState::Before => "before",
            FileState::After => "after",
            FileState::Other => "other",
            FileState::Missing => "missing",
        }
    }

    /// For people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            FileState::Before => "as before that run; it stays so",
            FileState::After => "as that run left it; the next one puts it back first",
            FileState::Other => "changed by something else since; it stays so",
            FileState::Missing => "removed since",
        }
    }
}

/// Whether there is a journal.
///
/// # Errors
/// When the folder can't be read.
pub fn is_pending(fs: &impl FileSystem, home: &Path) -> Result<bool, Failure> {
    fs.exists(&home.join(NAME)).map_err(read_failure(home))
}

/// The journal of a run that had this file among others and was killed: a
/// change of the file alone would make that impossible to put back. The path has
/// no links in it.
///
/// # Errors
/// When a folder can't be read.
pub(crate) fn pending_above(fs: &impl FileSystem, path: &Path) -> Result<Option<PathBuf>, Failure> {
    for home in path.ancestors().skip(1).take(MAX_DEPTH) {
        if is_pending(fs, home)? {
            return Ok(Some(home.to_owned()));
        }
    }
    Ok(None)
}

/// Exchanges all files, or none. Between two of them `go_on` is asked; where
/// it says no, everything is put back. What is read again of each must pass
/// `check`. Returns the files that keep the old contents, where they are to be
/// kept, in the order of the files. The locks must be those of
/// [`folders_to_lock`].
///
/// # Errors
/// Why nothing was changed. With [`Failure::RollbackFailed`] the journal is still
/// there, and the next run puts everything back.
pub fn replace_all(
    locks: &Locks<'_, impl FileSystem>,
    home: &Path,
    files: &[Replacement],
    go_on: &dyn Fn() -> bool,
    check: &ContentCheck<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let fs = locks.fs();
    let mut staged: Vec<Staged> = Vec::new();
    let discard = |staged: &[Staged]| staged.iter().for_each(|staged| staged.discard(fs));
    for file in files {
        match Staged::new(fs, &home.join(&file.path), file, retention(file)) {
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
        true => write_journal(fs, home, &entries),
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
    // The transaction is finished when the journal is gone.
    if let Err(failure) = exchanged.and_then(|()| remove_journal(fs, home)) {
        return Err(match roll_back(fs, home, &entries) {
            Ok(_) => {
                discard(&staged);
                failure
            }
            Err(_) => Failure::RollbackFailed {
                reason: format!("{failure}; the next run here tries again to put all files back"),
                path: home.join(NAME),
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

/// The folders of these files and of those in a journal, and that of the
/// journal itself: all that a run over them writes to.
///
/// # Errors
/// When the journal can't be read.
pub fn folders_to_lock<'p>(
    fs: &impl FileSystem,
    home: &Path,
    files: impl IntoIterator<Item = &'p Path>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = vec![home.to_owned()];
    let folder = |path: &Path| folder_of(&home.join(path)).to_owned();
    folders.extend(files.into_iter().map(folder));
    if let Some(Journal::Whole(entries)) = read_journal(fs, home)? {
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

/// Puts back what a run left that was killed. The locks must be those of
/// [`folders_to_lock`].
///
/// # Errors
/// When the journal is none, or the disk fails. The journal stays.
pub fn recover(locks: &Locks<'_, impl FileSystem>, home: &Path) -> Result<Recovery, Failure> {
    let fs = locks.fs();
    match read_journal(fs, home)? {
        None => Ok(Recovery::Nothing),
        Some(Journal::Torn) => remove_journal(fs, home).map(|()| Recovery::Unfinished),
        Some(Journal::Whole(entries)) => roll_back(fs, home, &entries),
        Some(Journal::Foreign) => Err(foreign_journal(home)),
    }
}

/// What each file of an unfinished transaction is like; of a torn journal none.
///
/// # Errors
/// When the journal is none, or a file can't be read.
pub(crate) fn inspect(
    fs: &impl FileSystem,
    home: &Path,
) -> Result<Vec<(String, FileState)>, Failure> {
    match read_journal(fs, home)? {
        None | Some(Journal::Torn) => Ok(Vec::new()),
        Some(Journal::Whole(entries)) => entries
            .iter()
            .map(|entry| Ok((entry.path.clone(), entry.state(fs, home)?.0)))
            .collect(),
        Some(Journal::Foreign) => Err(foreign_journal(home)),
    }
}

fn foreign_journal(home: &Path) -> Failure {
    Failure::Io {
        problem: format!(
            "{} is no journal of this program",
            home.join(NAME).display()
        ),
        error: io::Error::other(
            "it is damaged, or of another version; every copy is whole, and tcplimit status shows each: move the journal away, then patch or restore all of them",
        ),
    }
}

/// Puts every file back that holds what the transaction wrote, and removes the
/// journal. May be done again, whenever it was stopped.
fn roll_back(fs: &impl FileSystem, home: &Path, entries: &[Entry]) -> Result<Recovery, Failure> {
    let (mut back, mut left) = (Vec::new(), Vec::new());
    for entry in entries {
        let (now, content) = entry.state(fs, home)?;
        match now {
            FileState::Before => {}
            FileState::After => back.push((entry, entry.before(fs, home, content)?)),
            FileState::Other | FileState::Missing => left.push(entry.path.clone()),
        }
    }
    for (entry, before) in &back {
        restore_content(fs, &home.join(&entry.path), before)?;
    }
    for entry in entries {
        let temporary = entry.sibling(home, &entry.temporary);
        if fs
            .read(&temporary)
            .is_ok_and(|content| sha256(&content) == entry.after)
        {
            let _ = fs.remove(&temporary);
        }
    }
    remove_journal(fs, home)?;
    for entry in entries {
        entry.remove_rollback_copy(fs, home);
    }
    let back = back.into_iter().map(|(entry, _)| entry.path.clone());
    Ok(Recovery::RolledBack {
        back: back.collect(),
        left,
    })
}

fn write_journal(fs: &impl FileSystem, home: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let path = home.join(NAME);
    let shown = path.display().to_string();
    let text = serialize(entries);
    match fs.create(&path, text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Somebody else's, since a moment ago: it stays.
            return Err(io_failure(format!("{shown} can't be written"))(error));
        }
        result => result,
    }
    .and_then(|()| fs.sync(&path))
    .and_then(|()| sync_folder(fs, home))
    .map_err(|error| {
        let _ = fs.remove(&path);
        io_failure(format!("{shown} can't be written"))(error)
    })
}

/// Removes the journal.
pub(crate) fn remove_journal(fs: &impl FileSystem, home: &Path) -> Result<(), Failure> {
    let path = home.join(NAME);
    fs.remove(&path)
        .map_err(io_failure(format!("{} can't be removed", path.display())))?;
    // Should it be back after a power failure, the next run puts everything
    // back: again a state that is whole.
    let _ = sync_folder(fs, home);
    Ok(())
}

/// The bytes that differ, where they are few and the length is the same: a
/// plain driver's limit and checksum, not a cabinet compressed anew.
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

/// What becomes of the old content: what the journal can't say is kept in a file.
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

    /// Removes what was kept for this transaction only, where the file itself has
    /// that content again. What can't be removed is harmless.
    fn remove_rollback_copy(&self, fs: &impl FileSystem, home: &Path) {
        let kept = self.kept.as_ref().filter(|kept| kept.ends_with(ROLLBACK));
        if let Some(kept) = kept
            && self
                .state(fs, home)
                .is_ok_and(|(now, _)| now == FileState::Before)
        {
            let _ = fs.remove(&self.sibling(home, kept));
        }
    }

    /// A file in the folder of this one.
    fn sibling(&self, home: &Path, name: &str) -> PathBuf {
        home.join(&self.path).with_file_name(name)
    }

    /// What the file is like, and its content.
    fn state(&self, fs: &impl FileSystem, home: &Path) -> Result<(FileState, Vec<u8>), Failure> {
        let path = home.join(&self.path);
        let content = match fs.read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((FileState::Missing, Vec::new()));
            }
            Err(error) => {
                let error = io::Error::new(
                    error.kind(),
                    format!(
                        "{}; an interrupted run had it among others: make it readable, or put its backup in its place, and run again",
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

    /// The old content, from the new one or from the file that keeps it.
    fn before(
        &self,
        fs: &impl FileSystem,
        home: &Path,
        content: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(before) = self.undo(content) {
            return Ok(before);
        }
        let kept = self.kept.as_ref().map(|kept| self.sibling(home, kept));
        if let Some(kept) = &kept {
            let before = fs.read(kept).map_err(read_failure(kept))?;
            if sha256(&before) == self.before {
                return Ok(before);
            }
        }
        Err(Failure::Io {
            problem: format!("{} can't be put back", home.join(&self.path).display()),
            error: io::Error::other(
                "its old content is neither in the journal nor beside it; the file is whole: move the journal away, then patch or restore all copies",
            ),
        })
    }

    /// The old content, from the new one.
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

    /// Whether it names nothing outside the journal's folder, and no file that
    /// this program would not have made.
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

/// What a journal says.
#[derive(Debug)]
enum Journal {
    /// The files of a transaction.
    Whole(Vec<Entry>),
    /// A run ended while it was writing it: then it had changed nothing.
    Torn,
    /// It is not of this program, or damaged.
    Foreign,
}

fn read_journal(fs: &impl FileSystem, home: &Path) -> Result<Option<Journal>, Failure> {
    let path = home.join(NAME);
    if !is_pending(fs, home)? {
        return Ok(None);
    }
    let text = match fs.read(&path) {
        // The run that it belonged to has just finished.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(read_failure(&path))?,
    };
    Ok(Some(match parse(&text) {
        Some(entries) => Journal::Whole(entries),
        None if is_torn(&text) => Journal::Torn,
        None => Journal::Foreign,
    }))
}

/// The entries of a whole journal.
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

/// Whether a run ended while it was writing this: then it had changed nothing.
/// For what never reached the medium it may give zeros.
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
