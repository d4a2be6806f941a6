//! The verbs: from the command line to an exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scanner_core::Module;

use super::disc;
use super::disk::{Machine, folder_of};
use super::form::is_module;
use super::installation::Installations;
use super::job::{Done, Job, Target, Task, Verdict};
use super::replace::{Failure, unread};
use super::restore::backups;
use super::told::Totals;
use crate::arguments::{Patch, Restore, Talk, Writing};
use crate::cabinet::{self, Cabinet};
use crate::exit::Exit;
use crate::file::Input;
use crate::folder;
use crate::manifest::Manifest;
use crate::output::{self, Output, complain, quoted};
use crate::progress::Progress;
use crate::source;

use super::status::container;
pub(crate) use super::status::run as status;

/// Runs `patch`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn patch(verb: &Patch, talk: Talk) -> io::Result<Exit> {
    let task = Task::Patch { limit: verb.limit };
    let manifest = Manifest::built_in().clone();
    let disk = Machine::default();
    Run::new(&verb.writing, task, manifest, talk, &disk).map_or_else(Ok, |run| run.all())
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
    let disk = Machine::default();
    Run::new(&verb.writing, task, manifest, talk, &disk).map_or_else(Ok, |run| run.all())
}

pub(super) struct Run<'a> {
    pub(super) writing: &'a Writing,
    pub(super) name: &'static str,
    pub(super) job: Job,
    pub(super) manifest: Manifest,
    pub(super) talk: Talk,
    pub(super) disk: &'a Machine,
    pub(super) out: Output,
    pub(super) totals: Totals,
    pub(super) stop: Arc<AtomicBool>,
}

