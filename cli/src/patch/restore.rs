//! Finds the content that a file had before it was changed or damaged.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use scanner_core::policy::PRISTINE_LIMIT;
use scanner_core::{Checksum, Headers, Module};
use tcplimit_report::{State, sha256};

use super::container::Container;
use super::drivers::{Drivers, PlannedDriver};
use super::failure::{Failure, read_failure};
use super::file_names::parse_backup_name;
use super::filesystem::{FileSystem, folder_of};
use super::outcome::{DriverFacts, Source};
use super::plan::{apply, plan};
use super::refusal::Refusal;

/// The original content of a file.
#[derive(Clone, Debug)]
pub struct Original {
    /// The name of the backup that it comes from, if any.
    pub backup: Option<OsString>,
    /// The whole file.
    pub file: Vec<u8>,
    /// Facts about each driver in it.
    pub facts: Vec<DriverFacts>,
}

/// Options for finding the old content.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// The module of the files, regardless of their names.
    pub module: Option<Module>,
    /// Whether to search backups.
    pub use_backup: bool,
    /// Whether to open cabinets of several files.
    pub cabinets: bool,
}

/// A file whose drivers could all be patched, for example a backup.
struct PatchableFile<'a> {
    drivers: Drivers<'a>,
    /// Each driver with the limit 10.
    pristine: Vec<PlannedDriver>,
}

impl<'a> PatchableFile<'a> {
    fn parse(shown: &str, file: &'a [u8], lookup: Lookup) -> Result<PatchableFile<'a>, Refusal> {
        let drivers = Drivers::parse(file, lookup.cabinets)?;
        let pristine = drivers.plan(shown, lookup.module, PRISTINE_LIMIT)?;
        Ok(PatchableFile { drivers, pristine })
    }

    /// The common part of all contents of one build: everything but the drivers,
    /// and the drivers with the limit 10.
    fn fingerprint(self) -> Fingerprint {
        let pristine = self.pristine.into_iter().map(|driver| driver.changed);
        (self.drivers.remainder_hash(), pristine.collect())
    }
}

type Fingerprint = (Option<[u8; 32]>, Vec<Vec<u8>>);

/// A backup whose drivers could all be patched.
struct Backup {
    name: OsString,
    file: Vec<u8>,
    /// The stored limit and the hash of each driver.
    values: Vec<(u32, String)>,
    fingerprint: Fingerprint,
}

/// The original content of the file at `path`, which holds `now`: a backup that
/// differs from `now` only in limit and checksum, or else `now` with the limit 10.
/// For a damaged or missing file it is a backup, if all backups are of one build.
///
/// # Errors
/// When the file could not have been patched, or several backups fit.
pub fn original(
    fs: &impl FileSystem,
    path: &Path,
    now: Option<&[u8]>,
    lookup: Lookup,
) -> Result<Original, Failure> {
    let shown = path.to_string_lossy();
    let backups = || match lookup.use_backup {
        true => patchable_backups(fs, path, lookup),
        false => Ok(Vec::new()),
    };
    let Some(now) = now else {
        let gone = read_failure(path)(ErrorKind::NotFound.into());
        return damaged_original(&shown, "the file is missing", b"", backups()?, lookup)?
            .ok_or(gone);
    };
    let patchable = match PatchableFile::parse(&shown, now, lookup) {
        Ok(patchable) => patchable,
        Err(refusal) if is_damage(&refusal) || has_wrong_checksum(now, lookup.cabinets) => {
            let damage = refusal.to_string();
            return damaged_original(&shown, &damage, now, backups()?, lookup)?
                .ok_or_else(|| refusal.into());
        }
        Err(refusal) => return Err(refusal.into()),
    };

    let rest = patchable.drivers.remainder_hash();
    let pristine = || patchable.pristine.iter().map(|driver| &driver.changed);
    let mut fitting = backups()?;
    fitting.retain(|backup| {
        backup.fingerprint.0 == rest && backup.fingerprint.1.iter().eq(pristine())
    });
    if let Some(backup) = best_backup(fitting)? {
        let facts = backup.facts(&patchable.drivers, &shown, lookup.module, None)?;
        return Ok(backup.original(facts));
    }
    let is_done = patchable
        .pristine
        .iter()
        .all(|driver| driver.plan.changes.is_empty());
    let file = match is_done {
        true => now.to_vec(),
        false => patchable.drivers.pack(pristine().cloned().collect())?,
    };
    let facts = patchable.pristine.into_iter().map(|driver| DriverFacts {
        source: Some(Source::Pristine),
        ..driver.into_parts().0
    });
    Ok(Original {
        backup: None,
        file,
        facts: facts.collect(),
    })
}

/// The assessment of a file by its content.
pub(crate) enum Assessment {
    /// A driver that can be patched.
    Patchable(BuildIdentity),
    /// Incomplete, or not an image.
    Damaged,
    /// Complete, but refused for another reason.
    Other,
}

/// Identifies the build of a driver.
pub(crate) struct BuildIdentity {
    /// The limit that it stores.
    pub(crate) value: u32,
    /// SHA-256 of the image with the limit 10.
    pub(crate) pristine: String,
}

/// Assesses content as if it were at this path.
pub(crate) fn assess(path: &Path, content: &[u8]) -> Assessment {
    let shown = path.to_string_lossy();
    let build = Container::open(content).and_then(|(_, image)| {
        let plan = plan(&shown, &image, None, PRISTINE_LIMIT)?;
        let pristine = sha256(&apply(&shown, &plan, &image)?);
        let value = plan.before;
        Ok(BuildIdentity { value, pristine })
    });
    match build {
        Ok(build) => Assessment::Patchable(build),
        Err(Refusal::Unusable { state, .. }) if state.is_bad_input() || state == State::NotPe => {
            Assessment::Damaged
        }
        Err(_) if has_wrong_checksum(content, false) => Assessment::Damaged,
        Err(_) => Assessment::Other,
    }
}

/// Whether a file is refused because it is incomplete or not an image, rather than
/// because it is another build, which may be newer than any backup.
fn is_damage(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Unusable { state, .. } => state.is_bad_input() || *state == State::NotPe,
        refusal => refusal.is_bad_input(),
    }
}

