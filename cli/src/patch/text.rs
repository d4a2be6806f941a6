//! Reports for people.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::Style;

use super::change::{Change, Field, hex};
use super::failure::Failure;
use super::filesystem::folder_of;
use super::outcome::{
    DriverFacts, FileResult, Outcome, ReportEntry, ReportOptions, Skipped, Source, Target,
};
use super::summary::Summary;
use crate::terminal::{BAD, FAINT, GOOD, NOTICE, STRONG, printable};
use crate::text::count;

/// The consequences of a change for a file that Windows protects. Only certain
/// facts.
pub(crate) const SIGNATURE_NOTE: &str = "\
Consequences: the drivers have no embedded signature; Windows lists their hashes in signed catalogues, and the hash of a changed file is not listed. So sigverif reports it; Windows File Protection restores its own copy (dllcache, service pack, setup disc) when it notices a change or when `sfc /scannow` is run; and an update or service pack that contains the file replaces it. Windows XP, XP x64 and Server 2003 still load it: they don't check the signature of a driver that starts.";

/// The consequences in one line, before a change.
const SIGNATURE_WARNING: &str = "A changed file is not listed in Windows' signed catalogues, and Windows File Protection may restore the old one: see docs/patch.md.";

/// The consequence of the unchanged time of a changed file.
pub(crate) const TIME_NOTE: &str = "A changed file keeps its time and usually its size, so rsync, cp -u and backup programs may skip it: touch it, or use --touch next time.";

/// Advice after a run without a target.
const HOW_TO_WRITE: &str = "Nothing was written. To change the file, add --in-place; to write a changed copy, --output FILE.";

/// The advice for a disc image.
const HOW_TO_WRITE_IMAGE: &str =
    "Nothing was written. To write a changed image, add --output NEW.iso.";

/// The advice for several files.
const HOW_TO_WRITE_ALL: &str = "Nothing was written. To change the files, add --in-place.";

/// Writes the report on one driver.
pub(crate) fn write_entry(
    out: &mut dyn Write,
    options: &ReportOptions,
    entry: &ReportEntry<'_>,
) -> io::Result<()> {
    let result = entry.result;
    let path = result.path.to_string_lossy();
    let member = result.inner_path().map(|member| format!("/{member}"));
    let member = member.unwrap_or_default();
    let (style, words) = headline(options, result);
    writeln!(
        out,
        "{STRONG}{}{STRONG:#}: {style}{words}{style:#}",
        printable(&format!("{path}{member}"))
    )?;
    if let Some(role) = entry.role {
        write_row(out, "this is", role.description())?;
    }
    if let Some(reason) = result.outcome.reason() {
        write_row(out, "because", printable(&reason))?;
    }
    let Some(facts) = result.facts.first() else {
        return Ok(());
    };
    write_facts(out, facts)?;
    if let Some(damage) = &facts.damage {
        write_row(out, "it was", printable(damage))?;
    }
    if let Some(kept) = &result.kept {
        let label = match &facts.damage {
            Some(_) => "kept as",
            None => "backup",
        };
        write_row(out, label, printable(&kept.to_string_lossy()))?;
    }
    match &facts.source {
        Some(Source::Backup(name)) => {
            let backup = folder_of(&result.path).join(name);
            let text = format!("{} (it stays)", backup.display());
            write_row(out, "from", printable(&text))?;
        }
        Some(Source::DiscRecord) => {
            write_row(
                out,
                "from",
                "the image itself: its last sector records the original",
            )?;
        }
        Some(Source::Pristine) if !facts.plan.changes.is_empty() => {
            write_row(out, "from", "the file itself: no backup was used")?;
        }
        _ => {}
    }
    let label = match &result.outcome {
        Outcome::Changed => Some("written to"),
        Outcome::Unchanged => Some("already in"),
        _ => None,
    };
    if let (Some(label), Some(output)) = (label, &result.output) {
        write_row(out, label, printable(&output.to_string_lossy()))?;
    }
    if !options.is_patch() {
        let text = match entry.as_shipped {
            Some(name) => format!("the hash matches a known build as shipped: {name}"),
            None => "not proved: no known build as shipped has this hash".to_owned(),
        };
        write_row(out, "proof", printable(&text))?;
    }
    write_row(out, "SHA-256", &facts.after)
}

