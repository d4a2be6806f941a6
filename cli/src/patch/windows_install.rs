//! The copies of the two drivers in a Windows that does not run: on a mounted
//! disk, for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use super::file_names::backup_name;
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
pub struct DriverCopy {
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
pub struct WindowsInstall {
    /// The folder.
    pub home: PathBuf,
    /// The copies, in the order in which they are changed.
    pub places: Vec<DriverCopy>,
    /// Copies that are not there, but backups of them are.
    pub missing: Vec<DriverCopy>,
    /// Links in the place of a copy, or of a folder that may have some.
    pub linked: Vec<DriverCopy>,
    /// The Windows folder, and those in which copies are looked for.
    pub folders: Vec<PathBuf>,
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

impl WindowsInstall {
    /// Finds the copies in a Windows folder.
    ///
    /// # Errors
    /// A text that says what can't be read.
    pub fn of(home: &Path) -> Result<WindowsInstall, String> {
        let mut system = WindowsInstall {
            home: home.to_owned(),
            places: Vec::new(),
            missing: Vec::new(),
            linked: Vec::new(),
            folders: vec![home.to_owned()],
        };
        for (names, role) in FOLDERS {
            let mut found = vec![home.to_owned()];
            for name in names {
                let mut next = Vec::new();
                for folder in &found {
                    let named = named(folder, name).map_err(|error| unreadable(folder, &error))?;
                    for Named { path, is_link } in named {
                        match is_link {
                            true => system.add_link(&path, role, false),
                            false => next.push(path),
                        }
                    }
                }
                found = next;
            }
            for folder in found {
                system.look_into(&folder, role)?;
                system.folders.push(folder);
            }
        }
        Ok(system)
    }

    /// Takes note of the copies in one folder.
    fn look_into(&mut self, folder: &Path, role: Role) -> Result<(), String> {
        let of = |kind| entries(folder, kind).map_err(|error| unreadable(folder, &error));
        let files = of(FileType::is_file)?;
        let links = of(FileType::is_symlink)?;
        for file in &files {
            if let Some(is_packed) = kind(file, role) {
                let place = self.place(file, role, is_packed);
                self.places.push(place);
            }
        }
        for link in &links {
            if let Some(is_packed) = kind(link, role) {
                self.add_link(link, role, is_packed);
            }
        }
        let there = [files, links].concat();
        for file in without(&there) {
            if let Some(is_packed) = kind(&file, role) {
                let place = self.place(&file, role, is_packed);
                self.missing.push(place);
            }
        }
        Ok(())
    }

    fn place(&self, path: &Path, role: Role, is_packed: bool) -> DriverCopy {
        DriverCopy {
            path: path.strip_prefix(&self.home).unwrap_or(path).to_owned(),
            role,
            is_packed,
        }
    }

    /// Takes note of a link. One to `system32` is what Windows loads from, above
    /// all: that comes last.
    fn add_link(&mut self, link: &Path, role: Role, is_packed: bool) {
        let place = self.place(link, role, is_packed);
        self.linked.retain(|known| known.path != place.path);
        self.linked.push(place);
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

/// A folder, or a link that may lead to one.
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) is_link: bool,
}

/// All folders in a folder that go by this name, upper and lower case alike: on most
/// systems that mount such disks there may be several. Links are among them.
pub(super) fn named(folder: &Path, name: &str) -> io::Result<Vec<Named>> {
    let alike = |path: &PathBuf| {
        let last = path.file_name().and_then(|last| last.to_str());
        last.is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let named = |is_link| move |path| Named { path, is_link };
    let folders = entries(folder, FileType::is_dir)?;
    let links = entries(folder, FileType::is_symlink)?;
    let folders = folders.into_iter().filter(alike).map(named(false));
    let links = links
        .into_iter()
        .filter(|link| alike(link) && !link.is_file());
    Ok(folders.chain(links.map(named(true))).collect())
}

/// What is in a folder and of this kind. Links are of a kind of their own, and
/// none is followed: on a disk that is mounted they may well lead out of it.
pub(super) fn entries(folder: &Path, is: fn(&FileType) -> bool) -> io::Result<Vec<PathBuf>> {
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

/// Says that a folder can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), cause(error))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn paths(system: &WindowsInstall) -> Vec<(String, bool)> {
        let shown = |place: &DriverCopy| place.path.to_string_lossy().replace('\\', "/");
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
        let system = WindowsInstall::of(&root.path().join("Windows")).unwrap();
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
    }

    #[test]
    #[cfg(unix)]
    fn links_are_named_and_not_followed() {
        use std::os::unix::fs::symlink;
        let outside = tree(&["drivers/tcpip.sys", "tcpip.sys"]);
        let root = tree(&["WINDOWS/system32/drivers/tcpip6.sys", "WINDOWS/system32/x"]);
        let home = root.path().join("WINDOWS");
        let link = |to: &str, from: &str| {
            symlink(outside.path().join(to), home.join(from)).unwrap();
        };
        link("tcpip.sys", "system32/drivers/tcpip.sys");
        link("tcpip.sys", "system32/drivers/afd.sys");
        link("drivers", "system32/dllcache");
        link("nowhere", "ServicePackFiles");
        let linked = |system: &WindowsInstall| {
            let linked = system.linked.iter();
            let shown = linked.map(|place| (place.path.display().to_string(), place.role));
            shown.collect::<Vec<_>>()
        };
        let named = |path: &str, role| (path.to_owned(), role);
        let system = WindowsInstall::of(&home).unwrap();
        let found = [("system32/drivers/tcpip6.sys".to_owned(), false)];
        assert_eq!(paths(&system), found);
        assert_eq!(
            linked(&system),
            [
                named("ServicePackFiles", Role::ServicePack),
                named("system32/dllcache", Role::Protection),
                named("system32/drivers/tcpip.sys", Role::Loaded),
            ]
        );

        let whole = tree(&["x"]);
        symlink(home.join("system32"), whole.path().join("System32")).unwrap();
        let system = WindowsInstall::of(whole.path()).unwrap();
        assert_eq!(linked(&system), [named("System32", Role::Loaded)]);
        assert!(system.places.is_empty());
    }
}
