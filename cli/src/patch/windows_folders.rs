//! The Windows folders on a disk, and which of them is meant.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use tcplimit_report::Exit;

use super::windows_install::{entries, read_error_text, subfolders};
use crate::foreign_format;
use crate::input::Input;
use crate::terminal::{os_error_text, quoted};

/// What Windows is installed in, unless somebody chose another name.
const DEFAULT_NAMES: [&str; 2] = ["WINDOWS", "WINNT"];

/// Which of several installations is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The only one there is.
    Only,
    /// The one in this folder.
    Named(&'a Path),
    /// Every one.
    Every,
}

/// The Windows folders on a disk: those with `system32\drivers` in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsFolders {
    root: PathBuf,
    /// The folder itself, and those in it.
    homes: Vec<PathBuf>,
    /// Links to others.
    links: Vec<PathBuf>,
    /// Folders that can't be read, and why.
    unreadable: Vec<(PathBuf, String)>,
}

impl WindowsFolders {
    /// Finds the Windows folders in `root`, which may be one itself.
    ///
    /// # Errors
    /// A text that says what can't be read.
    pub fn find(root: &Path) -> Result<WindowsFolders, String> {
        let list = |kind| entries(root, kind).map_err(|error| read_error_text(root, &error));
        let mut found = WindowsFolders {
            root: root.to_owned(),
            homes: Vec::new(),
            links: Vec::new(),
            unreadable: Vec::new(),
        };
        if is_windows(root)? {
            found.homes.push(root.to_owned());
        }
        for folder in list(FileType::is_dir)? {
            match entries(&folder, FileType::is_dir) {
                Ok(_) if is_windows(&folder)? => found.homes.push(folder),
                Ok(_) => {}
                Err(error) => found.unreadable.push((folder, os_error_text(&error))),
            }
        }
        for link in list(FileType::is_symlink)? {
            let has_default_name = DEFAULT_NAMES.iter().any(|name| has_name(&link, name));
            // A junction of Windows leads nowhere on other systems.
            if (has_default_name && !link.is_file()) || is_windows(&link).unwrap_or(false) {
                found.links.push(link);
            }
        }
        Ok(found)
    }