fn headline(options: &ReportOptions, result: &FileResult) -> (Style, String) {
    let is_in_place = options.target == Target::InPlace;
    let change = result.facts.first().map(|facts| {
        let plan = &facts.plan;
        match plan.changes.is_empty() {
            true => format!("the limit is {}", plan.after),
            false => format!("the limit from {} to {}", plan.before, plan.after),
        }
    });
    let change = change.unwrap_or_default();
    let is_damaged = result
        .facts
        .first()
        .is_some_and(|facts| facts.damage.is_some());
    match &result.outcome {
        Outcome::WouldChange if is_damaged => (
            NOTICE,
            format!("damaged or missing, would be restored from its backup: {change}"),
        ),
        Outcome::Changed if is_damaged && is_in_place => {
            (GOOD, format!("restored from its backup: {change}"))
        }
        Outcome::Changed if is_damaged => (GOOD, format!("written from its backup: {change}")),
        Outcome::WouldChange => (NOTICE, format!("would change {change}")),
        Outcome::Changed if is_in_place => (GOOD, format!("changed {change}")),
        Outcome::Changed => (GOOD, format!("written, changing {change}")),
        Outcome::Unchanged if result.output.is_some() => {
            (GOOD, "nothing to do: the changed copy exists".to_owned())
        }
        Outcome::Unchanged => (GOOD, format!("nothing to do: {change}")),
        Outcome::NotDone(_) => (NOTICE, "not done, left unchanged".to_owned()),
        Outcome::Failed(Failure::Refused(_)) => (BAD, "refused, left unchanged".to_owned()),
        Outcome::Failed(Failure::RollbackFailed { .. }) => {
            (BAD, "FAILED, and not rolled back".to_owned())
        }
        Outcome::Failed(_) => (BAD, "failed, left unchanged".to_owned()),
    }
}

fn write_facts(out: &mut dyn Write, facts: &DriverFacts) -> io::Result<()> {
    let plan = &facts.plan;
    let version = plan.version.map_or_else(
        || "without version".to_owned(),
        |version| version.to_string(),
    );
    write_row(
        out,
        "module",
        format!("{} {version}, {}", plan.module, plan.arch),
    )?;
    write_row(
        out,
        "start-up",
        format!(
            "stores {} to RVA {} (at RVA {})",
            plan.before, plan.threshold, plan.store
        ),
    )?;
    for change in &plan.changes {
        write_change(out, change)?;
    }
    Ok(())
}

/// One line of the difference.
fn write_change(out: &mut dyn Write, change: &Change) -> io::Result<()> {
    let (label, shown): (_, fn(u32) -> String) = match change.field {
        Field::Limit => ("limit", |value| value.to_string()),
        Field::Checksum => ("checksum", |sum| format!("{sum:X}")),
    };
    let value = |bytes| shown(u32::from_le_bytes(bytes));
    write_row(
        out,
        label,
        format!(
            "at file offset {:X}: {} -> {} ({} -> {})",
            change.offset,
            hex(change.before),
            hex(change.after),
            value(change.before),
            value(change.after)
        ),
    )
}

pub(crate) fn write_row(out: &mut dyn Write, label: &str, text: impl Display) -> io::Result<()> {
    writeln!(out, "  {FAINT}{label:<12}{FAINT:#} {text}")
}

/// Writes the report on a skipped file.
pub(crate) fn write_skipped(out: &mut dyn Write, skipped: &Skipped<'_>) -> io::Result<()> {
    let words = match skipped.state {
        "link" => "not followed",
        _ => "not rewritten",
    };
    let path = printable(skipped.path);
    writeln!(out, "{STRONG}{path}{STRONG:#}: {NOTICE}{words}{NOTICE:#}")?;
    if let Some(role) = skipped.role {
        write_row(out, "this is", role.description())?;
    }
    write_row(out, "because", printable(skipped.reason))
}