/// Whether a driver in the file states a wrong checksum: no linker writes one, so
/// the file is damaged.
fn has_wrong_checksum(file: &[u8], cabinets: bool) -> bool {
    let is_wrong = |image: &[u8]| {
        Headers::parse(image).is_ok_and(|headers| {
            let checksum = Checksum::compute(&headers, image);
            checksum.stated != 0 && !checksum.is_right()
        })
    };
    Drivers::parse(file, cabinets).is_ok_and(|drivers| drivers.images().any(is_wrong))
}

/// The backup that replaces a damaged or missing file.
fn damaged_original(
    shown: &str,
    damage: &str,
    now: &[u8],
    backups: Vec<Backup>,
    lookup: Lookup,
) -> Result<Option<Original>, Failure> {
    if backups.windows(2).any(|pair| match pair {
        [one, other] => one.fingerprint != other.fingerprint,
        _ => false,
    }) {
        return Err(Refusal::SeveralBuilds(backup_names(&backups)).into());
    }
    let Some(backup) = best_backup(backups)? else {
        return Ok(None);
    };
    // It was patchable under this name and module a moment ago.
    let drivers = Drivers::parse(&backup.file, lookup.cabinets)?;
    let facts = backup.facts(&drivers, shown, lookup.module, Some((damage, now)))?;
    Ok(Some(backup.original(facts)))
}

impl Backup {
    /// Facts about each driver in a file that gets the content of this backup.
    /// `drivers` are those of the file, or of the backup if the file is damaged;
    /// `damage` describes the damage, with the content of the file.
    fn facts(
        &self,
        drivers: &Drivers<'_>,
        shown: &str,
        module: Option<Module>,
        damage: Option<(&str, &[u8])>,
    ) -> Result<Vec<DriverFacts>, Refusal> {
        let value = |number| {
            let value = self.values.get(number);
            value.map_or(PRISTINE_LIMIT, |(value, _)| *value)
        };
        let planned = drivers.plan_each(shown, module, &value)?;
        if planned.len() != self.values.len() {
            return Err(Refusal::VerificationFailed);
        }
        let each = planned.into_iter().zip(&self.values);
        let facts = each.map(|(driver, (_, after))| DriverFacts {
            member: driver.member,
            plan: driver.plan,
            source: Some(Source::Backup(self.name.clone())),
            damage: damage.map(|(damage, _)| damage.to_owned()),
            before: damage.map_or(driver.before, |(_, now)| sha256(now)),
            after: after.clone(),
        });
        Ok(facts.collect())
    }

