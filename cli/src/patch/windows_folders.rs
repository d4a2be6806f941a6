//! The Windows folders on a disk, and the selection among them.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use tcplimit_report::Exit;

use super::windows_install::{entries, read_error_text, subfolders};
use crate::foreign_format;
use crate::input::Input;
use crate::terminal::{os_error_text, quoted};

/// The default names of the Windows folder.
const DEFAULT_NAMES: [&str; 2] = ["WINDOWS", "WINNT"];

/// The selection among several Windows folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The only one.
    Only,
    /// The one in this folder.
    Named(&'a Path),
    /// Every one.
    Every,
}

/// The Windows folders on a disk: those that contain `system32\drivers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsFolders {
    root: PathBuf,
    /// `root` itself, and its subfolders.
    windirs: Vec<PathBuf>,
    /// Links to Windows folders.
    links: Vec<PathBuf>,
    /// Folders that can't be read, and why.
    unreadable: Vec<(PathBuf, String)>,
}

impl WindowsFolders {
    /// Finds the Windows folders in `root`, which may be one itself.
    ///
    /// # Errors
    /// The folder that can't be read, and why.
    pub fn find(root: &Path) -> Result<WindowsFolders, String> {
        let list = |kind| entries(root, kind).map_err(|error| read_error_text(root, &error));
        let mut found = WindowsFolders {
            root: root.to_owned(),
            windirs: Vec::new(),
            links: Vec::new(),
            unreadable: Vec::new(),
        };
        if is_windows(root)? {
            found.windirs.push(root.to_owned());
        }
        for folder in list(FileType::is_dir)? {
            match entries(&folder, FileType::is_dir) {
                Ok(_) if is_windows(&folder)? => found.windirs.push(folder),
                Ok(_) => {}
                Err(error) => found.unreadable.push((folder, os_error_text(&error))),
            }
        }
        for link in list(FileType::is_symlink)? {
            let has_default_name = DEFAULT_NAMES.iter().any(|name| has_name(&link, name));
            // A Windows junction leads nowhere on other systems.
            if (has_default_name && !link.is_file()) || is_windows(&link).unwrap_or(false) {
                found.links.push(link);
            }
        }
        Ok(found)
    }

