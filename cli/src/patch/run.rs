//! The commands `patch` and `restore`, from the command line to an exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scanner_core::Module;
use tcplimit_report::{Exit, is_module};

use super::disc::{self, DiscResult, patch_disc};
use super::drivers::drivers_in;
use super::failure::{Failure, read_failure};
use super::filesystem::{HostFileSystem, folder_of};
use super::job::Job;
use super::offline_windows::OfflineWindows;
use super::outcome::{FileResult, Outcome, ReportOptions, Target, Task};
use super::reporter::Reporter;
use super::restore::backups;
use super::windows_folders::WindowsFolders;
use crate::arguments::{OutputArgs, Patch, Restore, WriteArgs};
use crate::default_inputs;
use crate::interrupt::stop_flag;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::terminal::{self, command_line, print_error, quoted};
use crate::walk::{self, Item};

/// Runs `patch`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn patch(verb: &Patch, output: OutputArgs) -> io::Result<Exit> {
    let task = Task::Patch { limit: verb.limit };
    let manifest = Manifest::built_in().clone();
    run(&verb.write, task, manifest, output)
}

/// Runs `restore`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn restore(verb: &Restore, output: OutputArgs) -> io::Result<Exit> {
    let manifest = match Manifest::read_or_built_in(verb.manifest.as_deref()) {
        Ok(manifest) => manifest,
        Err(exit) => return Ok(exit),
    };
    let task = Task::Restore {
        use_backup: !verb.without_backup,
    };
    run(&verb.write, task, manifest, output)
}

/// Runs either command.
fn run(
    writing: &WriteArgs,
    task: Task,
    manifest: Manifest,
    output: OutputArgs,
) -> io::Result<Exit> {
    if let Err(usage) = check_usage(writing, task.name()) {
        print_error(&usage);
        return Ok(Exit::Usage);
    }
    let target = match (&writing.output, writing.in_place) {
        (Some(output), _) => Target::Output(output.clone()),
        (None, true) => Target::InPlace,
        (None, false) => Target::DryRun,
    };
    let options = ReportOptions {
        task,
        target: target.clone(),
        touch: writing.touch,
        covers_many_files: writing.recursive || writing.root.is_some() || writing.paths.len() > 1,
        covers_windows: writing.root.is_some(),
        suggests_writing: !writing.dry_run,
        is_quiet: output.quiet,
    };
    let mut run = Run {
        writing,
        job: Job {
            task,
            target,
            module: writing.module.map(Module::from),
            touch: writing.touch,
            running: default_inputs::system_drivers(),
            cabinets: writing.cabinets,
        },
        output,
        fs: HostFileSystem::default(),
        reporter: Reporter::new(options, manifest, writing.json, terminal::stdout()),
        stop: stop_flag(),
    };
    match &writing.root {
        Some(root) => run.patch_windows(root)?,
        None => run.files()?,
    }
    run.reporter.finish(run.fs.warnings())
}

/// Checks the command line.
///
/// # Errors
/// The problem, with advice.
fn check_usage(writing: &WriteArgs, name: &str) -> Result<(), String> {
    if let Some(folder) = writing.paths.iter().find(|path| path.is_dir())
        && !writing.recursive
    {
        let shown = quoted(&folder.to_string_lossy());
        return Err(format!(
            "{} is a folder. For a tree of setup files, add -r: tcplimit {name} -r {shown}; for an installed Windows: tcplimit {name} --root {shown}",
            folder.display(),
        ));
    }
    if writing.output.is_some() && writing.paths.len() != 1 {
        return Err("--output writes one copy: give one FILE with it.".to_owned());
    }
    if let Some(output) = &writing.output {
        if output.as_os_str() == "-" {
            return Err(
                "--output needs a file; standard output is not supported. For a file named -, use --output ./-".to_owned(),
            );
        }
        let folder = folder_of(output);
        if !folder.is_dir() {
            return Err(format!(
                "--output needs an existing folder, but {} does not exist: create it first.",
                folder.display()
            ));
        }
        if output.exists() && !output.is_dir() && !output.is_file() {
            return Err(format!(
                "--output needs a new file, but {} is a device or a pipe. To write nothing, omit --output.",
                output.display()
            ));
        }
        if output.is_dir() {
            return Err(format!(
                "--output needs a file, but {} is a folder.",
                output.display()
            ));
        }
    }
    Ok(())
}

