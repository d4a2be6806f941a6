//! The way back: which content a file had before it was changed.

use std::path::Path;

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;

use super::disk::{Disk, folder_of};
use super::form::Form;
use super::replace::{Failure, hash_in, unread};
use super::{Plan, Refusal, apply, plan};
use crate::manifest::Manifest;
use crate::probe::sha256;

/// Where the old content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A backup beside the file; its name.
    Backup(String),
    /// The file itself, with the value 10.
    Ten,
}

/// What a file is to hold again.
#[derive(Clone, Debug)]
pub struct Original {
    /// Where it comes from.
    pub source: Source,
    /// The whole file.
    pub file: Vec<u8>,
    /// What changes in the image, from how it is now.
    pub plan: Plan,
    /// SHA-256 of the image, decompressed where the file is compressed.
    pub sha256: String,
}

/// What the file at `path`, which holds `now`, held before: what a backup says
/// that differs from it in nothing but value and checksum, or else the same
/// with the value 10.
///
/// # Errors
/// When the file is none that could have been patched, or several backups
/// claim it.
pub fn original(
    disk: &impl Disk,
    path: &Path,
    now: &[u8],
    module: Option<Module>,
    use_backup: bool,
) -> Result<Original, Failure> {
    let shown = path.to_string_lossy();
    let (form, image) = Form::open(now)?;
    // What any content of this build has in common.
    let to_ten = plan(&shown, &image, module, PRISTINE_LIMIT)?;
    let ten = apply(&shown, &to_ten, &image)?;

    let mut fitting = Vec::new();
    if use_backup {
        for (name, file) in backups(disk, path)? {
            let Ok((_, old)) = Form::open(&file) else {
                continue;
            };
            let Ok(same) = plan(&shown, &old, module, PRISTINE_LIMIT) else {
                continue;
            };
            if apply(&shown, &same, &old).as_ref() == Ok(&ten) {
                fitting.push((name, same.before, sha256(&old), file));
            }
        }
    }
    let shipped = fitting
        .iter()
        .position(|(_, value, ..)| *value == PRISTINE_LIMIT);
    let chosen = match (shipped, fitting.len()) {
        (Some(index), _) => Some(index),
        (None, 0) => None,
        (None, 1) => Some(0),
        (None, _) => {
            let names = fitting.into_iter().map(|(name, ..)| name);
            return Err(Refusal::SeveralBackups(names.collect()).into());
        }
    };
    Ok(match chosen.map(|index| fitting.swap_remove(index)) {
        Some((name, value, sha256, file)) => Original {
            source: Source::Backup(name),
            file,
            plan: plan(&shown, &image, module, value)?,
            sha256,
        },
        None => Original {
            source: Source::Ten,
            file: match to_ten.changes.is_empty() {
                true => now.to_vec(),
                false => form.pack(&ten)?,
            },
            plan: to_ten,
            sha256: sha256(&ten),
        },
    })
}

/// The backups of a file, by name: files whose name has the hash of their
/// content in it.
///
/// # Errors
/// When the folder, or one of them, can't be read.
pub(crate) fn backups(disk: &impl Disk, path: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = disk.names(folder).map_err(unread(folder))?;
    let mut backups = Vec::new();
    for backup in names {
        let Some(hash) = hash_in(&backup, &name) else {
            continue;
        };
        let path = folder.join(&backup);
        let content = disk.read(&path).map_err(unread(&path))?;
        if sha256(&content).starts_with(&hash) {
            backups.push((backup, content));
        }
    }
    Ok(backups)
}

/// What the manifest calls the build as shipped that an image is, byte for
/// byte, if it is one.
pub(crate) fn as_shipped<'a>(manifest: &'a Manifest, sha256: &str) -> Option<&'a str> {
    let build = manifest.find(sha256)?;
    (build.start_up_value == Some(PRISTINE_LIMIT)).then_some(build.name.as_str())
}