impl<'a> Run<'a> {
    /// Checks what the command line asks for.
    fn new(
        writing: &'a Writing,
        task: Task,
        manifest: Manifest,
        talk: Talk,
        disk: &'a Machine,
    ) -> Result<Run<'a>, Exit> {
        let name = task.verb();
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
        if let Some(output) = &writing.output {
            if output.as_os_str() == "-" {
                return usage(
                    "--output names a file; nothing is written to standard output. For a file of this name, write --output ./-",
                );
            }
            let folder = folder_of(output);
            if !folder.is_dir() {
                return usage(&format!(
                    "--output names a file in {}, and there is no such folder: make it first.",
                    folder.display()
                ));
            }
            if output.exists() && !output.is_dir() && !output.is_file() {
                return usage(&format!(
                    "--output names a new file, and {} is a device or a pipe. To write nothing, leave --output out.",
                    output.display()
                ));
            }
            if output.is_dir() {
                return usage(&format!(
                    "--output names a file, and {} is a folder.",
                    output.display()
                ));
            }
        }
        Ok(Run {
            writing,
            name,
            job: Job {
                task,
                target,
                module: writing.module.map(Module::from),
                touch: writing.touch,
                running: source::system_drivers(),
                cabinets: writing.cabinets,
            },
            manifest,
            talk,
            disk,
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
                links: 0,
                images: 0,
                notes: Vec::new(),
                put_back: None,
                left: Vec::new(),
                reason: None,
                interrupted: false,
                exit: Exit::Done,
            },
            stop: on_interrupt(),
        })
    }

    fn all(mut self) -> io::Result<Exit> {
        match &self.writing.root {
            Some(root) => match container(root) {
                Some(reason) => self.because(Exit::Input, &reason),
                None => self.disk(root)?,
            },
            None => self.files()?,
        }
        self.finish()
    }

    /// Files, and those in folders, each for itself.
    fn files(&mut self) -> io::Result<()> {
        let paths = &self.writing.paths;
        if !self.are_there(paths)? {
            return Ok(());
        }
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
            false => Progress::of_files(),
        };
        items.iter().for_each(|item| progress.found(&item.path));
        for item in items {
            if self.stop.load(Ordering::Relaxed) {
                self.totals.interrupted = true;
                break;
            }
            let shown = item.path.to_string_lossy().into_owned();
            if let Some(problem) = item.problem {
                let failure = unread(&item.path)(io::Error::other(problem));
                self.tell(Done::new(&item.path, Verdict::Failed(failure)), None)?;
            } else if item.within_folder && is_link(&item.path) {
                self.link(&item.path, None)?;
            } else if item.within_folder && is_large(&shown) && !self.rewrites(&item.path) {
                self.look_into(&item.path, None)?;
            } else if !item.within_folder && disc::is_disc(&item.path) {
                self.disc(&item.path)?;
            } else {
                let done = self.file(&item.path);
                self.tell(done, None)?;
            }
            progress.done(0, self.totals.changed);
            progress.aside(|| self.out.flush())?;
        }
        progress.finish();
        self.point_at_root();
        if self.totals.files == 0 && !self.totals.interrupted {
            self.because(
                Exit::NotLocated,
                "neither tcpip.sys nor tcpip6.sys, compressed or not, is there",
            );
        }
        Ok(())
    }

    /// A folder with an installed Windows in it is better treated as one.
    fn point_at_root(&mut self) {
        let windows: Vec<&PathBuf> = self
            .writing
            .paths
            .iter()
            .filter(|path| {
                path.is_dir() && Installations::on(path).is_ok_and(|found| !found.is_empty())
            })
            .collect();
        for path in windows {
            let note = format!(
                "{} has an installed Windows in it. Here each copy was taken for itself, those that updates keep for their removal ($NtUninstall…$, $hf_mig$) included. To change what Windows uses as one, and nothing else: tcplimit {} --root {}",
                path.display(),
                self.name,
                quoted(&path.to_string_lossy())
            );
            complain(&note);
            self.totals.notes.push(note);
        }
    }

    /// Whether all that is named is there. If not, nothing is done with any.
    fn are_there(&mut self, paths: &[PathBuf]) -> io::Result<bool> {
        let mut all = true;
        for path in paths {
            if let Err(error) = std::fs::metadata(path) {
                if self.has_backup(path) {
                    continue;
                }
                all = false;
                let failure = unread(path)(error);
                self.tell(Done::new(path, Verdict::Failed(failure)), None)?;
                let number = path.to_str().filter(|text| text.parse::<u32>().is_ok());
                if let (Some(number), Task::Patch { .. }) = (number, self.job.task) {
                    complain(&format!(
                        "{number} is taken for a file. To set that limit, write --limit {number}"
                    ));
                }
            }
        }
        if !all && paths.len() > 1 {
            self.out.flush()?;
            self.because(
                Exit::Input,
                "Nothing was done with the others: all that is named must be there.",
            );
        }
        Ok(all)
    }

    /// Whether a backup can take the place of a file that is not there.
    fn has_backup(&self, path: &Path) -> bool {
        let uses = matches!(self.job.task, Task::Restore { use_backup: true });
        uses && backups(self.disk, path).is_ok_and(|backups| !backups.is_empty())
    }

    /// Says why nothing, or not all, was done.
    pub(super) fn because(&mut self, exit: Exit, reason: &str) {
        complain(reason);
        self.worst(exit);
        self.totals.reason = Some(match self.totals.reason.take() {
            Some(before) => format!("{before}\n{reason}"),
            None => reason.to_owned(),
        });
    }

    fn file(&self, path: &Path) -> Done {
        // What is renamed must be the file, not a link that leads to it.
        let path = match std::fs::canonicalize(path) {
            Ok(real) if is_link(path) => real,
            _ => path.to_owned(),
        };
        self.job.run(self.disk, &path)
    }

    /// Whether a cabinet that was found has drivers which are to be changed in it.
    pub(super) fn rewrites(&self, path: &Path) -> bool {
        self.job.cabinets && drivers_in(path).is_ok_and(|drivers| !drivers.is_empty())
    }

    pub(super) fn worst(&mut self, exit: Exit) {
        self.totals.exit = self.totals.exit.max(exit);
    }
}

/// A cabinet of many files, by its name.
fn is_large(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("cab"))
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink())
}

/// How InstallShield's files of that name begin: none of Windows' own.
const INSTALLSHIELD: &[u8] = b"ISc(";

/// The members of a cabinet that are one of the modules by name.
///
/// # Errors
/// When it can't be read, or is no cabinet.
pub(crate) fn drivers_in(path: &Path) -> io::Result<Vec<String>> {
    let content = Input::open(path).and_then(Input::content)?;
    if content.starts_with(INSTALLSHIELD) {
        return Ok(Vec::new());
    }
    if !cabinet::is_cabinet(&content) {
        return Err(io::Error::other("it is no cabinet"));
    }
    let bytes: &[u8] = &content;
    let tables = Cabinet::new(&bytes).map_err(io::Error::other)?;
    let drivers = tables.names().filter(|name| is_module(name));
    Ok(drivers.map(str::to_owned).collect())
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
pub(super) fn on_interrupt() -> Arc<AtomicBool> {
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
