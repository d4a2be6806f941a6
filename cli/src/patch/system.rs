//! The copies of the two drivers in a Windows that does not run: on a mounted
//! disk, for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use super::replace::backup_name;
use crate::output::cause;

/// What a copy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What Windows loads when it starts.
    Loaded,
    /// What Windows File Protection puts in the place of a changed file.
    Protection,
    /// What a service pack left as a source for later.
    ServicePack,
    /// A source for Setup of devices.
    DriverCache,
}

impl Role {
    /// The word for it in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Loaded => "loaded",
            Role::Protection => "dllcache",
            Role::ServicePack => "service-pack",
            Role::DriverCache => "driver-cache",
        }
    }

    /// For people.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Role::Loaded => "what Windows loads",
            Role::Protection => "what Windows File Protection puts back",
            Role::ServicePack => "what the service pack left as a source",
            Role::DriverCache => "a source for Setup",
        }
    }
}

/// A copy, or what may have one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From the Windows folder on.
    pub path: PathBuf,
    /// What it is for.
    pub role: Role,
    /// A compressed copy, or a cabinet that may have some: it is looked into and
    /// never rewritten.
    pub is_packed: bool,
}

/// A Windows folder and the copies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// The folder.
    pub home: PathBuf,
    /// The copies, in the order in which they are changed.
    pub places: Vec<Place>,
    /// Copies that are not there, but backups of them are.
    pub missing: Vec<Place>,
}

/// Where copies are, from the Windows folder on; upper and lower case count
/// alike. What the protection has comes first: what is loaded comes last.
const FOLDERS: [(&[&str], Role); 6] = [
    (&["ServicePackFiles", "i386"], Role::ServicePack),
    (&["ServicePackFiles", "amd64"], Role::ServicePack),
    (&["Driver Cache", "i386"], Role::DriverCache),
    (&["Driver Cache", "amd64"], Role::DriverCache),
    (&["system32", "dllcache"], Role::Protection),
    (&["system32", "drivers"], Role::Loaded),
];

/// The Windows folder is at most so many folders above a copy.
pub(crate) const LEVELS: usize = 3;

const DRIVERS: [&str; 2] = ["tcpip.sys", "tcpip6.sys"];
const COMPRESSED: [&str; 2] = ["tcpip.sy_", "tcpip6.sy_"];
/// What Windows is installed in, unless somebody chose another name.
const HOMES: [&str; 2] = ["WINDOWS", "WINNT"];

impl System {
    /// Finds the Windows below `root`, which may be its folder, and the copies
    /// in it.
    ///
    /// # Errors
    /// A text that says why there is none, or more than one, and what to do.
    pub fn find(root: &Path) -> Result<System, String> {
        let unreadable =
            |path: &Path, error: &io::Error| format!("{}: {}", path.display(), cause(error));
        let look =
            |path: &Path, name: &str| named(path, name).map_err(|error| unreadable(path, &error));
        let mut homes = Vec::new();
        let candidates = HOMES.iter().map(|name| look(root, name));
        let candidates = candidates.collect::<Result<Vec<_>, String>>()?.concat();
        for home in std::iter::once(root.to_owned()).chain(candidates) {
            if !look(&home, "system32")?.is_empty() {
                homes.push(home);
            }
        }
        let home = match homes.as_slice() {
            [home] => home.clone(),
            [] => {
                return Err(format!(
                    "{}: no Windows is here: name the folder that has WINDOWS in it, or the Windows folder itself",
                    root.display()
                ));
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|home| home.display().to_string())
                    .collect();
                return Err(format!(
                    "more than one Windows: name one of {}",
                    names.join(", ")
                ));
            }
        };
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        for (folders, role) in FOLDERS {
            let mut found = vec![home.clone()];
            for name in folders {
                let mut next = Vec::new();
                for folder in &found {
                    next.extend(look(folder, name)?);
                }
                found = next;
            }
            for folder in &found {
                let files = files(folder).map_err(|error| unreadable(folder, &error))?;
                let place = |file: &Path, is_packed| Place {
                    path: file.strip_prefix(&home).unwrap_or(file).to_owned(),
                    role,
                    is_packed,
                };
                for file in &files {
                    if let Some(is_packed) = kind(file, role) {
                        places.push(place(file, is_packed));
                    }
                }
                for file in without(&files) {
                    if let Some(is_packed) = kind(&file, role) {
                        missing.push(place(&file, is_packed));
                    }
                }
            }
        }
        Ok(System {
            home,
            places,
            missing,
        })
    }
}

/// Files that are not there, but backups of them are.
fn without(files: &[PathBuf]) -> Vec<PathBuf> {
    let last = |file: &'_ PathBuf| file.file_name().map(OsStr::to_ascii_lowercase);
    let there: BTreeSet<_> = files.iter().filter_map(last).collect();
    let mut missing = BTreeMap::new();
    for backup in files {
        let of = backup.file_name().and_then(backup_name);
        if let Some(name) = of.and_then(|(name, _)| str::from_utf8(name).ok())
            && !there.contains(OsStr::new(&name.to_ascii_lowercase()))
        {
            missing
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| backup.with_file_name(name));
        }
    }
    missing.into_values().collect()
}

