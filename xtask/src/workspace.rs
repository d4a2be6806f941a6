//! Where things are, and how cargo is called.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn of_this_crate() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest);
        Self {
            root: root.to_path_buf(),
        }
    }

    /// A path inside the repository, named from its root.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// A path for what is made or fetched. It stays under the repository's own
    /// `target/`, whatever CARGO_TARGET_DIR says, so that tools are kept.
    pub(crate) fn made(&self, inside: &str) -> PathBuf {
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
        let tools = [self.made("tools/bin")];
        env::join_paths(tools.into_iter().chain(env::split_paths(&path))).ok()
    }

    /// Whether a program of that name would be found.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.search_path()
            .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(&name).is_file()))
    }
}

/// Whether this is a run that nobody watches, and so nobody can be asked.
fn unattended() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether something may be installed or fetched: `--yes` and CI say yes, a
/// person at a terminal is asked, and silence is a no.
pub(crate) fn consent(question: &str, yes: bool) -> bool {
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