    /// The selected Windows folders on a disk, and notes about others. `command` is
    /// the command line of this run.
    ///
    /// # Errors
    /// The exit code, and why none is selected.
    pub(crate) fn find_and_select(
        root: &Path,
        choice: Choice<'_>,
        command: &str,
    ) -> Result<(Vec<PathBuf>, Vec<String>), (Exit, String)> {
        if let Some(reason) = image_file_text(root) {
            return Err((Exit::Unreadable, reason));
        }
        let found = WindowsFolders::find(root).map_err(|reason| (Exit::Unreadable, reason))?;
        match found.select(choice, command) {
            Ok(windirs) => Ok((windirs, found.notes(choice))),
            Err((true, reason)) => Err((Exit::Usage, reason)),
            Err((false, reason)) => Err((Exit::Unreadable, reason)),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windirs.is_empty()
    }

    /// The selected folders. `command` is the command line of this run, for advice.
    ///
    /// # Errors
    /// Whether only a choice is missing, and a text that lists the folders and gives
    /// advice.
    pub fn select(
        &self,
        choice: Choice<'_>,
        command: &str,
    ) -> Result<Vec<PathBuf>, (bool, String)> {
        let root = self.root.display();
        match (choice, self.windirs.as_slice()) {
            (Choice::Named(name), _) => self.find_by_name(name).map(|windir| vec![windir]),
            (_, []) => {
                let text = format!(
                    "{root}: no Windows found (a folder that contains system32\\drivers): give the folder that contains WINDOWS, or the Windows folder itself"
                );
                Err((false, [vec![text], self.notes(choice)].concat().join("\n")))
            }
            (Choice::Only, [windir]) => Ok(vec![windir.clone()]),
            (Choice::Every, windirs) => Ok(windirs.to_vec()),
            (Choice::Only, windirs) => {
                let mut text = format!(
                    "{root} has {} Windows folders; nothing was done. For one of them:",
                    windirs.len()
                );
                for windir in windirs {
                    let name = quoted(&self.relative_name(windir).to_string_lossy());
                    text.push_str(&format!("\n  {command} --windows {name}"));
                }
                text.push_str(&format!(
                    "\nFor all, one after the other:\n  {command} --every"
                ));
                Err((true, [vec![text], self.notes(choice)].concat().join("\n")))
            }
        }
    }

    /// The Windows folder with this name or path.
    fn find_by_name(&self, name: &Path) -> Result<PathBuf, (bool, String)> {
        let all = || self.windirs.iter().chain(&self.links);
        let is_same = |windir: &&PathBuf| {
            let real = |path: &Path| std::fs::canonicalize(path).ok();
            real(windir).is_some_and(|windir| real(name) == Some(windir))
        };
        let alike: Vec<&PathBuf> = all()
            .filter(|windir| name.to_str().is_some_and(|name| has_name(windir, name)))
            .collect();
        let exact = all().find(|windir| windir.file_name() == Some(name.as_os_str()));
        let only = match alike.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        exact
            .or(only)
            .or_else(|| all().find(is_same))
            .cloned()
            .ok_or_else(|| {
                let known: Vec<String> = all()
                    .map(|windir| quoted(&self.relative_name(windir).to_string_lossy()))
                    .collect();
                let there = match known.as_slice() {
                    [] => "it has none".to_owned(),
                    _ => format!("it has {}", known.join(", ")),
                };
                let text = format!(
                    "{}: no Windows folder is named {}; {there}",
                    self.root.display(),
                    name.display()
                );
                (false, text)
            })
    }

    /// The argument of `--windows` for a Windows folder.
    fn relative_name<'h>(&self, windir: &'h Path) -> &'h Path {
        match windir.strip_prefix(&self.root) {
            Ok(name) if !name.as_os_str().is_empty() => name,
            _ => windir,
        }
    }

    /// Notes about links and unreadable folders; none if a folder was named.
    #[must_use]
    pub fn notes(&self, choice: Choice<'_>) -> Vec<String> {
        if matches!(choice, Choice::Named(_)) {
            return Vec::new();
        }
        let links = self.links.iter().map(|link| {
            format!(
                "{} is a link and was not followed. To use its target: --windows {}",
                link.display(),
                quoted(&self.relative_name(link).to_string_lossy())
            )
        });
        let unreadable = self.unreadable.iter().map(|(folder, why)| {
            format!(
                "{} can't be read ({why}): it may contain a Windows.",
                folder.display()
            )
        });
        links.chain(unreadable).collect()
    }
}

/// Advice for an image or archive that was given instead of a folder.
fn image_file_text(root: &Path) -> Option<String> {
    if !root.is_file() {
        return None;
    }
    let content = Input::open(root).and_then(Input::content).ok()?;
    let format = foreign_format::of(&content)?;
    Some(format!("{}: {}", root.display(), format.advice()))
}

/// Whether a folder contains `system32\drivers`, links included.
fn is_windows(windir: &Path) -> Result<bool, String> {
    for system32 in
        subfolders(windir, "system32").map_err(|error| read_error_text(windir, &error))?
    {
        let drivers = subfolders(&system32.path, "drivers");
        match drivers {
            Ok(drivers) if drivers.is_empty() => {}
            Ok(_) => return Ok(true),
            // A link that leads nowhere.
            Err(_) if system32.is_link => return Ok(true),
            Err(error) => return Err(read_error_text(&system32.path, &error)),
        }
    }
    Ok(false)
}