/// The state of a run.
struct Run<'a> {
    writing: &'a WriteArgs,
    job: Job,
    output: OutputArgs,
    fs: HostFileSystem,
    reporter: Reporter,
    stop: Arc<AtomicBool>,
}

impl Run<'_> {
    /// Processes files, and the files in folders, one by one.
    fn files(&mut self) -> io::Result<()> {
        let paths = &self.writing.paths;
        if !self.check_all_exist(paths)? {
            return Ok(());
        }
        let mut items = Vec::new();
        walk::each(paths, |item| {
            let name = item.path.to_string_lossy();
            if !item.within_folder
                || item.problem.is_some()
                || is_module(&name)
                || is_cabinet_name(&name)
            {
                items.push(item);
            }
            !self.stop.load(Ordering::Relaxed)
        });
        let progress = match self.output.quiet || !self.writing.recursive {
            true => Progress::hidden(),
            false => Progress::of_files(),
        };
        items.iter().for_each(|item| progress.found(&item.path));
        for item in items {
            if self.stop.load(Ordering::Relaxed) {
                self.reporter.summary.interrupted = true;
                break;
            }
            self.item(item)?;
            progress.done(0, self.reporter.summary.changed);
            progress.suspend(|| self.reporter.flush())?;
        }
        progress.finish();
        self.suggest_root();
        let summary = &self.reporter.summary;
        if summary.files == 0 && !summary.interrupted {
            self.reporter.report_problem(
                Exit::Refused,
                "found neither tcpip.sys nor tcpip6.sys, compressed or not",
            );
        }
        Ok(())
    }

    /// Processes one file, link, cabinet or disc image.
    fn item(&mut self, item: Item) -> io::Result<()> {
        let Item {
            path,
            within_folder,
            problem,
            ..
        } = item;
        let done = match problem {
            Some(problem) => {
                let failure = read_failure(&path)(io::Error::other(problem));
                FileResult::new(&path, Outcome::Failed(failure))
            }
            None if within_folder && is_link(&path) => {
                return self.reporter.report_link(&path, None);
            }
            None if within_folder
                && is_cabinet_name(&path.to_string_lossy())
                && !self.rewrites_cabinet(&path) =>
            {
                return self.reporter.report_cabinet(&path, drivers_in(&path), None);
            }
            None if !within_folder && disc::is_disc(&path) => return self.patch_image(&path),
            None => {
                // The rename must replace the file, not a link to it.
                let real = match std::fs::canonicalize(&path) {
                    Ok(real) if is_link(&path) => real,
                    _ => path,
                };
                self.job.run(&self.fs, &real)
            }
        };
        self.reporter.report_file(done, None)
    }

    /// Writes a new image with the copies on a disc patched or restored.
    fn patch_image(&mut self, path: &Path) -> io::Result<()> {
        self.reporter.summary.images += 1;
        let progress = match self.output.quiet {
            true => Progress::hidden(),
            false => Progress::of_bytes(),
        };
        let watch = |done: u64, all: u64| {
            progress.set_position(done, all);
            !self.stop.load(Ordering::Relaxed)
        };
        let DiscResult {
            copies,
            archives,
            reason,
        } = patch_disc(&self.job, &self.fs, path, &watch);
        progress.finish();
        for archive in archives {
            let path = path.join(&archive.path);
            let (reason, drivers) = (archive.reason(), &archive.drivers);
            let shown = path.to_string_lossy();
            self.reporter
                .report_skipped(&shown, "cabinet", &reason, drivers, None)?;
        }
        if copies.is_empty() {
            let reason = format!(
                "{}: found neither tcpip.sys nor tcpip6.sys as a separate file on this disc",
                path.display()
            );
            self.reporter.report_problem(Exit::Refused, &reason);
            return Ok(());
        }
        for done in copies {
            if matches!(done.outcome, Outcome::Failed(Failure::Interrupted)) {
                self.reporter.summary.interrupted = true;
            }
            self.reporter.report_file(done, None)?;
        }
        if let Some(reason) = reason {
            self.reporter.flush()?;
            self.reporter.report_problem(Exit::Done, reason);
        }
        Ok(())
    }

    /// Processes the selected Windows folders on a disk, one by one.
    fn patch_windows(&mut self, root: &Path) -> io::Result<()> {
        let which = &self.writing.windows;
        let chosen = WindowsFolders::find_and_select(root, which.choice(), &command_line());
        let (windirs, notes) = match chosen {
            Ok(chosen) => chosen,
            Err((exit, reason)) => {
                self.reporter.report_problem(exit, &reason);
                return Ok(());
            }
        };
        for note in notes {
            self.reporter.add_note(note);
        }
        let mut offline = OfflineWindows {
            job: &self.job,
            fs: &self.fs,
            stop: &self.stop,
            is_one_of_several: which.every,
            reporter: &mut self.reporter,
        };
        for windir in windirs {
            offline.patch(&windir)?;
        }
        Ok(())
    }

    /// Suggests `--root` for a folder that contains an installed Windows.
    fn suggest_root(&mut self) {
        let windows = self.writing.paths.iter().filter(|path| {
            path.is_dir() && WindowsFolders::find(path).is_ok_and(|found| !found.is_empty())
        });
        for path in windows {
            self.reporter.add_note(format!(
                "{} contains an installed Windows. This run treated each copy separately, including those that updates keep for their removal ($NtUninstall…$, $hf_mig$). To change only the copies that Windows uses, all together: tcplimit {} --root {}",
                path.display(),
                self.job.task.name(),
                quoted(&path.to_string_lossy())
            ));
        }
    }

    /// Whether all named files exist. If not, none is processed.
    fn check_all_exist(&mut self, paths: &[PathBuf]) -> io::Result<bool> {
        let mut all = true;
        for path in paths {
            if let Err(error) = std::fs::metadata(path) {
                if self.has_backup(path) {
                    continue;
                }
                all = false;
                let failure = read_failure(path)(error);
                let done = FileResult::new(path, Outcome::Failed(failure));
                self.reporter.report_file(done, None)?;
                let number = path.to_str().filter(|text| text.parse::<u32>().is_ok());
                if let (Some(number), Task::Patch { .. }) = (number, self.job.task) {
                    print_error(&format!(
                        "{number} is taken as a file name. To set that limit, use --limit {number}"
                    ));
                }
            }
        }
        if !all && paths.len() > 1 {
            self.reporter.flush()?;
            self.reporter.report_problem(
                Exit::Unreadable,
                "Nothing was done with the other files: every file named must exist.",
            );
        }
        Ok(all)
    }

    /// Whether a missing file can be restored from a backup.
    fn has_backup(&self, path: &Path) -> bool {
        let uses = matches!(self.job.task, Task::Restore { use_backup: true });
        uses && backups(&self.fs, path).is_ok_and(|backups| !backups.is_empty())
    }

    /// Whether to rewrite a cabinet: it contains drivers.
    fn rewrites_cabinet(&self, path: &Path) -> bool {
        self.job.cabinets && drivers_in(path).is_ok_and(|drivers| !drivers.is_empty())
    }
}

/// Whether a file is a cabinet of many files, by its name.
fn is_cabinet_name(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("cab"))
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}
