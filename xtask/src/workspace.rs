//! Paths of the repository, and commands in it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

/// The repository from which this program was built, or a copy.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    /// The repository of which it is a copy; equal to `root` if it is none.
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

    /// Another repository, for tests.
    #[cfg(test)]
    pub(crate) fn at(root: PathBuf) -> Self {
        Self {
            origin: root.clone(),
            root,
        }
    }

    /// This program's path at its start: a build may replace the file.
    pub(crate) fn own_executable() -> io::Result<&'static Path> {
        static ITSELF: LazyLock<io::Result<PathBuf>> = LazyLock::new(env::current_exe);
        let path = ITSELF.as_ref().map_err(|error| error.kind())?;
        Ok(path)
    }

    /// A path inside the repository, named from its root.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// A path for results and downloads, in the repository's `target/` even if
    /// CARGO_TARGET_DIR is set, so that tools are kept.
    pub(crate) fn target(&self, inside: &str) -> PathBuf {
        self.root.join("target").join(inside)
    }

    /// A command at the repository's root that finds the tools installed by setup.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        if let Some(path) = self.search_path() {
            command.env("PATH", path);
        }
        command
    }

    /// `cargo` with the arguments; callers must not change Cargo.lock.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        command
    }

    /// The search path of [`Workspace::command`].
    fn search_path(&self) -> Option<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let tools = [self.target("tools/bin")];
        env::join_paths(tools.into_iter().chain(env::split_paths(&path))).ok()
    }

    /// The path of a program in the search path.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&self.search_path()?)
            .map(|folder| folder.join(&name))
            .find(|program| program.is_file())
    }

    /// Whether a program is in the search path.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        self.program(name).is_some()
    }

    /// The two folders whose builds are compared.
    pub(crate) fn build_folders(&self) -> [PathBuf; 2] {
        let origin = self.origin.join("");
        let elsewhere = origin.join("target/elsewhere/");
        [origin, elsewhere]
    }

    /// Copies the repository to the second of [`Workspace::build_folders`].
    pub(crate) fn copy_elsewhere(&self) -> io::Result<Workspace> {
        let [_, elsewhere] = self.build_folders();
        self.copy(elsewhere)
    }

    /// Copies the repository to a folder in place of an earlier copy, whose `target` is
    /// kept.
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

/// Excluded from copies: the folders of `.gitignore`, and `.git`.
const LEFT_OUT: [&str; 5] = [
    ".git",
    "target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
];

/// Copies a folder without excluded paths. For cargo, copied sources must appear as
/// changed; copied build results need `keeps_times`.
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

/// Time of the last change of a file, or in a folder.
pub(crate) fn last_modified(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Err(_) => path.metadata().and_then(|file| file.modified()).ok(),
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| last_modified(&entry.path()))
            .max(),
    }
}

/// Whether this run is unattended, by CI=true.
pub(crate) fn unattended() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Asks for consent to install or download: yes with `--yes` or in CI, else asks at the
/// terminal; without a terminal no.
pub(crate) fn ask_consent(question: &str, yes: bool) -> bool {
    if yes || unattended() {
        return true;
    }
    if !io::stdin().is_terminal() {
        println!("{question} No: there is no terminal to ask at; pass --yes to agree.");
        return false;
    }
    print!("{question} [y/N] ");
    let mut answer = String::new();
    let asked = io::stdout()
        .flush()
        .and_then(|()| io::stdin().read_line(&mut answer));
    asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
