//! The way back: which content a file had before it was changed, or damaged.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Checksum, Headers, Module};

use super::disk::{Disk, folder_of};
use super::drivers::{Drivers, Planned};
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
    /// Each driver in it.
    pub drivers: Vec<Driver>,
}

/// How the old content is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// Takes files for this module, whatever their names say.
    pub module: Option<Module>,
    /// In backups too.
    pub use_backup: bool,
    /// Also of cabinets of several files.
    pub cabinets: bool,
}

/// A driver in a file that is to be restored.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The member, where the file is a cabinet.
    pub member: Option<String>,
    /// What changes in the image, from how it is now.
    pub plan: Plan,
    /// SHA-256 of the image as it is now; of a damaged file that of the file.
    pub sha256_now: String,
    /// SHA-256 of the image, decompressed where the file is compressed.
    pub sha256: String,
}

/// A file whose drivers could all be patched: a backup, for one.
struct Sound<'a> {
    drivers: Drivers<'a>,
    /// What each becomes with 10.
    to_ten: Vec<Planned>,
}

impl<'a> Sound<'a> {
    fn of(shown: &str, file: &'a [u8], how: Lookup) -> Result<Sound<'a>, Refusal> {
        let drivers = Drivers::of(file, how.cabinets)?;
        let to_ten = drivers.plan(shown, how.module, PRISTINE_LIMIT)?;
        Ok(Sound { drivers, to_ten })
    }

    /// What all contents of one build have in common: all but the drivers, and
    /// these with 10.
    fn common(self) -> Common {
        let ten = self.to_ten.into_iter().map(|driver| driver.changed);
        (self.drivers.rest(), ten.collect())
    }
}

type Common = (Option<[u8; 32]>, Vec<Vec<u8>>);

/// A backup whose drivers could all be patched.
struct Backup {
    name: OsString,
    file: Vec<u8>,
    /// What each stores, and its hash.
    values: Vec<(u32, String)>,
    common: Common,
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
    how: Lookup,
) -> Result<Original, Failure> {
    let shown = path.to_string_lossy();
    let backups = || match how.use_backup {
        true => sound_backups(disk, path, how),
        false => Ok(Vec::new()),
    };
    let Some(now) = now else {
        let gone = unread(path)(ErrorKind::NotFound.into());
        return instead(&shown, "it is not there", b"", backups()?, how)?.ok_or(gone);
    };
    let sound = match Sound::of(&shown, now, how) {
        Ok(sound) => sound,
        Err(refusal) if is_damage(&refusal) || has_wrong_checksum(now, how.cabinets) => {
            let damage = refusal.to_string();
            return instead(&shown, &damage, now, backups()?, how)?.ok_or_else(|| refusal.into());
        }
        Err(refusal) => return Err(refusal.into()),
    };

    let rest = sound.drivers.rest();
    let ten = || sound.to_ten.iter().map(|driver| &driver.changed);
    let mut fitting = backups()?;
    fitting.retain(|backup| backup.common.0 == rest && backup.common.1.iter().eq(ten()));
    if let Some(backup) = choose(fitting)? {
        let mut drivers = Vec::new();
        for (number, (value, sha256)) in backup.values.iter().enumerate() {
            let planned = sound.drivers.plan(&shown, how.module, *value)?;
            let driver = planned.into_iter().nth(number);
            let driver = driver.ok_or(Refusal::NotItself)?;
            drivers.push(Driver {
                member: driver.member,
                plan: driver.plan,
                sha256_now: driver.before,
                sha256: sha256.clone(),
            });
        }
        return Ok(Original {
            source: Source::Backup(backup.name),
            damage: None,
            file: backup.file,
            drivers,
        });
    }
    let is_done = sound
        .to_ten
        .iter()
        .all(|driver| driver.plan.changes.is_empty());
    let file = match is_done {
        true => now.to_vec(),
        false => sound.drivers.pack(ten().cloned().collect())?,
    };
    let drivers = sound.to_ten.into_iter().map(|driver| Driver {
        member: driver.member,
        plan: driver.plan,
        sha256_now: driver.before,
        sha256: sha256(&driver.changed),
    });
    Ok(Original {
        source: Source::Ten,
        damage: None,
        file,
        drivers: drivers.collect(),
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
        Err(_) if has_wrong_checksum(content, false) => Content::Damaged,
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
fn has_wrong_checksum(file: &[u8], cabinets: bool) -> bool {
    let is_wrong = |image: &[u8]| {
        Headers::parse(image).is_ok_and(|headers| {
            let checksum = Checksum::of(&headers, image);
            checksum.stated != 0 && !checksum.is_right()
        })
    };
    Drivers::of(file, cabinets).is_ok_and(|drivers| drivers.images().any(is_wrong))
}

/// The backup that takes the place of a file that is damaged or gone.
fn instead(
    shown: &str,
    damage: &str,
    now: &[u8],
    backups: Vec<Backup>,
    how: Lookup,
) -> Result<Option<Original>, Failure> {
    if backups.windows(2).any(|pair| match pair {
        [one, other] => one.common != other.common,
        _ => false,
    }) {
        return Err(Refusal::SeveralBuilds(names(&backups)).into());
    }
    let Some(backup) = choose(backups)? else {
        return Ok(None);
    };
    let opened = Drivers::of(&backup.file, how.cabinets)?;
    let mut drivers = Vec::new();
    for (number, (value, sha256)) in backup.values.iter().enumerate() {
        // It was a sound one under this name and module a moment ago.
        let planned = opened.plan(shown, how.module, *value)?;
        let driver = planned.into_iter().nth(number);
        let driver = driver.ok_or(Refusal::NotItself)?;
        drivers.push(Driver {
            member: driver.member,
            plan: driver.plan,
            sha256_now: self::sha256(now),
            sha256: sha256.clone(),
        });
    }
    Ok(Some(Original {
        source: Source::Backup(backup.name),
        damage: Some(damage.to_owned()),
        drivers,
        file: backup.file,
    }))
}

/// Of several backups of one build that with 10, or the only one.
fn choose(mut backups: Vec<Backup>) -> Result<Option<Backup>, Failure> {
    let shipped = backups.iter().position(|backup| {
        backup
            .values
            .iter()
            .all(|(value, _)| *value == PRISTINE_LIMIT)
    });
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

/// The backups of a file whose drivers could all be patched.
fn sound_backups(disk: &impl Disk, path: &Path, how: Lookup) -> Result<Vec<Backup>, Failure> {
    let shown = path.to_string_lossy();
    let mut all = Vec::new();
    for (name, file) in backups(disk, path)? {
        let Ok(sound) = Sound::of(&shown, &file, how) else {
            continue;
        };
        let values = sound.to_ten.iter();
        let values = values.map(|driver| (driver.plan.before, driver.before.clone()));
        all.push(Backup {
            name,
            values: values.collect(),
            common: sound.common(),
            file,
        });
    }
    Ok(all)
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
