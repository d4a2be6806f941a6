//! Debian's package manager.

use std::fs;
use std::process::Command;

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// Whether this is Debian itself: its derivatives have apt, but other packages.
pub(crate) fn is_debian(workspace: &Workspace) -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian") && workspace.has_program("apt-get")
}

/// Installs packages, with sudo unless this is root.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<(), Failure> {
    command::run(as_root(workspace).args(["apt-get", "update"]))?;
    let mut install = as_root(workspace);
    install
        .args(["apt-get", "install", "--yes", "--no-install-recommends"])
        .args(packages);
    command::run(&mut install)
}

/// `env` or `sudo env`: both take a command as arguments.
fn as_root(workspace: &Workspace) -> Command {
    let root = command::capture(workspace.command("id").arg("-u"))
        .is_ok_and(|output| output.out.trim() == "0");
    let mut command = workspace.command(if root { "env" } else { "sudo" });
    if !root {
        command.arg("env");
    }
    command.arg("DEBIAN_FRONTEND=noninteractive");
    command
}
