//! The files and folders of the command line, and the files in those folders.

use std::path::{Path, PathBuf};

use tcplimit_report::Exit;
use walkdir::{DirEntry, WalkDir};

use crate::terminal::{os_error_text, print_error, quoted};

/// A file to process, or the reason why it can't be.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Index of the command line's path that led to it.
    pub(crate) named: usize,
    /// Whether it was found in a folder.
    pub(crate) within_folder: bool,
    /// Why it can't be read, if known already.
    pub(crate) problem: Option<String>,
}

/// Passes each file to `take`, in the order of the command line, within folders in the order of
/// names, until `take` returns `false`. Follows links to files, but not to folders, or a Wine
/// prefix would lead to the whole disk. Skips pipes and devices in folders.
pub(crate) fn each(paths: &[PathBuf], mut take: impl FnMut(Item) -> bool) {
    for (named, path) in paths.iter().enumerate() {
        let is_wanted = if path.is_dir() {
            walk(path, named, &mut take)
        } else {
            take(Item {
                path: path.clone(),
                named,
                within_folder: false,
                problem: None,
            })
        };
        if !is_wanted {
            return;
        }
    }
}

fn walk(folder: &Path, named: usize, take: &mut impl FnMut(Item) -> bool) -> bool {
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let item = match entry {
            Ok(entry) if is_file(&entry) => Item {
                path: entry.into_path(),
                named,
                within_folder: true,
                problem: None,
            },
            Ok(_) => continue,
            Err(error) => Item {
                path: error.path().unwrap_or(folder).to_owned(),
                named,
                // The named folder is not within itself.
                within_folder: error.depth() != 0,
                problem: Some(
                    error
                        .io_error()
                        .map_or_else(|| error.to_string(), os_error_text),
                ),
            },
        };
        if !take(item) {
            return false;
        }
    }
    true
}

/// Whether to process it: a file, or a link that leads to no folder, pipe or device. A dangling
/// link is processed to report it.
fn is_file(entry: &DirEntry) -> bool {
    let kind = entry.file_type();
    let leads_to_file =
        || std::fs::metadata(entry.path()).map_or(true, |about| about.file_type().is_file());
    kind.is_file() || (kind.is_symlink() && leads_to_file())
}

/// Refuses folders among the paths without `-r`: a usage error.
pub(crate) fn refuse_folders(paths: &[PathBuf], recursive: bool, command: &str) -> Option<Exit> {
    if recursive {
        return None;
    }
    let folder = paths.iter().find(|path| path.is_dir())?;
    let shown = folder.display();
    print_error(&format!(
        "{shown} is a folder. To search all files in it, add -r: tcplimit {command} -r {}",
        quoted(&folder.to_string_lossy())
    ));
    Some(Exit::Usage)
}
