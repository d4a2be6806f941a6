//! The verbs: from the command line to an exit code.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scanner_core::Module;

use super::disk::Machine;
use super::form::is_module;
use super::job::{Done, Job, Target, Task, Verdict};
use super::journal::Found;
use super::replace::Failure;
use super::system::Place;
use super::{object, say};
use crate::arguments::{Patch, Restore, Talk, Writing};
use crate::cabinet::{self, Cabinet};
use crate::exit::Exit;
use crate::file::Input;
use crate::folder;
use crate::manifest::Manifest;
use crate::output::{self, NOTICE, STRONG, complain, quoted};
use crate::progress::Progress;
use crate::source;
use crate::text::count;

pub(crate) use super::status::run as status;

/// Runs `patch`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn patch(verb: &Patch, talk: Talk) -> io::Result<Exit> {
    let task = Task::Patch { limit: verb.limit };
    Run::new(
        &verb.writing,
        task,
        "patch",
        Manifest::built_in().clone(),
        talk,
    )
    .map_or_else(Ok, |run| run.all())
}

/// Runs `restore`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn restore(verb: &Restore, talk: Talk) -> io::Result<Exit> {
    let manifest = match &verb.manifest {
        None => Manifest::built_in().clone(),
        Some(path) => match Manifest::read(path) {
            Ok(manifest) => manifest,
            Err((exit, reason)) => {
                complain(&format!("{}: {reason}", path.display()));
                return Ok(exit);
            }
        },
    };
    let task = Task::Restore {
        use_backup: !verb.without_backup,
    };
    Run::new(&verb.writing, task, "restore", manifest, talk).map_or_else(Ok, |run| run.all())
}

/// What a run adds up to.
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
    pub(crate) found: Found,
    /// Why none of the copies in a Windows was changed.
    pub(crate) reason: Option<String>,
    pub(crate) interrupted: bool,
    pub(super) exit: Exit,
}

pub(super) struct Run<'a> {
    pub(super) writing: &'a Writing,
    pub(super) name: &'static str,
    pub(super) job: Job,
    pub(super) manifest: Manifest,
    pub(super) talk: Talk,
    pub(super) disk: Machine,
    pub(super) out: io::BufWriter<anstream::Stdout>,
    pub(super) totals: Totals,
    pub(super) stop: Arc<AtomicBool>,
}