/// Whether the last name of a path is this, in any case.
fn has_name(path: &Path, name: &str) -> bool {
    let last = path.file_name().and_then(|last| last.to_str());
    last.is_some_and(|last| last.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::super::windows_install::tests::tree;
    use super::*;

    fn names(selected: &[PathBuf]) -> Vec<&str> {
        let names = selected.iter().map(|windir| windir.file_name().unwrap());
        names.map(|name| name.to_str().unwrap()).collect()
    }

    fn mounted_disk() -> tempfile::TempDir {
        tree(&[
            "WINDOWS/system32/drivers/x",
            "Windows.0/System32/Drivers/x",
            "winxp/SYSTEM32/DRIVERS/x",
            "Program Files/system32/x",
            "data/drivers/x",
            "data/WINDOWS/system32/drivers/x",
            "boot.ini",
        ])
    }

    #[test]
    fn every_folder_with_system32_drivers_is_found_by_any_name_in_any_case() {
        let root = mounted_disk();
        let found = WindowsFolders::find(root.path()).unwrap();
        let all = found.select(Choice::Every, "").unwrap();
        assert_eq!(names(&all), ["WINDOWS", "Windows.0", "winxp"]);
        assert_eq!(found.notes(Choice::Every), [""; 0]);
        let one = WindowsFolders::find(&root.path().join("winxp")).unwrap();
        let only = one.select(Choice::Only, "").unwrap();
        assert_eq!(only, [root.path().join("winxp")]);
    }

    #[test]
    fn several_windows_folders_need_a_choice_and_each_command_is_printed() {
        let root = mounted_disk();
        let found = WindowsFolders::find(root.path()).unwrap();
        let (is_choice, text) = found.select(Choice::Only, "tcplimit x").unwrap_err();
        assert!(is_choice);
        for expected in [
            "has 3 Windows folders",
            "tcplimit x --windows WINDOWS\n",
            "tcplimit x --windows Windows.0\n",
            "tcplimit x --windows winxp\n",
            "tcplimit x --every",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn a_windows_folder_is_selected_by_name_or_path() {
        let root = mounted_disk();
        let found = WindowsFolders::find(root.path()).unwrap();
        let select = |name: &Path| found.select(Choice::Named(name), "");
        for name in ["WINXP".as_ref(), root.path().join("winxp").as_path()] {
            assert_eq!(names(&select(name).unwrap()), ["winxp"]);
        }
        for name in ["data", "WINDOWS.1", "data/WINDOWS", "", "."] {
            let (is_choice, text) = select(name.as_ref()).unwrap_err();
            assert!(!is_choice && text.contains("Windows.0, winxp"), "{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn between_names_that_differ_in_case_only_the_exact_one_is_selected() {
        let root = tree(&["WINDOWS/system32/drivers/x", "Windows/system32/drivers/x"]);
        let found = WindowsFolders::find(root.path()).unwrap();
        let select = |name: &str| found.select(Choice::Named(name.as_ref()), "");
        assert_eq!(names(&select("Windows").unwrap()), ["Windows"]);
        assert!(select("windows").is_err());
    }

    #[test]
    fn a_disk_without_windows_is_an_error() {
        for files in [["data/tcpip.sys"], ["WINDOWS/system32/x"]] {
            let root = tree(&files);
            let found = WindowsFolders::find(root.path()).unwrap();
            for choice in [Choice::Only, Choice::Every] {
                let (is_choice, text) = found.select(choice, "").unwrap_err();
                assert!(!is_choice && text.contains("no Windows found"), "{text}");
            }
            assert!(WindowsFolders::find(&root.path().join("nowhere")).is_err());
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_linked_windows_is_listed_and_used_only_when_selected() {
        use std::os::unix::fs::symlink;
        let root = tree(&["other/place/system32/drivers/x", "file"]);
        let link = |to: &str, name: &str| symlink(to, root.path().join(name)).unwrap();
        link("other/place", "XP");
        link("nowhere", "winnt");
        link("nowhere", "temp");
        link("other", "data");
        link("file", "WINDOWS");
        let found = WindowsFolders::find(root.path()).unwrap();
        assert!(found.is_empty());
        let (_, text) = found.select(Choice::Every, "").unwrap_err();
        for expected in ["no Windows found", "XP is a link", "winnt is a link"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(text.matches("is a link").count(), 2, "{text}");
        let selected = found.select(Choice::Named("xp".as_ref()), "").unwrap();
        assert_eq!(names(&selected), ["XP"]);
    }
}
