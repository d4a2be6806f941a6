//! Reports each file as it is done, and sums up in the end: for people or for
//! programs.

use std::io::{self, Write};
use std::path::Path;

use tcplimit_report::{Exit, is_module};

use super::failure::io_failure;
use super::json;
use super::mount::MountWarning;
use super::outcome::{Entry, FileResult, Outcome, Skipped, Subject};
use super::refusal::Refusal;
use super::summary::Summary;
use super::text;
use super::windows_install::Role;
use crate::json::summary_line;
use crate::manifest::Manifest;
use crate::output::{self, Output, cause, complain, quoted};

/// Where reports go, and what they add up to.
pub(super) struct Reporter {
    subject: Subject,
    /// What says that a build is as shipped.
    manifest: Manifest,
    is_json: bool,
    out: Output,
    pub(super) summary: Summary,
}

impl Reporter {
    pub(super) fn new(subject: Subject, manifest: Manifest, is_json: bool) -> Reporter {
        Reporter {
            subject,
            manifest,
            is_json,
            out: output::stdout(),
            summary: Summary::default(),
        }
    }

    /// Writes out what was held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Reports what became of a file: of each driver in it.
    pub(super) fn done(&mut self, done: FileResult, role: Option<Role>) -> io::Result<()> {
        for done in done.each() {
            self.summary.count(&done.outcome);
            let facts = done.facts.first();
            let entry = Entry {
                done: &done,
                role,
                as_shipped: facts.and_then(|facts| self.manifest.as_shipped(&facts.after)),
            };
            match self.is_json {
                true => json::entry(&mut self.out, &self.subject, &entry)?,
                false => text::entry(&mut self.out, &self.subject, &entry)?,
            }
        }
        Ok(())
    }

    /// Reports a cabinet that has copies, or of a compressed copy, which is not
    /// rewritten. `drivers` are the members that are one of the modules by name.
    pub(super) fn cabinet(
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
                        "it is compressed: with --root such copies are rewritten only with --cabinets, and what takes the file from it gets the unchanged one; for this one alone: tcplimit {} --in-place {}",
                        self.subject.task.verb(),
                        quoted(&shown)
                    ),
                    false => Refusal::SeveralMembers {
                        drivers: drivers.clone(),
                    }
                    .to_string(),
                };
                self.skipped(&shown, "cabinet", &reason, &drivers, role)
            }
            Err(error) => {
                let what = format!("{shown} can't be looked into");
                let failure = io_failure(what)(io::Error::other(cause(&error)));
                self.done(FileResult::new(path, Outcome::Failed(failure)), role)
            }
        }
    }

    /// Reports a link in a folder.
    pub(super) fn link(&mut self, path: &Path, role: Option<Role>) -> io::Result<()> {
        self.summary.links += 1;
        let reason = "it is a link, and what it leads to may lie elsewhere: if that is meant, name the link by itself";
        self.skipped(&path.to_string_lossy(), "link", reason, &[], role)
    }

    /// Reports what is left aside.
    pub(super) fn skipped(
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
            true => json::skipped(&mut self.out, &self.subject, &skipped),
            false => text::skipped(&mut self.out, &skipped),
        }
    }

    /// Says why nothing, or not all, was done.
    pub(super) fn because(&mut self, exit: Exit, reason: &str) {
        complain(reason);
        self.summary.add_reason(exit, reason);
    }

    /// Says what is to be known beside what is done.
    pub(super) fn note(&mut self, note: String) {
        complain(&note);
        self.summary.notes.push(note);
    }

    /// Sums up. `warnings` are those of the file systems that were written to.
    pub(super) fn finish(
        mut self,
        warnings: impl IntoIterator<Item = MountWarning>,
    ) -> io::Result<Exit> {
        for warning in warnings {
            self.out.flush()?;
            complain(&format!("note: {warning}."));
            self.summary.notes.push(warning.to_string());
        }
        let (subject, summary) = (&self.subject, &mut self.summary);
        if summary.changed > 0 && !subject.touch {
            summary.notes.push(text::TIME.to_owned());
        }
        if subject.is_patch() && summary.changed + summary.would_change > 0 {
            summary.notes.push(text::AFTERWARDS.to_owned());
        }
        let exit = summary.close();
        match self.is_json {
            true if subject.is_of_many || summary.interrupted => {
                summary_line(&mut self.out, summary)?;
            }
            true => {}
            false => text::summary(&mut self.out, summary, subject)?,
        }
        Ok(self.out.finish(exit))
    }
}
