//! The copies of the two drivers in an offline Windows, for example on a mounted
//! disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use super::file_names::parse_backup_name;
use crate::terminal::os_error_text;

/// The purpose of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Windows loads it at startup.
    Loaded,
    /// Windows File Protection replaces a changed file by it.
    Protection,
    /// A service pack left it as an installation source.
    ServicePack,
    /// A source for the installation of devices.
    DriverCache,
}

impl Role {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Loaded => "loaded",
            Role::Protection => "dllcache",
            Role::ServicePack => "service-pack",
            Role::DriverCache => "driver-cache",
        }
    }

    /// Its description for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Role::Loaded => "loaded by Windows",
            Role::Protection => "restored by Windows File Protection",
            Role::ServicePack => "a source left by the service pack",
            Role::DriverCache => "a source for Setup",
        }
    }
}

/// A copy, or a cabinet that may contain one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverCopy {
    /// Relative to the Windows folder.
    pub path: PathBuf,
    /// Its purpose.
    pub role: Role,
    /// Whether it is a compressed copy, or a cabinet that may contain copies.
    pub is_cabinet_file: bool,
}

/// A Windows folder and the copies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsInstall {
    /// The folder.
    pub windir: PathBuf,
    /// The copies, in the order in which they are changed.
    pub copies: Vec<DriverCopy>,
    /// Missing copies that have backups.
    pub missing: Vec<DriverCopy>,
    /// Links in place of a copy, or of a folder that may contain copies.
    pub linked: Vec<DriverCopy>,
    /// The Windows folder, and the folders searched for copies.
    pub folders: Vec<PathBuf>,
}

/// The folders of copies, relative to the Windows folder, in any case. The copy of
/// Windows File Protection comes before the loaded one, which comes last.
const FOLDERS: [(&[&str], Role); 6] = [
    (&["ServicePackFiles", "i386"], Role::ServicePack),
    (&["ServicePackFiles", "amd64"], Role::ServicePack),
    (&["Driver Cache", "i386"], Role::DriverCache),
    (&["Driver Cache", "amd64"], Role::DriverCache),
    (&["system32", "dllcache"], Role::Protection),
    (&["system32", "drivers"], Role::Loaded),
];

/// The Windows folder is at most this many levels above a copy.
pub(crate) const MAX_DEPTH: usize = 3;

const DRIVERS: [&str; 2] = ["tcpip.sys", "tcpip6.sys"];
const COMPRESSED: [&str; 2] = ["tcpip.sy_", "tcpip6.sy_"];

impl WindowsInstall {
    /// Finds the copies in a Windows folder.
    ///
    /// # Errors
    /// The folder that can't be read, and why.
    pub fn find(windir: &Path) -> Result<WindowsInstall, String> {
        let mut install = WindowsInstall {
            windir: windir.to_owned(),
            copies: Vec::new(),
            missing: Vec::new(),
            linked: Vec::new(),
            folders: vec![windir.to_owned()],
        };
        for (names, role) in FOLDERS {
            let mut found = vec![windir.to_owned()];
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

    /// Adds the copies in one folder.
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
            path: path.strip_prefix(&self.windir).unwrap_or(path).to_owned(),
            role,
            is_cabinet_file,
        }
    }

    /// Adds a link. A linked `system32` is found twice: its last role, `Loaded`, counts.
    fn add_link(&mut self, link: &Path, role: Role, is_cabinet_file: bool) {
        let copy = self.copy(link, role, is_cabinet_file);
        self.linked.retain(|known| known.path != copy.path);
        self.linked.push(copy);
    }
}

/// Missing files that have backups.
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

/// `false` for a copy, `true` for a compressed copy or a cabinet that may contain
/// copies, `None` for another file.
fn classify(file: &Path, role: Role) -> Option<bool> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    if DRIVERS.contains(&name.as_str()) {
        return Some(false);
    }
    let is_source = matches!(role, Role::DriverCache | Role::ServicePack);
    let is_cabinet_file = name.ends_with(".cab") || COMPRESSED.contains(&name.as_str());
    (is_source && is_cabinet_file).then_some(true)
}

/// A folder, or a link that may lead to a folder.
pub(super) struct Subfolder {
    pub(super) path: PathBuf,
    pub(super) is_link: bool,
}

/// All subfolders with this name in any case, including links: most systems that
/// mount such disks allow several.
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

/// The entries of this type in a folder. Links are a type of their own and are not
/// followed: on a mounted disk they may lead out of it.
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

/// The error text for a folder that can't be read.
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
        let windir = root.path().join("WINDOWS");
        let link = |to: &str, from: &str| {
            symlink(outside.path().join(to), windir.join(from)).unwrap();
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
        let install = WindowsInstall::find(&windir).unwrap();
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
        symlink(windir.join("system32"), whole.path().join("System32")).unwrap();
        let install = WindowsInstall::find(whole.path()).unwrap();
        assert_eq!(linked(&install), [linked_copy("System32", Role::Loaded)]);
        assert!(install.copies.is_empty());
    }
}
