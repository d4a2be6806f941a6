//! Reports each file when it is finished, and the totals at the end: for people or
//! for programs.

use std::io::{self, Write};
use std::path::Path;

use tcplimit_report::{Exit, is_module};

use super::failure::io_failure;
use super::json;
use super::mount::MountWarning;
use super::outcome::{FileResult, Outcome, ReportEntry, ReportOptions, Skipped};
use super::refusal::Refusal;
use super::summary::Summary;
use super::text;
use super::windows_install::Role;
use crate::json::summary_line;
use crate::manifest::Manifest;
use crate::terminal::{Output, os_error_text, print_error, quoted};

/// The output of the reports, and their totals.
pub(super) struct Reporter {
    options: ReportOptions,
    /// The known builds as shipped.
    manifest: Manifest,
    is_json: bool,
    out: Output,
    pub(super) summary: Summary,
}

impl Reporter {
    pub(super) fn new(
        options: ReportOptions,
        manifest: Manifest,
        is_json: bool,
        out: Output,
    ) -> Reporter {
        Reporter {
            options,
            manifest,
            is_json,
            out,
            summary: Summary::default(),
        }
    }

    /// Flushes the output.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Reports the outcome for a file: one entry for each driver in it.
    pub(super) fn report_file(&mut self, result: FileResult, role: Option<Role>) -> io::Result<()> {
        for result in result.split_by_driver() {
            self.summary.count(&result.outcome);
            let facts = result.facts.first();
            let entry = ReportEntry {
                result: &result,
                role,
                as_shipped: facts.and_then(|facts| self.manifest.as_shipped(&facts.after)),
            };
            match self.is_json {
                true => json::write_entry(&mut self.out, &self.options, &entry)?,
                false => text::write_entry(&mut self.out, &self.options, &entry)?,
            }
        }
        Ok(())
    }

    /// Reports a cabinet with copies, or a compressed copy, that is not rewritten.
    /// `drivers` are the members named like one of the modules.
    pub(super) fn report_cabinet(
        &mut self,
        path: &Path,
        drivers: io::Result<Vec<String>>,
        role: Option<Role>,
    ) -> io::Result<()> {
        let shown = path.to_string_lossy();
        let is_copy = is_module(&shown);
        match drivers {
            Ok(drivers) if drivers.is_empty() && !is_copy => Ok(()),
            Ok(drivers) => {
                self.summary.cabinets += 1;
                let reason = match is_copy {
                    true => format!(
                        "it is compressed: with --root, compressed copies are rewritten only with --cabinets, and this one still provides the unchanged driver; for this one alone: tcplimit {} --in-place {}",
                        self.options.task.name(),
                        quoted(&shown)
                    ),
                    false => Refusal::SeveralMembers {
                        drivers: drivers.clone(),
                    }
                    .to_string(),
                };
                self.report_skipped(&shown, "cabinet", &reason, &drivers, role)
            }
            Err(error) => {
                let problem = format!("{shown} can't be opened");
                let failure = io_failure(problem)(io::Error::other(os_error_text(&error)));
                self.report_file(FileResult::new(path, Outcome::Failed(failure)), role)
            }
        }
    }

    /// Reports a link in a folder.
    pub(super) fn report_link(&mut self, path: &Path, role: Option<Role>) -> io::Result<()> {
        self.summary.links += 1;
        let reason = "it is a link whose target may lie elsewhere: to include the target, name the link itself";
        self.report_skipped(&path.to_string_lossy(), "link", reason, &[], role)
    }

    /// Reports a skipped file.
    pub(super) fn report_skipped(
        &mut self,
        path: &str,
        state: &'static str,
        reason: &str,
        members: &[String],
        role: Option<Role>,
    ) -> io::Result<()> {
        let skipped = Skipped {
            path,
            role,
            state,
            reason,
            members,
        };
        match self.is_json {
            true => json::write_skipped(&mut self.out, &self.options, &skipped),
            false => text::write_skipped(&mut self.out, &skipped),
        }
    }

    /// Reports why nothing, or not everything, was done.
    pub(super) fn report_problem(&mut self, exit: Exit, reason: &str) {
        print_error(reason);
        self.summary.add_reason(exit, reason);
    }

    /// Prints a note, and keeps it for the summary.
    pub(super) fn add_note(&mut self, note: String) {
        print_error(&note);
        self.summary.notes.push(note);
    }

    /// Writes the summary, with the warnings of the file systems that were written to.
    pub(super) fn finish(
        mut self,
        warnings: impl IntoIterator<Item = MountWarning>,
    ) -> io::Result<Exit> {
        for warning in warnings {
            self.out.flush()?;
            print_error(&format!("note: {warning}."));
            self.summary.notes.push(warning.to_string());
        }
        let (options, summary) = (&self.options, &mut self.summary);
        if summary.changed > 0 && !options.touch {
            summary.notes.push(text::TIME_NOTE.to_owned());
        }
        if options.is_patch() && summary.changed + summary.would_change > 0 {
            summary.notes.push(text::SIGNATURE_NOTE.to_owned());
        }
        let exit = summary.close();
        match self.is_json {
            true if options.covers_many_files || summary.interrupted => {
                summary_line(&mut self.out, summary)?;
            }
            true => {}
            false => text::write_summary(&mut self.out, summary, options)?,
        }
        Ok(self.out.finish(exit))
    }
}
