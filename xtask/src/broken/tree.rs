//! A copy of the workspace, to be broken.

use std::fs;
use std::path::{Path, PathBuf};

use super::breakage::Breakage;
use crate::command::Failure;
use crate::workspace::Workspace;

/// What is not copied: what `.gitignore` names, and git's own.
const LEFT_OUT: [&str; 5] = [
    ".git",
    "target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
];

/// The copy.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Copies the workspace into `target/broken/tree`, in place of the last copy.
    pub(super) fn copy(workspace: &Workspace) -> Result<Self, Failure> {
        let root = workspace.made("broken/tree");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let left_out = LEFT_OUT.map(|path| workspace.path(path));
        copy(&workspace.path(""), &root, &left_out)?;
        Ok(Self {
            root,
            target: workspace.made("broken/target"),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds it.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Does something while a file of the copy is broken.
    pub(super) fn broken<T>(
        &self,
        breakage: &Breakage,
        then: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let path = self.root.join("scanner-core/src").join(breakage.file);
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, breakage.of(&whole)?)?;
        let result = then();
        fs::write(&path, whole)?;
        result
    }
}

fn copy(from: &Path, to: &Path, left_out: &[PathBuf]) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if left_out.contains(&path) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to, left_out)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}
