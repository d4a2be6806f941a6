//! Many files as one change: all of them, or none.
//!
//! Everything is made ready first, file by file. Then a journal is written
//! that says how each file is now, how it will be, and in which bytes the two
//! differ. While it is there, the change is not finished: a run that finds it
//! and does not find the run that wrote it puts every file back. It does not
//! go on instead, because going back needs nothing but the journal and the
//! files themselves, and leaves a state that everybody knew.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::disk::{Disk, folder_of};
use super::replace::{Failure, Staged, Swap, TEMPORARY, doing, set, unread};
use super::system::LEVELS;
use crate::probe::sha256;

/// The name of the journal, in the folder of all the files.
pub const NAME: &str = "tcplimit.journal";
/// Its first line.
const BEGINNING: &str = "tcplimit journal 1";

/// A file that is to have another content of the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The file, from the folder of the journal on.
    pub path: PathBuf,
    /// What it holds.
    pub before: Vec<u8>,
    /// What it shall hold.
    pub after: Vec<u8>,
}

/// A second look at what was read again of a file.
pub type Check<'a> = dyn Fn(&Exchange, &[u8]) -> Result<(), Failure> + 'a;

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
    /// Offset, byte before, byte after.
    bytes: Vec<(u64, u8, u8)>,
}

/// What was found of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A journal that was not finished: no file had been changed.
    Unfinished,
    /// A journal: these files were changed, and have been put back.
    PutBack(Vec<String>),
}

/// Whether there is a journal.
///
/// # Errors
/// When the folder can't be read.
pub fn is_pending(disk: &impl Disk, home: &Path) -> Result<bool, Failure> {
    disk.exists(&home.join(NAME)).map_err(unread(home))
}

/// The journal of a run that had this file among others and was killed, or is
/// still at work: a change of the file alone would make that impossible to put
/// back. The path has no links in it.
///
/// # Errors
/// When a folder can't be read.
pub(crate) fn pending_above(disk: &impl Disk, path: &Path) -> Result<Option<PathBuf>, Failure> {
    for home in path.ancestors().skip(1).take(LEVELS) {
        if is_pending(disk, home)? {
            return Ok(Some(home.to_owned()));
        }
    }
    Ok(None)
}