    /// The Windows folders on a disk that are meant, and what is to be known of the
    /// others. `command` is the command line that was given.
    ///
    /// # Errors
    /// Why there is none, and the exit code for it.
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
            Ok(homes) => Ok((homes, found.notes(choice))),
            Err((true, reason)) => Err((Exit::Usage, reason)),
            Err((false, reason)) => Err((Exit::Unreadable, reason)),
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.homes.is_empty()
    }

    /// Those that are meant. `command` is the command line that was given, for
    /// what else could have been.
    ///
    /// # Errors
    /// Whether a choice is all that is missing, and a text that says what there
    /// is and what to do.
    pub fn select(
        &self,
        choice: Choice<'_>,
        command: &str,
    ) -> Result<Vec<PathBuf>, (bool, String)> {
        let root = self.root.display();
        match (choice, self.homes.as_slice()) {
            (Choice::Named(name), _) => self.find_by_name(name).map(|home| vec![home]),
            (_, []) => {
                let text = format!(
                    "{root}: no Windows is here (a folder with system32\\drivers in it): name the folder that has WINDOWS in it, or the Windows folder itself"
                );
                Err((false, [vec![text], self.notes(choice)].concat().join("\n")))
            }
            (Choice::Only, [home]) => Ok(vec![home.clone()]),
            (Choice::Every, homes) => Ok(homes.to_vec()),
            (Choice::Only, homes) => {
                let mut text = format!(
                    "{root} has {} Windows folders, and nothing was done with any. For one of them:",
                    homes.len()
                );
                for home in homes {
                    let name = quoted(&self.relative_name(home).to_string_lossy());
                    text.push_str(&format!("\n  {command} --windows {name}"));
                }
                text.push_str(&format!(
                    "\nFor all, one after the other:\n  {command} --every"
                ));
                Err((true, [vec![text], self.notes(choice)].concat().join("\n")))
            }
        }
    }

    /// The installation that goes by this name in the folder, or by this path.
    fn find_by_name(&self, name: &Path) -> Result<PathBuf, (bool, String)> {
        let all = || self.homes.iter().chain(&self.links);
        let is_same = |home: &&PathBuf| {
            let real = |path: &Path| std::fs::canonicalize(path).ok();
            real(home).is_some_and(|home| real(name) == Some(home))
        };
        let alike: Vec<&PathBuf> = all()
            .filter(|home| name.to_str().is_some_and(|name| has_name(home, name)))
            .collect();
        let exact = all().find(|home| home.file_name() == Some(name.as_os_str()));
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
                    .map(|home| quoted(&self.relative_name(home).to_string_lossy()))
                    .collect();
                let there = match known.as_slice() {
                    [] => "there is none".to_owned(),
                    _ => format!("there are {}", known.join(", ")),
                };
                let text = format!(
                    "{}: no Windows in it is {}: {there}",
                    self.root.display(),
                    name.display()
                );
                (false, text)
            })
    }

    /// How an installation is named behind `--windows`.
    fn relative_name<'h>(&self, home: &'h Path) -> &'h Path {
        match home.strip_prefix(&self.root) {
            Ok(name) if !name.as_os_str().is_empty() => name,
            _ => home,
        }
    }

    /// What was not looked into, and why: of interest to who has named none.
    #[must_use]
    pub fn notes(&self, choice: Choice<'_>) -> Vec<String> {
        if matches!(choice, Choice::Named(_)) {
            return Vec::new();
        }
        let links = self.links.iter().map(|link| {
            format!(
                "{} is a link, and what it leads to was left alone. If it is meant: --windows {}",
                link.display(),
                quoted(&self.relative_name(link).to_string_lossy())
            )
        });
        let unreadable = self.unreadable.iter().map(|(folder, why)| {
            format!(
                "{} can't be looked into ({why}): whether a Windows is in it can't be told.",
                folder.display()
            )
        });
        links.chain(unreadable).collect()
    }
}

/// What a file is that was named in the place of a folder, where it is an image
/// or an archive.
fn image_file_text(root: &Path) -> Option<String> {
    if !root.is_file() {
        return None;
    }
    let content = Input::open(root).and_then(Input::content).ok()?;
    let format = foreign_format::of(&content)?;
    Some(format!("{}: {}", root.display(), format.says()))
}

/// Whether a folder has `system32\drivers` in it, by links too.
fn is_windows(home: &Path) -> Result<bool, String> {
    for system32 in subfolders(home, "system32").map_err(|error| read_error_text(home, &error))? {
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

/// Whether the last name of a path is this, upper and lower case alike.
fn has_name(path: &Path, name: &str) -> bool {
    let last = path.file_name().and_then(|last| last.to_str());
    last.is_some_and(|last| last.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::super::windows_install::tests::tree;
    use super::*;

    fn names(selected: &[PathBuf]) -> Vec<&str> {
        let names = selected.iter().map(|home| home.file_name().unwrap());
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
        for says in [
            "has 3 Windows folders",
            "tcplimit x --windows WINDOWS\n",
            "tcplimit x --windows Windows.0\n",
            "tcplimit x --windows winxp\n",
            "tcplimit x --every",
        ] {
            assert!(text.contains(says), "{says}: {text}");
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
                assert!(!is_choice && text.contains("no Windows is here"), "{text}");
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
        for says in ["no Windows is here", "XP is a link", "winnt is a link"] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert_eq!(text.matches("is a link").count(), 2, "{text}");
        let selected = found.select(Choice::Named("xp".as_ref()), "").unwrap();
        assert_eq!(names(&selected), ["XP"]);
    }
}
