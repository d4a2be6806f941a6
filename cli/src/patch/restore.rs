//! The way back: which content a file had before it was changed, or damaged.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Checksum, Headers, Module};

use super::disk::{Disk, folder_of};
use super::form::Form;
use super::replace::{Failure, backup_name, unread};
use super::{Plan, Refusal, apply, plan};
use crate::manifest::Manifest;
use crate::probe::sha256;
use crate::report::State;

/// Where the old content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A backup beside the file; its name.
    Backup(OsString),
    /// The file itself, with the value 10.
    Ten,
    /// What the last sector of a disc image says.
    LastSector,
}

/// What a file is to hold again.
#[derive(Clone, Debug)]
pub struct Original {
    /// Where it comes from.
    pub source: Source,
    /// What is wrong with the file as it is, so that only a backup tells.
    pub damage: Option<String>,
    /// The whole file.
    pub file: Vec<u8>,
    /// The member, where it is a cabinet.
    pub member: Option<String>,
    /// What changes in the image, from how it is now.
    pub plan: Plan,
    /// SHA-256 of the image as it is now; of a damaged file that of the file.
    pub sha256_now: String,
    /// SHA-256 of the image, decompressed where the file is compressed.
    pub sha256: String,
}

/// A backup that is a sound driver.
struct Backup {
    name: OsString,
    file: Vec<u8>,
    /// Which driver it is.
    module: Module,
    /// What it stores.
    value: u32,
    /// The same image with 10: what all contents of one build have in common.
    ten: Vec<u8>,
    sha256: String,
    member: Option<String>,
}

/// What the file at `path`, which holds `now`, held before: what a backup says
/// that differs from it in nothing but value and checksum, or else the same
/// with the value 10. Where the file is damaged or gone it is what a backup
/// says, if all of them are of one build.
///
/// # Errors
/// When the file is none that could have been patched, or several backups
/// claim it.
pub fn original(
    disk: &impl Disk,
    path: &Path,
    now: Option<&[u8]>,
    module: Option<Module>,
    use_backup: bool,
) -> Result<Original, Failure> {
    let shown = path.to_string_lossy();
    let backups = |use_backup| match use_backup {
        true => sound_backups(disk, path, module),
        false => Ok(Vec::new()),
    };
    let Some(now) = now else {
        let gone = unread(path)(ErrorKind::NotFound.into());
        let backups = backups(use_backup)?;
        return instead(&shown, "it is not there", b"", backups)?.ok_or(gone);
    };
    // What any content of this build has in common.
    let opened = Form::open(now).and_then(|(form, image)| {
        let to_ten = plan(&shown, &image, module, PRISTINE_LIMIT)?;
        let ten = apply(&shown, &to_ten, &image)?;
        Ok((form, image, to_ten, ten))
    });
    let (form, image, to_ten, ten) = match opened {
        Ok(opened) => opened,
        Err(refusal) if is_damage(&refusal) || has_wrong_checksum(now) => {
            let backups = backups(use_backup)?;
            let damage = refusal.to_string();
            return instead(&shown, &damage, now, backups)?.ok_or_else(|| refusal.into());
        }
        Err(refusal) => return Err(refusal.into()),
    };

    let mut fitting = backups(use_backup)?;
    fitting.retain(|backup| backup.ten == ten);
    let member = form.member().map(str::to_owned);
    let sha256_now = sha256(&image);
    Ok(match choose(fitting)? {
        Some(backup) => Original {
            source: Source::Backup(backup.name),
            damage: None,
            file: backup.file,
            member,
            plan: plan(&shown, &image, module, backup.value)?,
            sha256_now,
            sha256: backup.sha256,
        },
        None => Original {
            source: Source::Ten,
            damage: None,
            file: match to_ten.changes.is_empty() {
                true => now.to_vec(),
                false => form.pack(&ten)?,
            },
            member,
            plan: to_ten,
            sha256_now,
            sha256: sha256(&ten),
        },
    })
}

/// What a file by itself is.
pub(crate) enum Content {
    /// A driver that can be patched.
    Sound(Build),
    /// Not whole, or no image.
    Damaged,
    /// Anything else: whole, but refused.
    Other,
}

/// Which build a driver is of.
pub(crate) struct Build {
    /// What it stores.
    pub(crate) value: u32,
    /// SHA-256 of the same image with 10.
    pub(crate) ten: String,
}