impl<'a> Run<'a> {
    /// Checks what the command line asks for.
    fn new(
        writing: &'a Writing,
        task: Task,
        name: &'static str,
        manifest: Manifest,
        talk: Talk,
    ) -> Result<Run<'a>, Exit> {
        let usage = |text: &str| {
            complain(text);
            Err(Exit::Usage)
        };
        let target = match (&writing.output, writing.in_place) {
            (Some(output), _) => Target::Output(output.clone()),
            (None, true) => Target::InPlace,
            (None, false) => Target::Show,
        };
        if let Some(folder) = writing.paths.iter().find(|path| path.is_dir())
            && !writing.recursive
        {
            let shown = quoted(&folder.to_string_lossy());
            return usage(&format!(
                "{} is a folder. For a tree of setup files, add -r: tcplimit {name} -r {shown}; for an installed Windows: tcplimit {name} --root {shown}",
                folder.display(),
            ));
        }
        if writing.output.is_some() && writing.paths.len() != 1 {
            return usage("--output takes one copy: give one FILE with it.");
        }
        Ok(Run {
            writing,
            name,
            job: Job {
                task,
                target,
                module: writing.module.map(Module::from),
                running: source::system_drivers(),
            },
            manifest,
            talk,
            disk: Machine::default(),
            out: output::stdout(),
            totals: Totals {
                files: 0,
                changed: 0,
                would_change: 0,
                unchanged: 0,
                not_done: 0,
                refused: 0,
                failed: 0,
                cabinets: 0,
                found: Found::Nothing,
                reason: None,
                interrupted: false,
                exit: Exit::Done,
            },
            stop: on_interrupt(),
        })
    }

    fn all(mut self) -> io::Result<Exit> {
        match &self.writing.root {
            Some(root) => self.system(root)?,
            None => self.files()?,
        }
        self.finish()
    }

    /// Files, and those in folders, each for itself.
    fn files(&mut self) -> io::Result<()> {
        let paths = &self.writing.paths;
        let mut items = Vec::new();
        folder::each(paths, |item| {
            let name = item.path.to_string_lossy();
            if !item.within_folder || item.problem.is_some() || is_module(&name) || is_large(&name)
            {
                items.push(item);
            }
            !self.stop.load(Ordering::Relaxed)
        });
        let progress = match self.talk.quiet || !self.writing.recursive {
            true => Progress::hidden(),
            false => Progress::new(),
        };
        items.iter().for_each(|_| progress.found());
        for item in items {
            if self.stop.load(Ordering::Relaxed) {
                self.totals.interrupted = true;
                break;
            }
            let shown = item.path.to_string_lossy().into_owned();
            if let Some(problem) = item.problem {
                complain(&format!("{shown}: {problem} (skipped)"));
                continue;
            }
            if item.within_folder && is_large(&shown) {
                let drivers = drivers_in(&item.path);
                if !drivers.is_empty() {
                    self.cabinet(&item.path, &drivers, None)?;
                }
            } else {
                let done = self.file(&item.path);
                self.tell(&done, None)?;
            }
            progress.done(0, self.totals.changed);
            progress.aside(|| self.out.flush())?;
        }
        progress.finish();
        if self.totals.files == 0 && !self.totals.interrupted {
            complain("neither tcpip.sys nor tcpip6.sys, compressed or not, is there");
            self.totals.exit = Exit::NotLocated;
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> Done {
        // What is renamed must be the file, not a link that leads to it.
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
        let path = match std::fs::canonicalize(path) {
            Ok(real) if is_link => real,
            _ => path.to_owned(),
        };
        self.job.run(&self.disk, &path)
    }

    pub(super) fn worst(&mut self, exit: Exit) {
        self.totals.exit = self.totals.exit.max(exit);
    }

    pub(super) fn cabinet(
        &mut self,
        path: &Path,
        drivers: &[String],
        place: Option<&Place>,
    ) -> io::Result<()> {
        self.totals.cabinets += 1;
        let shown = path.to_string_lossy();
        match self.writing.json {
            true => {
                let role = place.map(|place| place.role.name());
                object::cabinet(&mut self.out, &self.job, &shown, drivers, role)
            }
            false => {
                let note = place.map(|place| place.role.says());
                say::cabinet(&mut self.out, &shown, drivers, note)
            }
        }
    }

    pub(super) fn tell(&mut self, done: &Done, place: Option<&Place>) -> io::Result<()> {
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

    fn finish(mut self) -> io::Result<Exit> {
        let Totals {
            files,
            changed,
            would_change,
            unchanged,
            not_done,
            refused,
            failed,
            cabinets,
            ..
        } = self.totals;
        let exit = match self.totals.interrupted {
            true => Exit::Interrupted,
            false => self.totals.exit,
        };
        let many = self.writing.recursive || self.writing.root.is_some() || files > 1;
        if self.writing.json {
            if many || self.totals.interrupted {
                object::summary(&mut self.out, &self.totals, exit.code())?;
            }
            self.out.flush()?;
            return Ok(exit);
        }
        let out = &mut self.out;
        if self.totals.interrupted {
            let what = match self.writing.root {
                Some(_) => "nothing was changed",
                None => "not all files were treated",
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
            match cabinets {
                0 => writeln!(out)?,
                some => writeln!(
                    out,
                    "; {} with copies not rewritten",
                    count(some, "cabinet")
                )?,
            }
        }
        if changed > 0 && self.name == "patch" && !self.talk.quiet {
            writeln!(out, "\n{}", say::AFTERWARDS)?;
        }
        if would_change > 0 && self.job.target == Target::Show && !self.writing.dry_run {
            let how = match many {
                true => say::HOW_TO_WRITE_ALL,
                false => say::HOW_TO_WRITE,
            };
            writeln!(out, "\n{how}")?;
        }
        out.flush()?;
        Ok(exit)
    }
}

/// A cabinet of many files, by its name.
fn is_large(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("cab"))
}

/// The members of a cabinet that are one of the modules by name. What is no
/// cabinet, or can't be read, has none.
pub(crate) fn drivers_in(path: &Path) -> Vec<String> {
    let Ok(content) = Input::open(path).and_then(Input::content) else {
        return Vec::new();
    };
    match Cabinet::new(&content) {
        Ok(tables) if cabinet::is_cabinet(&content) => {
            let drivers = tables.names().filter(|name| is_module(name));
            drivers.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn exit_of(failure: &Failure) -> Exit {
    match failure {
        Failure::Refused(refusal) if !refusal.is_bad_input() => Exit::NotLocated,
        Failure::Interrupted => Exit::Interrupted,
        _ => Exit::Input,
    }
}

/// Set by Ctrl-C, which is obeyed between two files; another one ends the
/// program at once, which loses nothing either.
fn on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    // A second run in one process keeps the first handler: only tests do that.
    let _ = ctrlc::set_handler(move || {
        if told.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
    stop
}
