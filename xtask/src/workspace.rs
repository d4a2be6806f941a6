//! Where things are, and how cargo is called.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

/// The repository that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    /// Of what it is a copy; the same as `root` if it is none.
    origin: PathBuf,
}

impl Workspace {
    pub(crate) fn current() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest);
        Self {
            root: root.to_path_buf(),
            origin: root.to_path_buf(),
        }
    }

    /// Another one, for tests.
    #[cfg(test)]
    pub(crate) fn at(root: PathBuf) -> Self {
        Self {
            origin: root.clone(),
            root,
        }
    }

    /// This program's own path, as it was at its start: a build may put another
    /// in its place.
    pub(crate) fn own_executable() -> io::Result<&'static Path> {
        static ITSELF: LazyLock<io::Result<PathBuf>> = LazyLock::new(env::current_exe);
        let path = ITSELF.as_ref().map_err(|error| error.kind())?;
        Ok(path)
    }

    /// A path inside the repository, named from its root.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// A path for what is made or fetched. It stays under the repository's own
    /// `target/`, whatever CARGO_TARGET_DIR says, so that tools are kept.
    pub(crate) fn target(&self, inside: &str) -> PathBuf {
        self.root.join("target").join(inside)
    }

    /// A command that runs at the repository's root and finds the tools that
    /// setup installed.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        if let Some(path) = self.search_path() {
            command.env("PATH", path);
        }
        command
    }

    /// `cargo` with the arguments; never one that changes Cargo.lock.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        command
    }

    /// The directories that [`Workspace::command`]'s programs are looked for in.
    fn search_path(&self) -> Option<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let tools = [self.target("tools/bin")];
        env::join_paths(tools.into_iter().chain(env::split_paths(&path))).ok()
    }

    /// Where a program of that name would be found.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&self.search_path()?)
            .map(|folder| folder.join(&name))
            .find(|program| program.is_file())
    }

    /// Whether a program of that name would be found.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        self.program(name).is_some()
    }

    /// The two folders that the same is built in, to compare.
    pub(crate) fn build_folders(&self) -> [PathBuf; 2] {
        let origin = self.origin.join("");
        let elsewhere = origin.join("target/elsewhere/");
        [origin, elsewhere]
    }

    /// A copy of the repository in the other of the two folders.
    pub(crate) fn copy_elsewhere(&self) -> io::Result<Workspace> {
        let [_, elsewhere] = self.build_folders();
        self.copy(elsewhere)
    }

    /// A copy of the repository, in place of the last one there; what was built
    /// in that one is kept.
    pub(crate) fn copy(&self, root: PathBuf) -> io::Result<Workspace> {
        if root.exists() {
            for entry in fs::read_dir(&root)? {
                let path = entry?.path();
                if path == root.join("target") {
                    continue;
                }
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else {
                    fs::remove_file(path)?;
                }
            }
        }
        let left_out = LEFT_OUT.map(|path| self.path(path));
        copy(&self.root, &root, false, &|path| {
            left_out.iter().any(|it| it == path)
        })?;
        Ok(Workspace {
            root,
            origin: self.origin.clone(),
        })
    }
}

/// What is not copied: what `.gitignore` names, and git's own.
const LEFT_OUT: [&str; 5] = [
    ".git",
    "target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
];

/// Copies a folder without what is left out. Cargo must take a file of a copy
/// for changed, and for as old as it is what it has built itself.
pub(crate) fn copy(
    from: &Path,
    to: &Path,
    keeps_times: bool,
    is_left_out: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if is_left_out(&path) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to, keeps_times, is_left_out)?;
            continue;
        }
        fs::copy(&path, &to)?;
        if keeps_times {
            let modified = entry.metadata()?.modified()?;
            let copy = File::options().append(true).open(&to)?;
            copy.set_modified(modified)?;
        }
    }
    Ok(())
}

/// When the last change was made to a file, or in a folder.
pub(crate) fn last_modified(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Err(_) => path.metadata().and_then(|file| file.modified()).ok(),
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| last_modified(&entry.path()))
            .max(),
    }
}

/// Whether this is a run that nobody watches, and so nobody can be asked.
pub(crate) fn unattended() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether something may be installed or fetched: `--yes` and CI say yes, a
/// person at a terminal is asked, and silence is a no.
pub(crate) fn ask_consent(question: &str, yes: bool) -> bool {
    if yes || unattended() {
        return true;
    }
    if !io::stdin().is_terminal() {
        println!("{question} No: nobody is there to ask, and --yes was not given.");
        return false;
    }
    print!("{question} [y/N] ");
    let mut answer = String::new();
    let asked = io::stdout()
        .flush()
        .and_then(|()| io::stdin().read_line(&mut answer));
    asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