/// What the content of a file is, if it goes by this path.
pub(crate) fn judge(path: &Path, content: &[u8]) -> Content {
    let shown = path.to_string_lossy();
    let build = Form::open(content).and_then(|(_, image)| {
        let plan = plan(&shown, &image, None, PRISTINE_LIMIT)?;
        let ten = sha256(&apply(&shown, &plan, &image)?);
        let value = plan.before;
        Ok(Build { value, ten })
    });
    match build {
        Ok(build) => Content::Sound(build),
        Err(Refusal::Unfit { state, .. }) if state.is_bad_input() || state == State::NotPe => {
            Content::Damaged
        }
        Err(_) if has_wrong_checksum(content) => Content::Damaged,
        Err(_) => Content::Other,
    }
}

/// Whether a file is refused because it is not whole, or no image at all: not
/// because it is another build, which may well be newer than any backup.
fn is_damage(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Unfit { state, .. } => state.is_bad_input() || *state == State::NotPe,
        refusal => refusal.is_bad_input(),
    }
}

/// Whether a file states another checksum than it has, wherever it was damaged:
/// no linker makes such a file.
fn has_wrong_checksum(file: &[u8]) -> bool {
    let Ok((_, image)) = Form::open(file) else {
        return false;
    };
    Headers::parse(&image).is_ok_and(|headers| {
        let checksum = Checksum::of(&headers, &image);
        checksum.stated != 0 && !checksum.is_right()
    })
}

/// The backup that takes the place of a file that is damaged or gone.
fn instead(
    shown: &str,
    damage: &str,
    now: &[u8],
    backups: Vec<Backup>,
) -> Result<Option<Original>, Failure> {
    if backups.windows(2).any(|pair| match pair {
        [one, other] => one.ten != other.ten,
        _ => false,
    }) {
        return Err(Refusal::SeveralBuilds(names(&backups)).into());
    }
    let Some(backup) = choose(backups)? else {
        return Ok(None);
    };
    let (_, image) = Form::open(&backup.file)?;
    // It was a sound one under this name and module a moment ago.
    let plan = plan(shown, &image, Some(backup.module), backup.value)?;
    Ok(Some(Original {
        source: Source::Backup(backup.name),
        damage: Some(damage.to_owned()),
        member: backup.member,
        plan,
        sha256_now: sha256(now),
        sha256: backup.sha256,
        file: backup.file,
    }))
}

/// Of several backups of one build that with 10, or the only one.
fn choose(mut backups: Vec<Backup>) -> Result<Option<Backup>, Failure> {
    let shipped = backups
        .iter()
        .position(|backup| backup.value == PRISTINE_LIMIT);
    match (shipped, backups.len()) {
        (Some(index), _) => Ok(Some(backups.swap_remove(index))),
        (None, 0 | 1) => Ok(backups.pop()),
        (None, _) => Err(Refusal::SeveralBackups(names(&backups)).into()),
    }
}

fn names(backups: &[Backup]) -> Vec<String> {
    let names = backups.iter().map(|backup| backup.name.to_string_lossy());
    names.map(String::from).collect()
}

/// The backups of a file that are drivers which could be patched.
fn sound_backups(
    disk: &impl Disk,
    path: &Path,
    module: Option<Module>,
) -> Result<Vec<Backup>, Failure> {
    let shown = path.to_string_lossy();
    let mut sound = Vec::new();
    for (name, file) in backups(disk, path)? {
        let Ok((form, image)) = Form::open(&file) else {
            continue;
        };
        let Ok(plan) = plan(&shown, &image, module, PRISTINE_LIMIT) else {
            continue;
        };
        let Ok(ten) = apply(&shown, &plan, &image) else {
            continue;
        };
        sound.push(Backup {
            name,
            value: plan.before,
            module: plan.module,
            ten,
            sha256: sha256(&image),
            member: form.member().map(str::to_owned),
            file,
        });
    }
    Ok(sound)
}

/// The backups of a file, by name: files whose name has the hash of their
/// content in it.
///
/// # Errors
/// When the folder, or one of them, can't be read.
pub(crate) fn backups(disk: &impl Disk, path: &Path) -> Result<Vec<(OsString, Vec<u8>)>, Failure> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let names = disk.names(folder).map_err(unread(folder))?;
    let mut backups = Vec::new();
    for backup in names {
        let hash = match backup_name(&backup) {
            Some((of, hash)) if of.eq_ignore_ascii_case(name) => hash,
            _ => continue,
        };
        let path = folder.join(&backup);
        let content = match disk.read(&path) {
            Ok(content) => content,
            // Removed in this moment by the run that had made it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unread(&path)(error)),
        };
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
