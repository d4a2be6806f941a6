//! Reports for programs: one JSON object a line. docs/json.md describes it.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use super::change::{Field, hex};
use super::failure::Failure;
use super::outcome::{Outcome, ReportEntry, ReportOptions, Skipped, Source};
use super::windows_install::Role;
use crate::json::line;

#[derive(Serialize)]
struct FileObject<'a> {
    path: &'a str,
    member: Option<String>,
    role: Option<&'static str>,
    task: &'static str,
    state: &'static str,
    refusal: Option<&'static str>,
    reason: Option<String>,
    module: Option<&'static str>,
    arch: Option<String>,
    version: Option<String>,
    limit: Option<Pair<Option<u32>>>,
    damage: Option<&'a str>,
    changes: Vec<Change>,
    written: bool,
    touched: bool,
    output: Option<String>,
    backup: Option<String>,
    kept_aside: Option<String>,
    from: Option<Cow<'a, str>>,
    sha256: Option<Pair<&'a str>>,
    as_shipped: Option<&'a str>,
}

#[derive(Serialize)]
struct Pair<T> {
    before: T,
    after: T,
}

#[derive(Serialize)]
struct Change {
    field: &'static str,
    file_offset: usize,
    before: String,
    after: String,
}

/// Writes the outcome for a file.
pub(crate) fn write_entry(
    out: &mut dyn Write,
    options: &ReportOptions,
    entry: &ReportEntry<'_>,
) -> io::Result<()> {
    let result = entry.result;
    let path = result.path.to_string_lossy();
    let facts = result.facts.first();
    let plan = facts.map(|facts| &facts.plan);
    let is_sound = facts.is_some_and(|facts| facts.damage.is_none());
    let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    let refused = match &result.outcome {
        Outcome::Failed(Failure::Refused(refusal)) => Some(refusal),
        _ => None,
    };
    let reason = result.outcome.reason();
    line(
        out,
        &FileObject {
            path: &path,
            member: result.inner_path(),
            role: entry.role.map(Role::name),
            task: options.task.name(),
            state: match &result.outcome {
                Outcome::WouldChange => "would-change",
                Outcome::Changed => "changed",
                Outcome::Unchanged => "unchanged",
                Outcome::NotDone(_) => "not-done",
                Outcome::Failed(Failure::Refused(_)) => "refused",
                Outcome::Failed(Failure::RollbackFailed { .. }) => "unsure",
                Outcome::Failed(_) => "failed",
            },
            refusal: refused.map(|refusal| refusal.name()),
            reason,
            module: plan.map(|plan| plan.module.file_name()),
            arch: plan.map(|plan| plan.arch.to_string()),
            version: plan.and_then(|plan| Some(plan.version?.to_string())),
            limit: plan.map(|plan| Pair {
                before: is_sound.then_some(plan.before),
                after: Some(plan.after),
            }),
            damage: facts.and_then(|facts| facts.damage.as_deref()),
            changes: plan.map_or_else(Vec::new, |plan| {
                let changes = plan.changes.iter().map(|change| Change {
                    field: match change.field {
                        Field::Limit => "limit",
                        Field::Checksum => "checksum",
                    },
                    file_offset: change.offset,
                    before: hex(change.before),
                    after: hex(change.after),
                });
                changes.collect()
            }),
            written: matches!(result.outcome, Outcome::Changed),
            touched: options.touch && matches!(result.outcome, Outcome::Changed),
            output: result.output.as_ref().map(text),
            backup: result.kept.as_ref().filter(|_| is_sound).map(text),
            kept_aside: result.kept.as_ref().filter(|_| !is_sound).map(text),
            from: facts.and_then(|facts| match facts.source.as_ref()? {
                Source::Backup(name) => Some(name.to_string_lossy()),
                Source::DiscRecord => Some("last sector".into()),
                Source::Pristine => None,
            }),
            sha256: facts.map(|facts| Pair {
                before: facts.before.as_str(),
                after: facts.after.as_str(),
            }),
            as_shipped: entry.as_shipped,
        },
    )
}

/// Writes a skipped file.
pub(crate) fn write_skipped(
    out: &mut dyn Write,
    options: &ReportOptions,
    skipped: &Skipped<'_>,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct SkippedFileJson<'a> {
        path: &'a str,
        role: Option<&'static str>,
        task: &'static str,
        state: &'static str,
        reason: &'a str,
        members: &'a [String],
    }
    line(
        out,
        &SkippedFileJson {
            path: skipped.path,
            role: skipped.role.map(Role::name),
            task: options.task.name(),
            state: skipped.state,
            reason: skipped.reason,
            members: skipped.members,
        },
    )
}