/// Writes the totals and notes of a run.
pub(crate) fn write_summary(
    out: &mut dyn Write,
    summary: &Summary,
    options: &ReportOptions,
) -> io::Result<()> {
    let &Summary {
        files,
        changed,
        would_change,
        unchanged,
        ..
    } = summary;
    if summary.interrupted {
        let message = match options.covers_windows {
            true if changed == 0 => "nothing was changed",
            _ => "not all files were processed",
        };
        writeln!(out, "{NOTICE}interrupted{NOTICE:#}: {message}")?;
    }
    let is_loud = !options.is_quiet;
    if options.covers_many_files && files > 0 && is_loud {
        write!(
            out,
            "\n{}: {STRONG}{changed} changed{STRONG:#}, {would_change} to change, {unchanged} already correct",
            count(files, "file"),
        )?;
        for (number, outcome) in [
            (summary.refused, "refused"),
            (summary.failed, "failed"),
            (summary.not_done, "not changed because of others"),
        ] {
            if number > 0 {
                write!(out, ", {number} {outcome}")?;
            }
        }
        for (number, noun, outcome) in [
            (summary.cabinets, "cabinet", "with copies not rewritten"),
            (summary.links, "link", "not followed"),
        ] {
            if number > 0 {
                write!(out, "; {} {outcome}", count(number, noun))?;
            }
        }
        writeln!(out)?;
    }
    if changed > 0 && !options.touch && is_loud {
        writeln!(out, "\n{TIME_NOTE}")?;
    }
    if changed > 0 && options.is_patch() && is_loud {
        writeln!(out, "\n{SIGNATURE_NOTE}")?;
    }
    if would_change > 0 && options.is_patch() && is_loud {
        writeln!(out, "\n{SIGNATURE_WARNING}")?;
    }
    if would_change > 0 && options.target == Target::DryRun && options.suggests_writing {
        let how = match options.covers_many_files {
            _ if summary.images > 0 => HOW_TO_WRITE_IMAGE,
            true => HOW_TO_WRITE_ALL,
            false => HOW_TO_WRITE,
        };
        writeln!(out, "\n{how}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::job::Task;

    fn options() -> ReportOptions {
        ReportOptions {
            task: Task::Patch { limit: 100 },
            target: Target::InPlace,
            touch: false,
            covers_many_files: true,
            covers_windows: true,
            suggests_writing: false,
            is_quiet: false,
        }
    }

    fn summary(outcomes: &[Outcome]) -> Summary {
        let mut summary = Summary::default();
        outcomes.iter().for_each(|outcome| summary.count(outcome));
        summary
    }

    fn text(summary: &Summary, options: &ReportOptions) -> String {
        let mut out = Vec::new();
        write_summary(&mut out, summary, options).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn an_interruption_before_any_change_of_a_windows_is_reported_as_such() {
        let nothing = "interrupted: nothing was changed";
        let some = "interrupted: not all files were processed";
        let single_files = ReportOptions {
            covers_windows: false,
            ..options()
        };
        for (changed, options, expected) in [
            (vec![], options(), nothing),
            (vec![Outcome::Changed], options(), some),
            (vec![], single_files, some),
        ] {
            let mut summary = summary(&changed);
            summary.interrupted = true;
            let text = text(&summary, &options);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn totals_and_advice_are_printed_only_where_they_apply() {
        let planned = summary(&[Outcome::WouldChange, Outcome::Unchanged]);
        let totals = "2 files: 0 changed, 1 to change, 1 already correct";
        let shown = text(&planned, &options());
        assert!(shown.contains(totals), "{shown}");
        let quiet = ReportOptions {
            is_quiet: true,
            ..options()
        };
        let one = ReportOptions {
            covers_many_files: false,
            ..options()
        };
        let none = summary(&[]);
        for (summary, options) in [(&planned, &quiet), (&planned, &one), (&none, &options())] {
            let text = text(summary, options);
            assert!(!text.contains(" changed, "), "{text}");
        }
        let dry = |suggests_writing| ReportOptions {
            target: Target::DryRun,
            suggests_writing,
            ..options()
        };
        let in_place = ReportOptions {
            suggests_writing: true,
            ..options()
        };
        let unchanged = summary(&[Outcome::Unchanged, Outcome::Unchanged]);
        for (summary, options, expected) in [
            (&planned, &dry(true), true),
            (&planned, &dry(false), false),
            (&planned, &in_place, false),
            (&unchanged, &dry(true), false),
        ] {
            let text = text(summary, options);
            assert_eq!(text.contains(HOW_TO_WRITE_ALL), expected, "{text}");
        }
    }
}