/// Whether a file is one of the copies (`false`), or a compressed copy or a
/// cabinet that may have some (`true`).
fn kind(file: &Path, role: Role) -> Option<bool> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    if DRIVERS.contains(&name.as_str()) {
        return Some(false);
    }
    let is_source = matches!(role, Role::DriverCache | Role::ServicePack);
    let is_packed = name.ends_with(".cab") || COMPRESSED.contains(&name.as_str());
    (is_source && is_packed).then_some(true)
}

/// All folders in a folder that go by this name, upper and lower case alike: on most
/// systems that mount such disks there may be several.
fn named(folder: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let alike = |path: &PathBuf| {
        let last = path.file_name().and_then(|last| last.to_str());
        last.is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let mut folders = entries(folder, FileType::is_dir)?;
    folders.retain(alike);
    Ok(folders)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    entries(folder, FileType::is_file)
}

/// What is in a folder and of this kind. Links are passed over: on a disk that
/// is mounted they may well lead out of it.
fn entries(folder: &Path, is: fn(&FileType) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if is(&entry.file_type()?) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn paths(system: &System) -> Vec<(String, bool)> {
        let shown = |place: &Place| place.path.to_string_lossy().replace('\\', "/");
        system
            .places
            .iter()
            .map(|place| (shown(place), place.is_packed))
            .collect()
    }

    #[test]
    fn no_copy_is_deeper_than_is_said() {
        let deepest = FOLDERS.iter().map(|(folders, _)| folders.len() + 1).max();
        assert_eq!(deepest, Some(LEVELS));
    }

    #[test]
    fn every_copy_is_found_whatever_the_case_and_what_is_loaded_comes_last() {
        let root = tree(&[
            "Windows/System32/DRIVERS/TcpIp.sys",
            "Windows/System32/DRIVERS/tcpip6.sys",
            "Windows/System32/DRIVERS/afd.sys",
            "Windows/System32/DLLCACHE/TCPIP.SYS",
            "Windows/servicepackfiles/I386/tcpip.sys",
            "Windows/servicepackfiles/I386/TCPIP.SY_",
            "Windows/servicepackfiles/I386/sp2.cab",
            "Windows/driver cache/i386/tcpip6.sy_",
            "Windows/System32/DLLCACHE/tcpip6.sy_",
            "Windows/driver cache/i386/SP3.CAB",
            "Windows/driver cache/i386/driver.cab",
            "Windows/$NtUninstallKB1$/tcpip.sys",
        ]);
        let system = System::find(root.path()).unwrap();
        assert_eq!(
            paths(&system),
            [
                ("servicepackfiles/I386/TCPIP.SY_", true),
                ("servicepackfiles/I386/sp2.cab", true),
                ("servicepackfiles/I386/tcpip.sys", false),
                ("driver cache/i386/SP3.CAB", true),
                ("driver cache/i386/driver.cab", true),
                ("driver cache/i386/tcpip6.sy_", true),
                ("System32/DLLCACHE/TCPIP.SYS", false),
                ("System32/DRIVERS/TcpIp.sys", false),
                ("System32/DRIVERS/tcpip6.sys", false),
            ]
            .map(|(path, is_packed)| (path.to_owned(), is_packed))
        );
        let itself = System::find(&root.path().join("Windows")).unwrap();
        assert_eq!(itself, system);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_passed_over() {
        use std::os::unix::fs::symlink;
        let outside = tree(&["drivers/tcpip.sys", "tcpip.sys"]);
        let root = tree(&["WINDOWS/system32/drivers/tcpip6.sys", "WINDOWS/system32/x"]);
        let system32 = root.path().join("WINDOWS/system32");
        symlink(
            outside.path().join("tcpip.sys"),
            system32.join("drivers/tcpip.sys"),
        )
        .unwrap();
        symlink(outside.path().join("drivers"), system32.join("dllcache")).unwrap();
        let system = System::find(root.path()).unwrap();
        let found = [("system32/drivers/tcpip6.sys".to_owned(), false)];
        assert_eq!(paths(&system), found);
    }

    #[test]
    fn no_windows_and_two_of_them_are_errors_that_say_what_to_name() {
        let none = tree(&["data/tcpip.sys"]);
        assert!(
            System::find(none.path())
                .unwrap_err()
                .contains("no Windows is here")
        );
        let two = tree(&["WINDOWS/system32/x", "WINNT/system32/x"]);
        let error = System::find(two.path()).unwrap_err();
        assert!(
            error.contains("WINDOWS") && error.contains("WINNT"),
            "{error}"
        );
        assert!(System::find(&none.path().join("nowhere")).is_err());
    }
}
