//! What changed since the sources were last agreed on.

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// Files that are new or changed, from the repository's root: since the common
/// ancestor with the main branch, or on that branch since the last commit but
/// one; and whatever is not committed. None where git has no commits.
pub(crate) fn files(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let Some(head) = answer(workspace, &["rev-parse", "--verify", "HEAD"])? else {
        return Ok(Vec::new());
    };
    let ancestor = answer(workspace, &["merge-base", "HEAD", "origin/main"])?;
    let base = match ancestor.filter(|ancestor| *ancestor != head) {
        Some(ancestor) => ancestor,
        // A history may begin here, or be cut off here.
        None => answer(workspace, &["rev-parse", "--verify", "HEAD^"])?.unwrap_or(head),
    };
    let changed = answer(workspace, &["diff", "--name-only", "--no-renames", &base])?;
    let new = answer(workspace, &["ls-files", "--others", "--exclude-standard"])?;
    let lists = [changed, new];
    let lines = lists.iter().flatten().flat_map(|list| list.lines());
    Ok(lines.map(str::to_owned).collect())
}

/// What git says; `None` when it fails.
fn answer(workspace: &Workspace, arguments: &[&str]) -> Result<Option<String>, Failure> {
    let said = command::listen(workspace.command("git").args(arguments))?;
    let success = said.status.success();
    Ok(success.then(|| said.out.trim().to_owned()))
}
