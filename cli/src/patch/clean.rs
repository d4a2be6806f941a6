//! `tcplimit clean --root`: removes files of earlier runs that are no longer needed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tcplimit_report::Exit;

use super::failure::Failure;
use super::filesystem::{HostFileSystem, folder_of};
use super::leftover::{Leftover, LeftoverKind, Removal, clean, leftovers};
use super::replace::check_writable;
use super::text::write_row;
use super::windows_folders::WindowsFolders;
use super::windows_install::WindowsInstall;
use crate::arguments::{Clean, OutputArgs};
use crate::interrupt::stop_flag;
use crate::json::{line, summary_line};
use crate::terminal::{
    self, BAD, GOOD, NOTICE, Output, STRONG, command_line, print_error, printable,
};
use crate::text::count;

/// Runs `clean`.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn run(verb: &Clean, output: OutputArgs) -> io::Result<Exit> {
    let mut run = Run {
        verb,
        fs: HostFileSystem::default(),
        out: terminal::stdout(),
        stop: stop_flag(),
        totals: Totals::default(),
        exit: Exit::Done,
    };
    match run.find_windows() {
        Ok(windirs) => {
            for windir in windirs {
                if let Err((exit, reason)) = run.clean_windows(&windir)? {
                    run.report_problem(exit, &reason)?;
                }
            }
        }
        Err((exit, reason)) => run.report_problem(exit, &reason)?,
    }
    run.finish(output)
}

struct Run<'a> {
    verb: &'a Clean,
    fs: HostFileSystem,
    out: Output,
    stop: Arc<AtomicBool>,
    totals: Totals,
    exit: Exit,
}

/// Totals of a run.
#[derive(Default, Serialize)]
struct Totals {
    files: u64,
    would_remove: u64,
    removed: u64,
    stays: u64,
    failed: u64,
    notes: Vec<String>,
    reason: Option<String>,
    interrupted: bool,
    exit_code: u8,
}

impl Run<'_> {
    /// The selected Windows folders.
    fn find_windows(&mut self) -> Result<Vec<PathBuf>, (Exit, String)> {
        let choice = self.verb.windows.choice();
        let (windirs, notes) =
            WindowsFolders::find_and_select(&self.verb.root, choice, &command_line())?;
        self.totals.notes = notes;
        self.totals.notes.iter().for_each(|note| print_error(note));
        Ok(windirs)
    }

    /// Cleans one Windows, or returns why nothing is done there.
    fn clean_windows(&mut self, windir: &Path) -> io::Result<Result<(), (Exit, String)>> {
        let install = match WindowsInstall::find(windir) {
            Ok(install) => install,
            Err(reason) => return Ok(Err((Exit::Unreadable, reason))),
        };
        for copy in &install.linked {
            let path = windir.join(&copy.path);
            let note = format!("{} is a link and was not followed.", path.display());
            print_error(&note);
            self.totals.notes.push(note);
        }
        let stop = Arc::clone(&self.stop);
        let done = match self.verb.in_place {
            true => clean(&self.fs, windir, &install.folders, &|| {
                !stop.load(Ordering::Relaxed)
            }),
            false => self.preview(windir, &install.folders),
        };
        match done {
            Ok(done) => {
                for (left, removal) in &done {
                    self.report(left, removal)?;
                }
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err((failure.exit(), failure.to_string()))),
        }
    }

    /// The planned outcome for each leftover.
    fn preview(
        &self,
        windir: &Path,
        folders: &[PathBuf],
    ) -> Result<Vec<(Leftover, Removal)>, Failure> {
        let left = leftovers(&self.fs, windir, folders, None)?;
        let previewed = left.into_iter().map(|left| {
            let removal = match left.is_removable {
                false => Removal::Stays,
                true => match check_writable(&self.fs, folder_of(&left.path)) {
                    Ok(()) => Removal::WouldRemove,
                    Err(failure) => Removal::Failed(failure),
                },
            };
            (left, removal)
        });
        Ok(previewed.collect())
    }

    fn report(&mut self, left: &Leftover, removal: &Removal) -> io::Result<()> {
        let (number, state, style, words) = match removal {
            Removal::WouldRemove => (
                &mut self.totals.would_remove,
                "would-remove",
                NOTICE,
                "would be removed",
            ),
            Removal::Removed => (&mut self.totals.removed, "removed", GOOD, "removed"),
            Removal::Stays => (&mut self.totals.stays, "stays", NOTICE, "stays"),
            Removal::Failed(_) => (
                &mut self.totals.failed,
                "failed",
                BAD,
                "failed, not removed",
            ),
        };
        *number += 1;
        self.totals.files += 1;
        let exit = match (removal, left.kind) {
            (Removal::Failed(_), _) | (Removal::Stays, LeftoverKind::Lock) => Exit::Unreadable,
            (Removal::Stays, LeftoverKind::Journal) => Exit::Refused,
            _ => Exit::Done,
        };
        // A removable leftover stays only because of Ctrl-C.
        let is_interrupted = left.is_removable && matches!(removal, Removal::Stays);
        self.totals.interrupted |= is_interrupted;
        self.exit = self.exit.max(match is_interrupted {
            true => Exit::Interrupted,
            false => exit,
        });
        let reason = match removal {
            Removal::Failed(failure) => failure.to_string(),
            _ if is_interrupted => "interrupted".to_owned(),
            _ => left.meaning.clone(),
        };
        if self.verb.json {
            return write_json(&mut self.out, left, state, &reason);
        }
        let path = left.path.to_string_lossy();
        let path = printable(&path);
        let out = &mut self.out;
        writeln!(out, "{STRONG}{path}{STRONG:#}: {style}{words}{style:#}")?;
        write_row(out, "this is", left.kind_and_age())?;
        write_row(out, "because", printable(&reason))
    }

    /// Prints why nothing, or not everything, was done.
    fn report_problem(&mut self, exit: Exit, reason: &str) -> io::Result<()> {
        self.out.flush()?;
        print_error(reason);
        self.exit = self.exit.max(exit);
        self.totals.reason = Some(match self.totals.reason.take() {
            Some(before) => format!("{before}\n{reason}"),
            None => reason.to_owned(),
        });
        Ok(())
    }

    fn finish(mut self, output: OutputArgs) -> io::Result<Exit> {
        for warning in self.fs.warnings() {
            self.out.flush()?;
            print_error(&format!("note: {warning}."));
            self.totals.notes.push(warning.to_string());
        }
        let exit = self.exit;
        self.totals.exit_code = exit.code();
        let totals = &self.totals;
        let out = &mut self.out;
        if self.verb.json {
            summary_line(out, totals)?;
            return Ok(out.finish(exit));
        }
        if totals.interrupted {
            writeln!(
                out,
                "{NOTICE}interrupted{NOTICE:#}: not all files were removed"
            )?;
        }
        if totals.files == 0 && totals.reason.is_none() {
            writeln!(out, "no files of earlier runs of tcplimit were found")?;
        } else if totals.files > 0 && !output.quiet {
            let files = count(totals.files, "file");
            let (number, words) = match self.verb.in_place {
                true => (totals.removed, "removed"),
                false => (totals.would_remove, "to remove"),
            };
            write!(
                out,
                "\n{files}: {STRONG}{number} {words}{STRONG:#}, {} kept",
                totals.stays
            )?;
            if totals.failed > 0 {
                write!(out, ", {} failed", totals.failed)?;
            }
            writeln!(out)?;
        }
        if totals.would_remove > 0 && !self.verb.dry_run {
            writeln!(
                out,
                "\nNothing was removed. To remove the files, add --in-place."
            )?;
        }
        Ok(out.finish(exit))
    }
}

