//! Debian's package manager: programs for the whole system, or single packages
//! unpacked under `target/` without the system noticing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// Whether this is Debian itself: others have apt, but not the same packages.
pub(crate) fn is_this(workspace: &Workspace) -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian") && workspace.has_program("apt-get")
}

/// Installs packages for the whole system, with sudo when this is not root.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<(), Failure> {
    command::run(as_root(workspace).args(["apt-get", "update"]))?;
    let mut install = as_root(workspace);
    install
        .args(["apt-get", "install", "--yes", "--no-install-recommends"])
        .args(packages);
    command::run(&mut install)
}

/// `env` or `sudo env`: both take the command as their next words.
fn as_root(workspace: &Workspace) -> Command {
    let root =
        command::listen(workspace.command("id").arg("-u")).is_ok_and(|said| said.out.trim() == "0");
    let mut command = workspace.command(if root { "env" } else { "sudo" });
    if !root {
        command.arg("env");
    }
    command.arg("DEBIAN_FRONTEND=noninteractive");
    command
}

/// The packages of one architecture, looked up with an apt state of our own: the
/// system's lists, its architectures and its packages stay as they are. The
/// sources and keys are the system's.
#[derive(Debug)]
pub(crate) struct Archive {
    configuration: PathBuf,
}

impl Archive {
    /// Fetches the lists of packages for the architecture.
    pub(crate) fn open(
        workspace: &Workspace,
        folder: &Path,
        architecture: &str,
    ) -> Result<Self, Failure> {
        if !workspace.has_program("apt-get") {
            return Err(Failure("no apt-get".into()));
        }
        let state = folder.join("apt").join(architecture);
        fs::create_dir_all(state.join("lists/partial"))?;
        fs::create_dir_all(state.join("cache/archives/partial"))?;
        fs::write(state.join("status"), "")?;
        let configuration = state.join("apt.conf");
        let at = state.display();
        fs::write(
            &configuration,
            format!(
                "APT::Architecture \"{architecture}\";\n\
                 APT::Architectures {{ \"{architecture}\"; }};\n\
                 APT::Sandbox::User \"\";\n\
                 Dir::State \"{at}\";\n\
                 Dir::State::status \"{at}/status\";\n\
                 Dir::Cache \"{at}/cache\";\n"
            ),
        )?;
        let archive = Self { configuration };
        // One source that cannot be read fails the update as a whole, and the
        // packages wanted may well be in the others: the download will tell.
        let _ = command::listen(archive.apt_get(workspace).arg("update"))?;
        Ok(archive)
    }

    /// Downloads a package into the folder.
    pub(crate) fn download(
        &self,
        workspace: &Workspace,
        package: &str,
        folder: &Path,
    ) -> Result<(), Failure> {
        let mut download = self.apt_get(workspace);
        download.args(["download", package]).current_dir(folder);
        command::listen(&mut download)?.success("apt-get")?;
        Ok(())
    }

    fn apt_get(&self, workspace: &Workspace) -> Command {
        let mut command = workspace.command("apt-get");
        command
            .env("APT_CONFIG", &self.configuration)
            .arg("--quiet=2");
        command
    }
}
