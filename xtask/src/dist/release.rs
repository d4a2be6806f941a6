//! A release: its sources and its folder.

use std::path::{Path, PathBuf};

use crate::command::{self, Failure};
use crate::executables::{self, ExecutableKind};
use crate::workspace::Workspace;

/// A release in preparation.
#[derive(Debug)]
pub(super) struct Release<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) version: String,
    /// This machine's target triple.
    pub(super) host: String,
    /// The folder with `x86/` and `x64/` of `cargo xtask driver`.
    pub(super) driver: PathBuf,
    /// Path of the tool for files.
    pub(super) tool: PathBuf,
    /// The folder for the archives.
    pub(super) folder: PathBuf,
}

impl<'a> Release<'a> {
    pub(super) fn prepare(
        workspace: &'a Workspace,
        folder: &str,
        tool: impl FnOnce(&str) -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let host = host(workspace)?;
        Ok(Self {
            workspace,
            version: env!("CARGO_PKG_VERSION").into(),
            driver: workspace.target("driver"),
            tool: tool(&host)?,
            folder: workspace.target(folder),
            host,
        })
    }

    /// Runs `xtask/pack`, which has the libraries.
    pub(super) fn pack(&self, verb: &str, out: &Path, folder: &Path) -> Result<(), Failure> {
        let pack = executables::program(self.workspace, ExecutableKind::Program, "pack")?;
        let mut pack = self.workspace.command(&pack.to_string_lossy());
        command::run(pack.arg(verb).arg(out).arg(folder))
    }
}

/// The compiler's default target triple.
fn host(workspace: &Workspace) -> Result<String, Failure> {
    let output = command::capture(workspace.command("rustc").arg("-vV"))?.success("rustc -vV")?;
    output
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_string)
        .ok_or_else(|| Failure("rustc -vV prints no host".into()))
}
