//! A copy of the workspace, to be broken.

use std::fs;
use std::path::{Path, PathBuf};

use super::breakage::Breakage;
use crate::command::Failure;
use crate::workspace::Workspace;

/// The copy.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Copies the workspace into `target/broken/tree`, in place of the last copy.
    pub(super) fn copy(workspace: &Workspace) -> Result<Self, Failure> {
        let copy = workspace.copy(workspace.made("broken/tree"))?;
        Ok(Self {
            root: copy.path(""),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Does something while a file of the copy is broken.
    pub(super) fn broken<T>(
        &self,
        breakage: &Breakage,
        then: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let path = self.root.join(breakage.path());
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, breakage.of(&whole)?)?;
        let result = then();
        fs::write(&path, whole)?;
        result
    }
}