fn write_json(out: &mut dyn Write, left: &Leftover, state: &str, reason: &str) -> io::Result<()> {
    #[derive(Serialize)]
    struct LeftoverJson<'a> {
        path: &'a str,
        task: &'static str,
        kind: &'static str,
        age: Option<u64>,
        state: &'a str,
        reason: &'a str,
    }
    line(
        out,
        &LeftoverJson {
            path: &left.path.to_string_lossy(),
            task: "clean",
            kind: left.kind.name(),
            age: left.age(),
            state,
            reason,
        },
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::super::windows_install::tests::tree;
    use super::*;
    use crate::arguments::{Colour, WindowsArgs};

    /// Keeps the output.
    #[derive(Clone, Default)]
    struct Captured(Rc<RefCell<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Cleans a Windows with two incomplete files of a killed run; the exit code, the
    /// output, and the number of files that remain.
    fn cleaned(is_interrupted: bool) -> (Exit, String, usize) {
        let root = tree(&[
            "system32/drivers/tcpip.sys",
            "system32/drivers/tcpip.sys.1.tcplimit-new",
            "system32/drivers/tcpip.sys.2.tcplimit-new",
        ]);
        let verb = Clean {
            root: root.path().to_owned(),
            windows: WindowsArgs {
                windows: None,
                every: false,
            },
            in_place: true,
            dry_run: false,
            json: false,
        };
        let captured = Captured::default();
        let mut run = Run {
            verb: &verb,
            fs: HostFileSystem::default(),
            out: Output::to(Box::new(captured.clone())),
            stop: Arc::new(AtomicBool::new(is_interrupted)),
            totals: Totals::default(),
            exit: Exit::Done,
        };
        run.clean_windows(root.path()).unwrap().unwrap();
        let exit = run.finish(OutputArgs {
            verbose: false,
            quiet: false,
            color: Colour::Auto,
        });
        let output = String::from_utf8(captured.0.borrow().clone()).unwrap();
        let output = anstream::adapter::strip_str(&output).to_string();
        let files = std::fs::read_dir(root.path().join("system32/drivers")).unwrap();
        (exit.unwrap(), output, files.count())
    }

    #[test]
    fn an_interrupted_run_keeps_the_rest_and_reports_it() {
        let (exit, output, files) = cleaned(true);
        assert_eq!((exit, files), (Exit::Interrupted, 3), "{output}");
        assert_eq!(
            output.matches("because      interrupted").count(),
            2,
            "{output}"
        );
        for text in ["not all files were removed", "2 files: 0 removed, 2 kept"] {
            assert!(output.contains(text), "{output}");
        }
    }

    #[test]
    fn a_completed_run_mentions_neither_an_interruption_nor_further_files() {
        let (exit, output, files) = cleaned(false);
        assert_eq!((exit, files), (Exit::Done, 1), "{output}");
        assert!(output.contains("2 files: 2 removed, 0 kept"), "{output}");
        for text in ["interrupted", "Nothing was removed", "failed"] {
            assert!(!output.contains(text), "{output}");
        }
    }
}