    fn original(self, facts: Vec<DriverFacts>) -> Original {
        Original {
            backup: Some(self.name),
            file: self.file,
            facts,
        }
    }
}

/// Of several backups of one build, the one with the limit 10, or the only one.
fn best_backup(mut backups: Vec<Backup>) -> Result<Option<Backup>, Failure> {
    let shipped = backups.iter().position(|backup| {
        backup
            .values
            .iter()
            .all(|(value, _)| *value == PRISTINE_LIMIT)
    });
    match (shipped, backups.len()) {
        (Some(index), _) => Ok(Some(backups.swap_remove(index))),
        (None, 0 | 1) => Ok(backups.pop()),
        (None, _) => Err(Refusal::SeveralBackups(backup_names(&backups)).into()),
    }
}

fn backup_names(backups: &[Backup]) -> Vec<String> {
    let names = backups.iter().map(|backup| backup.name.to_string_lossy());
    names.map(String::from).collect()
}

/// The backups of a file whose drivers could all be patched.
fn patchable_backups(
    fs: &impl FileSystem,
    path: &Path,
    lookup: Lookup,
) -> Result<Vec<Backup>, Failure> {
    let shown = path.to_string_lossy();
    let mut all = Vec::new();
    for (name, file) in backups(fs, path)? {
        let Ok(patchable) = PatchableFile::parse(&shown, &file, lookup) else {
            continue;
        };
        let values = patchable.pristine.iter();
        let values = values.map(|driver| (driver.plan.before, driver.before.clone()));
        all.push(Backup {
            name,
            values: values.collect(),
            fingerprint: patchable.fingerprint(),
            file,
        });
    }
    Ok(all)
}

/// The backups of a file, with their names: files whose name contains the hash of
/// their content.
///
/// # Errors
/// When the folder, or one of them, can't be read.
pub(crate) fn backups(
    fs: &impl FileSystem,
    path: &Path,
) -> Result<Vec<(OsString, Vec<u8>)>, Failure> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let names = fs.list(folder).map_err(read_failure(folder))?;
    let mut backups = Vec::new();
    for backup in names {
        let hash = match parse_backup_name(&backup) {
            Some((of, hash)) if of.eq_ignore_ascii_case(name) => hash,
            _ => continue,
        };
        let path = folder.join(&backup);
        let content = match fs.read(&path) {
            Ok(content) => content,
            // Just removed by the run that created it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(read_failure(&path)(error)),
        };
        if sha256(&content).starts_with(&hash) {
            backups.push((backup, content));
        }
    }
    Ok(backups)
}

#[cfg(test)]
mod tests {
    use specimen::{Checksum, Defect, Extras, Spec};

    use super::*;

    /// Content that is incomplete may be removed; any other may be the only copy.
    #[test]
    fn only_incomplete_content_is_damaged() {
        let built = |defect, checksum| {
            let base = Spec::xp_sp3();
            let spec = Spec {
                defect,
                extras: Extras {
                    checksum,
                    ..base.extras
                },
                ..base
            };
            spec.build().file
        };
        let sound = built(None, Checksum::Correct);
        let state = |content: &[u8]| match assess(Path::new("tcpip.sys"), content) {
            Assessment::Patchable(_) => "patchable",
            Assessment::Damaged => "damaged",
            Assessment::Other => "other",
        };
        let one_gate = Some(Defect::OneGate);
        for (content, expected) in [
            (sound.clone(), "patchable"),
            (sound[..5000].to_vec(), "damaged"),
            (Vec::new(), "damaged"),
            (b"text".to_vec(), "damaged"),
            (built(None, Checksum::Wrong), "damaged"),
            (built(one_gate, Checksum::Wrong), "damaged"),
            (built(one_gate, Checksum::Correct), "other"),
            (built(None, Checksum::Zero), "other"),
        ] {
            assert_eq!(state(&content), expected, "{} bytes", content.len());
        }
    }
}