/// Exchanges all files, or none. Between two of them `go_on` is asked; where
/// it says no, everything is put back. What is read again of each must pass
/// `check`. Returns the backups, when they are asked for, in the order of the
/// files.
///
/// # Errors
/// Why nothing was changed. With [`Failure::Unsure`] the journal is still
/// there, and the next run puts everything back.
pub fn exchange_all(
    disk: &impl Disk,
    home: &Path,
    files: &[Exchange],
    backup: bool,
    go_on: &dyn Fn() -> bool,
    check: &Check<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut staged: Vec<Staged> = Vec::new();
    let discard = |staged: &[Staged]| staged.iter().for_each(|staged| staged.discard(disk));
    for file in files {
        let path = home.join(&file.path);
        match Staged::new(disk, &path, &file.before, &file.after, backup) {
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
        .filter_map(|(file, staged)| Entry::of(file, staged))
        .collect();
    let whole = entries.len() == files.len();
    let written = match whole {
        true => write(disk, home, &entries),
        false => Err(Refusal::NotItself.into()),
    };
    if let Err(failure) = written {
        discard(&staged);
        return Err(failure);
    }

    for (file, ready) in files.iter().zip(&staged) {
        let swapped = match go_on() {
            true => ready
                .swap(disk, &|again| check(file, again))
                .map_err(|(Swap::Before(failure) | Swap::After(failure))| failure),
            false => Err(Failure::Interrupted),
        };
        if let Err(failure) = swapped {
            return Err(undone(disk, home, &entries, &staged, failure));
        }
    }
    // The change is made when the journal is gone.
    if let Err(failure) = finish(disk, home) {
        return Err(undone(disk, home, &entries, &staged, failure));
    }
    let backups = staged.iter().filter_map(|staged| staged.backup());
    Ok(backups.map(Path::to_owned).collect())
}

/// Puts everything back after a failure; what is to be said then.
fn undone(
    disk: &impl Disk,
    home: &Path,
    entries: &[Entry],
    staged: &[Staged],
    failure: Failure,
) -> Failure {
    match put_back(disk, home, entries) {
        Ok(_) => {
            staged.iter().for_each(|staged| staged.discard(disk));
            failure
        }
        Err(_) => Failure::Unsure {
            why: format!("{failure}; the next run here tries again to put all files back"),
            path: home.join(NAME),
        },
    }
}

/// Puts back what a run left that was killed.
///
/// # Errors
/// When another run is at work, when a file is neither what it was nor what
/// it was to be, or when the disk fails. The journal stays.
pub fn recover(disk: &impl Disk, home: &Path) -> Result<Found, Failure> {
    if !is_pending(disk, home)? {
        return Ok(Found::Nothing);
    }
    let journal = home.join(NAME);
    let shown = journal.display();
    let claimed = disk.claim(&journal).map_err(unread(&journal))?;
    if !claimed {
        return Err(Failure::Disk {
            what: format!("{shown} is in use"),
            error: std::io::Error::other("another run of tcplimit is at work here; wait for it"),
        });
    }
    // The run that had it may have ended well a moment ago.
    if !is_pending(disk, home)? {
        return Ok(Found::Nothing);
    }
    let text = disk.read(&journal).map_err(unread(&journal))?;
    let Some(entries) = parse(&text) else {
        if is_torn(&text) {
            finish(disk, home)?;
            return Ok(Found::Unfinished);
        }
        return Err(Failure::Disk {
            what: format!("{shown} is no journal of this program"),
            error: std::io::Error::other("look at the files with tcplimit status, then remove it"),
        });
    };
    put_back(disk, home, &entries).map(Found::PutBack)
}

/// Puts every file back that was exchanged, and removes the journal. Nothing
/// is touched when any file is neither the one nor the other.
fn put_back(disk: &impl Disk, home: &Path, entries: &[Entry]) -> Result<Vec<String>, Failure> {
    let mut exchanged = Vec::new();
    for entry in entries {
        let path = home.join(&entry.path);
        let shown = path.display();
        let now = disk.read(&path).map_err(unread(&path))?;
        let hash = sha256(&now);
        if hash == entry.before {
            continue;
        }
        match (hash == entry.after).then(|| entry.undo(now)).flatten() {
            Some(before) => exchanged.push((entry, path, before)),
            None => {
                return Err(Failure::Disk {
                    what: format!(
                        "{shown} is neither what it was before an interrupted change nor what that made of it"
                    ),
                    error: std::io::Error::other(format!(
                        "put it back from its backup, then remove {}",
                        home.join(NAME).display()
                    )),
                });
            }
        }
    }
    for (_, path, before) in &exchanged {
        set(disk, path, before)?;
    }
    for entry in entries {
        let path = home.join(&entry.path);
        let _ = disk.remove(&folder_of(&path).join(&entry.temporary));
    }
    finish(disk, home)?;
    let paths = exchanged.into_iter().map(|(entry, ..)| entry.path.clone());
    Ok(paths.collect())
}

fn write(disk: &impl Disk, home: &Path, entries: &[Entry]) -> Result<(), Failure> {
    let path = home.join(NAME);
    let shown = path.display().to_string();
    let text = text(entries);
    match disk.create(&path, text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Somebody else's, since a moment ago: it stays.
            return Err(doing(format!("{shown} can't be written"))(error));
        }
        result => result,
    }
    .and_then(|()| disk.claim(&path).map(|_| ()))
    .and_then(|()| disk.sync(&path))
    .and_then(|()| disk.sync_folder(home))
    .map_err(|error| {
        let _ = disk.remove(&path);
        doing(format!("{shown} can't be written"))(error)
    })
}

/// Removes the journal.
fn finish(disk: &impl Disk, home: &Path) -> Result<(), Failure> {
    let path = home.join(NAME);
    disk.remove(&path)
        .map_err(doing(format!("{} can't be removed", path.display())))?;
    // Should it be back after a power failure, the next run puts everything
    // back: again a state that is whole.
    let _ = disk.sync_folder(home);
    Ok(())
}

impl Entry {
    fn of(file: &Exchange, staged: &Staged) -> Option<Entry> {
        let names = file.path.components().map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let names = names.collect::<Option<Vec<&str>>>()?;
        let temporary = staged.temporary().file_name()?.to_str()?;
        if file.before.len() != file.after.len() {
            return None;
        }
        let pairs = (0..).zip(file.before.iter().zip(&file.after));
        let differ = pairs.filter(|(_, (before, after))| before != after);
        Some(Entry {
            path: names.join("/"),
            temporary: temporary.to_owned(),
            before: sha256(&file.before),
            after: sha256(&file.after),
            bytes: differ
                .map(|(offset, (&before, &after))| (offset, before, after))
                .collect(),
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
    fn is_ours(&self) -> bool {
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
    }
}

fn text(entries: &[Entry]) -> String {
    let lines = entries
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok());
    let mut text = format!("{BEGINNING}\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&end(entries.len()));
    text
}

/// The last line.
fn end(entries: usize) -> String {
    format!("end {entries}\n")
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
    let whole = rest == end(entries.len()) && entries.iter().all(Entry::is_ours);
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
