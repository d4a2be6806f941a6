//! What is told of each file as it is done, and what a run adds up to.

use std::io::{self, Write};
use std::path::Path;

use super::form::is_module;
use super::job::{Done, Target, Task, Verdict};
use super::replace::{Failure, doing};
use super::system::Place;
use super::verb::{Run, drivers_in, exit_of};
use super::{Refusal, object, say};
use crate::exit::Exit;
use crate::output::{NOTICE, STRONG, cause, complain, quoted};
use crate::text::count;

/// Totals of a run.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) changed: u64,
    pub(crate) would_change: u64,
    pub(crate) unchanged: u64,
    pub(crate) not_done: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) cabinets: u64,
    pub(crate) links: u64,
    /// Disc images.
    pub(crate) images: u64,
    /// What follows from what was done, or is to be done first.
    pub(crate) notes: Vec<String>,
    /// What interrupted runs had changed, where there were any, and what of
    /// theirs was left as it is.
    pub(crate) put_back: Option<Vec<String>>,
    pub(crate) left: Vec<String>,
    /// Why nothing, or not all, was done.
    pub(crate) reason: Option<String>,
    pub(crate) interrupted: bool,
    pub(super) exit: Exit,
}

impl Run<'_> {
    /// Tells of a cabinet that has copies, or of a compressed copy: neither is
    /// rewritten.
    pub(super) fn look_into(&mut self, path: &Path, place: Option<&Place>) -> io::Result<()> {
        let shown = path.to_string_lossy();
        let is_copy = is_module(&shown);
        match drivers_in(path) {
            Ok(drivers) if drivers.is_empty() && !is_copy => Ok(()),
            Ok(drivers) => {
                self.totals.cabinets += 1;
                let reason = match is_copy {
                    true => format!(
                        "it is compressed: with --root such copies are rewritten only with --cabinets, and what takes the file from it gets the unchanged one; for this one alone: tcplimit {} --in-place {}",
                        self.name,
                        quoted(&shown)
                    ),
                    false => Refusal::SeveralMembers {
                        drivers: drivers.clone(),
                    }
                    .to_string(),
                };
                self.aside(path, "cabinet", &reason, &drivers, place)
            }
            Err(error) => {
                let what = format!("{shown} can't be looked into");
                let failure = doing(what)(io::Error::other(cause(&error)));
                self.tell(Done::new(path, Verdict::Failed(failure)), place)
            }
        }
    }

    /// Tells of a link in a folder.
    pub(super) fn link(&mut self, path: &Path, place: Option<&Place>) -> io::Result<()> {
        self.totals.links += 1;
        let reason = "it is a link, and what it leads to may lie elsewhere: if that is meant, name the link by itself";
        self.aside(path, "link", reason, &[], place)
    }

    /// Tells of what is left aside.
    pub(super) fn aside(
        &mut self,
        path: &Path,
        state: &'static str,
        reason: &str,
        members: &[String],
        place: Option<&Place>,
    ) -> io::Result<()> {
        let shown = path.to_string_lossy();
        match self.writing.json {
            true => {
                let role = place.map(|place| place.role.name());
                object::aside(
                    &mut self.out,
                    &self.job,
                    &shown,
                    role,
                    state,
                    reason,
                    members,
                )
            }
            false => {
                let note = place.map(|place| place.role.says());
                say::aside(&mut self.out, &shown, state, reason, note)
            }
        }
    }

    /// Tells what became of a file: of each driver in it.
    pub(super) fn tell(&mut self, done: Done, place: Option<&Place>) -> io::Result<()> {
        for done in done.each() {
            self.tell_one(&done, place)?;
        }
        Ok(())
    }

    fn tell_one(&mut self, done: &Done, place: Option<&Place>) -> io::Result<()> {
        self.totals.files += 1;
        let (number, exit) = match &done.verdict {
            Verdict::WouldChange => (&mut self.totals.would_change, Exit::Done),
            Verdict::Changed => (&mut self.totals.changed, Exit::Done),
            Verdict::Unchanged => (&mut self.totals.unchanged, Exit::Done),
            // What stopped it counts for itself.
            Verdict::NotDone(_) => (&mut self.totals.not_done, Exit::Done),
            Verdict::Failed(failure @ Failure::Refused(_)) => {
                (&mut self.totals.refused, exit_of(failure))
            }
            Verdict::Failed(failure) => (&mut self.totals.failed, exit_of(failure)),
        };
        *number += 1;
        self.worst(exit);
        match self.writing.json {
            true => {
                let role = place.map(|place| place.role.name());
                object::done(&mut self.out, &self.job, done, &self.manifest, role)
            }
            false => {
                let note = place.map(|place| place.role.says());
                say::done(&mut self.out, &self.job, done, &self.manifest, note)
            }
        }
    }

    pub(super) fn finish(mut self) -> io::Result<Exit> {
        let Totals {
            files,
            changed,
            would_change,
            unchanged,
            not_done,
            refused,
            failed,
            cabinets,
            links,
            ..
        } = self.totals;
        let exit = match self.totals.interrupted {
            true => Exit::Interrupted,
            false => self.totals.exit,
        };
        let many =
            self.writing.recursive || self.writing.root.is_some() || self.writing.paths.len() > 1;
        let is_patch = matches!(self.job.task, Task::Patch { .. });
        for shortcoming in self.disk.shortcomings() {
            self.out.flush()?;
            complain(&format!("note: {shortcoming}."));
            self.totals.notes.push(shortcoming.to_string());
        }
        let keeps_time = changed > 0 && !self.job.touch;
        if keeps_time {
            self.totals.notes.push(say::TIME.to_owned());
        }
        if is_patch && changed + would_change > 0 {
            self.totals.notes.push(say::AFTERWARDS.to_owned());
        }
        if self.writing.json {
            if many || self.totals.interrupted {
                object::summary(&mut self.out, &self.totals, exit.code())?;
            }
            return Ok(self.out.finish(exit));
        }
        let out = &mut self.out;
        if self.totals.interrupted {
            let what = match self.writing.root {
                Some(_) if changed == 0 => "nothing was changed",
                _ => "not all files were treated",
            };
            writeln!(out, "{NOTICE}interrupted{NOTICE:#}: {what}")?;
        }
        if many && files > 0 && !self.talk.quiet {
            write!(
                out,
                "\n{STRONG}{changed} changed{STRONG:#} of {}, {would_change} would be, {unchanged} as they should be",
                count(files, "file"),
            )?;
            for (number, what) in [
                (refused, "refused"),
                (failed, "failed"),
                (not_done, "not done because of others"),
            ] {
                if number > 0 {
                    write!(out, ", {number} {what}")?;
                }
            }
            for (number, what, then) in [
                (cabinets, "cabinet", "with copies not rewritten"),
                (links, "link", "not followed"),
            ] {
                if number > 0 {
                    write!(out, "; {} {then}", count(number, what))?;
                }
            }
            writeln!(out)?;
        }
        if keeps_time && !self.talk.quiet {
            writeln!(out, "\n{}", say::TIME)?;
        }
        if changed > 0 && is_patch && !self.talk.quiet {
            writeln!(out, "\n{}", say::AFTERWARDS)?;
        }
        if would_change > 0 && is_patch && !self.talk.quiet {
            writeln!(out, "\n{}", say::BEFOREHAND)?;
        }
        if would_change > 0 && self.job.target == Target::Show && !self.writing.dry_run {
            let how = match many {
                _ if self.totals.images > 0 => say::HOW_TO_WRITE_IMAGE,
                true => say::HOW_TO_WRITE_ALL,
                false => say::HOW_TO_WRITE,
            };
            writeln!(out, "\n{how}")?;
        }
        Ok(out.finish(exit))
    }
}
