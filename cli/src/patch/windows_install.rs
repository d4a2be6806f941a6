//! The copies of the two drivers in a Windows that does not run: on a mounted
//! disk, for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use super::file_names::parse_backup_name;
use crate::terminal::os_error_text;

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
    pub fn description(self) -> &'static str {
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
    pub is_cabinet_file: bool,
}

/// A Windows folder and the copies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsInstall {
    /// The folder.
    pub home: PathBuf,
    /// The copies, in the order in which they are changed.
    pub copies: Vec<DriverCopy>,
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
pub(crate) const MAX_DEPTH: usize = 3;

const DRIVERS: [&str; 2] = ["tcpip.sys", "tcpip6.sys"];
const COMPRESSED: [&str; 2] = ["tcpip.sy_", "tcpip6.sy_"];

impl WindowsInstall {
    /// Finds the copies in a Windows folder.
    ///
    /// # Errors
    /// A text that says what can't be read.
    pub fn find(home: &Path) -> Result<WindowsInstall, String> {
        let mut install = WindowsInstall {
            home: home.to_owned(),
            copies: Vec::new(),
            missing: Vec::new(),
            linked: Vec::new(),
            folders: vec![home.to_owned()],
        };
        for (names, role) in FOLDERS {
            let mut found = vec![home.to_owned()];
            for name in names {
                let mut next = Vec::new();
                for folder in &found {
                    let subfolders = subfolders(folder, name)
                        .map_err(|error| read_error_text(folder, &error))?;
                    for Subfolder { path, is_link } in subfolders {
                        match is_link {
                            true => install.add_link(&path, role, false),
                            false => next.push(path),
                        }
                    }
                }
                found = next;
            }
            for folder in found {
                install.scan_folder(&folder, role)?;
                install.folders.push(folder);
            }
        }
        Ok(install)
    }

    /// Takes note of the copies in one folder.
    fn scan_folder(&mut self, folder: &Path, role: Role) -> Result<(), String> {
        let list = |kind| entries(folder, kind).map_err(|error| read_error_text(folder, &error));
        let files = list(FileType::is_file)?;
        let links = list(FileType::is_symlink)?;
        for file in &files {
            if let Some(is_cabinet_file) = classify(file, role) {
                let copy = self.copy(file, role, is_cabinet_file);
                self.copies.push(copy);
            }
        }
        for link in &links {
            if let Some(is_cabinet_file) = classify(link, role) {
                self.add_link(link, role, is_cabinet_file);
            }
        }
        let there = [files, links].concat();
        for file in missing_originals(&there) {
            if let Some(is_cabinet_file) = classify(&file, role) {
                let copy = self.copy(&file, role, is_cabinet_file);
                self.missing.push(copy);
            }
        }
        Ok(())
    }

    fn copy(&self, path: &Path, role: Role, is_cabinet_file: bool) -> DriverCopy {
        DriverCopy {
            path: path.strip_prefix(&self.home).unwrap_or(path).to_owned(),
            role,
            is_cabinet_file,
        }
    }

    /// Takes note of a link. One to `system32` is what Windows loads from, above
    /// all: that comes last.
    fn add_link(&mut self, link: &Path, role: Role, is_cabinet_file: bool) {
        let copy = self.copy(link, role, is_cabinet_file);
        self.linked.retain(|known| known.path != copy.path);
        self.linked.push(copy);
    }
}

/// Files that are not there, but backups of them are.
fn missing_originals(files: &[PathBuf]) -> Vec<PathBuf> {
    let last = |file: &'_ PathBuf| file.file_name().map(OsStr::to_ascii_lowercase);
    let there: BTreeSet<_> = files.iter().filter_map(last).collect();
    let mut missing = BTreeMap::new();
    for backup in files {
        let of = backup.file_name().and_then(parse_backup_name);
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
fn classify(file: &Path, role: Role) -> Option<bool> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    if DRIVERS.contains(&name.as_str()) {
        return Some(false);
    }
    let is_source = matches!(role, Role::DriverCache | Role::ServicePack);
    let is_cabinet_file = name.ends_with(".cab") || COMPRESSED.contains(&name.as_str());
    (is_source && is_cabinet_file).then_some(true)
}

/// A folder, or a link that may lead to one.
pub(super) struct Subfolder {
    pub(super) path: PathBuf,
    pub(super) is_link: bool,
}

/// All folders in a folder that go by this name, upper and lower case alike: on most
/// systems that mount such disks there may be several. Links are among them.
pub(super) fn subfolders(folder: &Path, name: &str) -> io::Result<Vec<Subfolder>> {
    let alike = |path: &PathBuf| {
        let last = path.file_name().and_then(|last| last.to_str());
        last.is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let subfolder = |is_link| move |path| Subfolder { path, is_link };
    let folders = entries(folder, FileType::is_dir)?;
    let links = entries(folder, FileType::is_symlink)?;
    let folders = folders.into_iter().filter(alike).map(subfolder(false));
    let links = links
        .into_iter()
        .filter(|link| alike(link) && !link.is_file());
    Ok(folders.chain(links.map(subfolder(true))).collect())
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
pub(super) fn read_error_text(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), os_error_text(error))
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

    fn paths(install: &WindowsInstall) -> Vec<(String, bool)> {
        let shown = |copy: &DriverCopy| copy.path.to_string_lossy().replace('\\', "/");
        install
            .copies
            .iter()
            .map(|copy| (shown(copy), copy.is_cabinet_file))
            .collect()
    }

    #[test]
    fn no_copy_is_deeper_than_max_depth() {
        let deepest = FOLDERS.iter().map(|(folders, _)| folders.len() + 1).max();
        assert_eq!(deepest, Some(MAX_DEPTH));
    }

    #[test]
    fn every_copy_is_found_in_any_case_and_loaded_copies_come_last() {
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
        let install = WindowsInstall::find(&root.path().join("Windows")).unwrap();
        assert_eq!(
            paths(&install),
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
            .map(|(path, is_cabinet_file)| (path.to_owned(), is_cabinet_file))
        );
    }

    #[test]
    #[cfg(unix)]
    fn links_are_listed_and_not_followed() {
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
        let linked = |install: &WindowsInstall| {
            let linked = install.linked.iter();
            let shown = linked.map(|copy| (copy.path.display().to_string(), copy.role));
            shown.collect::<Vec<_>>()
        };
        let linked_copy = |path: &str, role| (path.to_owned(), role);
        let install = WindowsInstall::find(&home).unwrap();
        let found = [("system32/drivers/tcpip6.sys".to_owned(), false)];
        assert_eq!(paths(&install), found);
        assert_eq!(
            linked(&install),
            [
                linked_copy("ServicePackFiles", Role::ServicePack),
                linked_copy("system32/dllcache", Role::Protection),
                linked_copy("system32/drivers/tcpip.sys", Role::Loaded),
            ]
        );

        let whole = tree(&["x"]);
        symlink(home.join("system32"), whole.path().join("System32")).unwrap();
        let install = WindowsInstall::find(whole.path()).unwrap();
        assert_eq!(linked(&install), [linked_copy("System32", Role::Loaded)]);
        assert!(install.copies.is_empty());
    }
}
