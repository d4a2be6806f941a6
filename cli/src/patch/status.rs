//! `tcplimit status --root`: the state of each copy in a Windows.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use scanner_core::StartUpStore;
use serde::Serialize;
use tcplimit_report::{Exit, Origin, Report, State, is_module};

use super::drivers::drivers_in;
use super::failure::Failure;
use super::filesystem::HostFileSystem;
use super::journal::{self, FileState};
use super::leftover::{Leftover, leftovers};
use super::lock::{self, HeldLock, OwnerState};
use super::restore::backups;
use super::text::write_row;
use super::windows_folders::{Choice, WindowsFolders};
use super::windows_install::{DriverCopy, WindowsInstall};
use crate::arguments::{OutputArgs, Status};
use crate::image_probe::{Members, Options};
use crate::input::Input;
use crate::json::{line, summary_line};
use crate::probe;
use crate::terminal::{
    self, BAD, NOTICE, Output, STRONG, os_error_text, print_error, printable, quoted,
};
use crate::text::{self, Detail, count};

/// Runs `status`. Nothing is written.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn run(verb: &Status, _output: OutputArgs) -> io::Result<Exit> {
    let Some(root) = &verb.root else {
        let path = verb.path.as_deref().unwrap_or(Path::new("DIR"));
        let shown = quoted(&path.to_string_lossy());
        print_error(&match path.is_file() {
            true => {
                format!("status needs a Windows folder. For one file: tcplimit probe {shown}")
            }
            false => format!("give the Windows folder with --root: tcplimit status --root {shown}"),
        });
        return Ok(Exit::Usage);
    };
    let choice = match verb.windows.choice() {
        // Without a choice, status shows all.
        Choice::Only => Choice::Every,
        choice => choice,
    };
    let (windirs, notes) = match WindowsFolders::find_and_select(root, choice, "") {
        Ok(chosen) => chosen,
        Err((_, reason)) => return report_none(verb, &reason),
    };
    notes.iter().for_each(|note| print_error(note));
    let mut out = terminal::stdout();
    let mut exit = Exit::Done;
    let is_one = windirs.len() == 1;
    for windir in &windirs {
        if !is_one && !verb.json {
            let windir = windir.to_string_lossy();
            writeln!(
                out,
                "{STRONG}The Windows in {}{STRONG:#}\n",
                printable(&windir)
            )?;
        }
        exit = exit.max(report_windows(&mut out, verb, windir)?);
        if !is_one && !verb.json {
            writeln!(out)?;
        }
    }
    Ok(out.finish(exit))
}

/// Reports one Windows.
fn report_windows(out: &mut Output, verb: &Status, windir: &Path) -> io::Result<Exit> {
    let fs = HostFileSystem::default();
    let found = WindowsInstall::find(windir).and_then(|install| {
        let read = Activity::read(&fs, windir).and_then(|activity| {
            let left = leftovers(&fs, windir, &install.folders, None)?;
            Ok((activity, left))
        });
        let (activity, left) = read.map_err(|failure| failure.to_string())?;
        Ok((install, activity, left))
    });
    let (install, activity, left) = match found {
        Ok(found) => found,
        Err(reason) => {
            report_problem(out, verb, Some(windir), &reason)?;
            return Ok(Exit::Unreadable);
        }
    };
    let mut exit = Exit::Done;
    if let Some(problem) = &activity.problem {
        print_error(problem);
        exit = Exit::Unreadable;
    }
    let mut located = 0_u64;
    for copy in &install.copies {
        let path = install.windir.join(&copy.path);
        let backups: Vec<String> = match backups(&fs, &path) {
            Ok(backups) => names(backups),
            Err(failure) => {
                print_error(&failure.to_string());
                exit = exit.max(Exit::Unreadable);
                Vec::new()
            }
        };
        for report in probe_copy(&path, copy) {
            located += u64::from(report.state.is_located());
            exit = exit.max(match report.state {
                state if state.is_located() => Exit::Done,
                state if state.is_bad_input() => Exit::Unreadable,
                _ => Exit::Refused,
            });
            match verb.json {
                true => write_json(out, &report, copy, &backups)?,
                false => write_report(out, &report, copy)?,
            }
        }
    }
    for copy in &install.missing {
        let path = install.windir.join(&copy.path);
        let backups = backups(&fs, &path).map(names).unwrap_or_default();
        let shown = path.to_string_lossy();
        exit = exit.max(Exit::Refused);
        let cabinets = if is_module(&shown) { "" } else { "--cabinets " };
        let command = format!("tcplimit restore --in-place {cabinets}{}", quoted(&shown));
        let absent = Absent {
            path: &shown,
            copy,
            state: "missing",
            headline: ("missing", ", but a backup exists"),
            reason: "the file is missing, but a backup exists: tcplimit restore --in-place restores it",
            backups: &backups,
            advice: ("restore it", &command),
        };
        absent.write(out, verb.json)?;
    }
    for copy in &install.linked {
        let path = install.windir.join(&copy.path);
        let shown = path.to_string_lossy();
        exit = exit.max(Exit::Refused);
        let reason = "it is a link whose target may lie outside this Windows";
        let absent = Absent {
            path: &shown,
            copy,
            state: "link",
            headline: ("a link", ", not followed"),
            reason,
            backups: &[],
            advice: ("because", reason),
        };
        absent.write(out, verb.json)?;
    }
    if located == 0 {
        exit = exit.max(Exit::Refused);
    }
    match verb.json {
        true => {
            let windows = install.windir.to_string_lossy();
            let copies = install.copies.iter().filter(|copy| !copy.is_cabinet_file);
            let summary = Summary {
                windows: Some(&windows),
                copies: copies.count(),
                journal_pending: Some(activity.is_pending),
                journal: activity.entries(),
                leftovers: left.iter().map(LeftoverObject::new).collect(),
                at_work: activity.at_work().map(HeldLock::to_string),
                reason: None,
                exit_code: exit.code(),
            };
            summary_line(out, &summary)?;
        }
        false if install.copies.is_empty() && install.linked.is_empty() => {
            writeln!(out, "found neither tcpip.sys nor tcpip6.sys")?;
        }
        false => {}
    }
    if !verb.json {
        write_leftovers(out, verb, &left)?;
        activity.write(out, &install.windir)?;
    }
    Ok(exit)
}

fn names(backups: Vec<(OsString, Vec<u8>)>) -> Vec<String> {
    let names = backups.iter().map(|(name, _)| name.to_string_lossy());
    names.map(String::from).collect()
}

/// Unfinished work of other runs.
struct Activity {
    is_pending: bool,
    files: Vec<(String, FileState)>,
    /// Why the journal can't be used.
    problem: Option<String>,
    lock: Option<HeldLock>,
}

impl Activity {
    fn read(fs: &HostFileSystem, windir: &Path) -> Result<Activity, Failure> {
        let is_pending = journal::is_pending(fs, windir)?;
        let (files, problem) = match journal::inspect(fs, windir) {
            Ok(files) => (files, None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        Ok(Activity {
            is_pending,
            files,
            problem,
            lock: lock::inspect(fs, windir)?,
        })
    }

    fn at_work(&self) -> Option<&HeldLock> {
        let lock = self.lock.as_ref();
        lock.filter(|held| held.owner_state == OwnerState::Running)
    }

    fn write(&self, out: &mut dyn Write, windir: &Path) -> io::Result<()> {
        if let Some(held) = self.at_work() {
            let held = held.to_string();
            return writeln!(
                out,
                "\n{NOTICE}another run is in progress{NOTICE:#}: {}. This report may be out of date.",
                printable(&held)
            );
        }
        if !self.is_pending || self.problem.is_some() {
            return Ok(());
        }
        let journal = windir.join(journal::NAME).to_string_lossy().into_owned();
        writeln!(
            out,
            "\n{NOTICE}an earlier run was interrupted{NOTICE:#} and left {}. The next `tcplimit patch` or `restore` with --root and --in-place first rolls back its changes:",
            printable(&journal)
        )?;
        for (path, now) in &self.files {
            writeln!(out, "  {}: {}", printable(path), now.description())?;
        }
        if self.files.is_empty() {
            writeln!(out, "  none: the run had changed nothing")?;
        }
        Ok(())
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let files = self.files.iter();
        let entries = files.map(|(path, now)| Entry {
            path,
            now: now.name(),
        });
        entries.collect()
    }
}

/// A copy that can't be probed.
struct Absent<'a> {
    path: &'a str,
    copy: &'a DriverCopy,
    /// The state in JSON.
    state: &'static str,
    /// The problem, shown in color, and the rest of the headline.
    headline: (&'static str, &'static str),
    reason: &'static str,
    backups: &'a [String],
    advice: (&'static str, &'a str),
}

impl Absent<'_> {
    fn write(&self, out: &mut dyn Write, json: bool) -> io::Result<()> {
        if json {
            return self.write_json(out);
        }
        let (bad, then) = self.headline;
        let path = printable(self.path);
        writeln!(out, "{STRONG}{path}{STRONG:#}: {BAD}{bad}{BAD:#}{then}")?;
        write_row(out, "this is", self.copy.role.description())?;
        for backup in self.backups {
            write_row(out, "backup", printable(backup))?;
        }
        let (label, advice) = self.advice;
        write_row(out, label, printable(advice))
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct AbsentCopyJson<'a> {
            path: &'a str,
            role: &'static str,
            state: &'static str,
            reason: &'static str,
            backups: &'a [String],
        }
        line(
            out,
            &AbsentCopyJson {
                path: self.path,
                role: self.copy.role.name(),
                state: self.state,
                reason: self.reason,
                backups: self.backups,
            },
        )
    }
}

/// Reports why there is nothing to show.
fn report_none(verb: &Status, reason: &str) -> io::Result<Exit> {
    let mut out = terminal::stdout();
    report_problem(&mut out, verb, None, reason)?;
    Ok(out.finish(Exit::Unreadable))
}

/// Reports why one Windows, or all, can't be shown.
fn report_problem(
    out: &mut Output,
    verb: &Status,
    windir: Option<&Path>,
    reason: &str,
) -> io::Result<()> {
    out.flush()?;
    print_error(reason);
    if !verb.json {
        return Ok(());
    }
    let windows = windir.map(Path::to_string_lossy);
    let summary = Summary {
        windows: windows.as_deref(),
        copies: 0,
        journal_pending: None,
        journal: Vec::new(),
        leftovers: Vec::new(),
        at_work: None,
        reason: Some(reason),
        exit_code: Exit::Unreadable.code(),
    };
    summary_line(out, &summary)
}

/// The reports of `probe` on a copy, or on the copies in a cabinet.
fn probe_copy(path: &Path, copy: &DriverCopy) -> Vec<Report> {
    let shown = path.to_string_lossy();
    let is_cabinet = copy.is_cabinet_file && !is_module(&shown);
    if is_cabinet && let Err(error) = drivers_in(path) {
        let reason = format!("it can't be opened: {}", os_error_text(&error));
        let origin = Origin::file(&shown);
        return vec![Report::new(origin, 0, State::Unreadable, reason)];
    }
    let options = Options {
        members: Members::Likely,
        ..Options::default()
    };
    let content = match Input::open(path).and_then(Input::content) {
        Ok(content) => content,
        Err(error) => {
            let origin = Origin::file(&shown);
            return vec![Report::new(
                origin,
                0,
                State::Unreadable,
                os_error_text(&error),
            )];
        }
    };
    let mut reports = probe::bytes(&shown, &content, &options);
    if is_cabinet {
        let is_copy = |report: &Report| report.origin.member.as_deref().is_some_and(is_module);
        reports.retain(is_copy);
    }
    reports
}

fn write_report(out: &mut dyn Write, report: &Report, copy: &DriverCopy) -> io::Result<()> {
    text::report(out, report, Detail::Line)?;
    write_row(out, "this is", copy.role.description())?;
    if let Some(known) = report.file.as_ref().and_then(|file| file.known) {
        write_row(out, "known as", printable(known))?;
    }
    Ok(())
}

/// Writes the files that runs left.
fn write_leftovers(out: &mut dyn Write, verb: &Status, left: &[Leftover]) -> io::Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nFiles left by runs of tcplimit:")?;
    for left in left {
        let path = left.path.to_string_lossy();
        writeln!(
            out,
            "{STRONG}{}{STRONG:#}: {}",
            printable(&path),
            left.kind_and_age()
        )?;
        write_row(out, "meaning", printable(&left.meaning))?;
    }
    let useless = left.iter().filter(|left| left.is_removable).count();
    if useless == 0 {
        return Ok(());
    }
    let mut command = "tcplimit clean".to_owned();
    for (option, path) in [("--root", &verb.root), ("--windows", &verb.windows.windows)] {
        if let Some(path) = path {
            command.push_str(&format!(" {option} {}", quoted(&path.to_string_lossy())));
        }
    }
    let number = count(u64::try_from(useless).unwrap_or(u64::MAX), "file");
    writeln!(
        out,
        "No longer needed: {number}. To list and remove: {command}"
    )
}

fn write_json(
    out: &mut dyn Write,
    report: &Report,
    copy: &DriverCopy,
    backups: &[String],
) -> io::Result<()> {
    #[derive(Serialize)]
    struct CopyJson<'a> {
        path: &'a str,
        member: Option<&'a str>,
        role: &'static str,
        state: &'static str,
        reason: Option<&'a str>,
        limit: Option<u32>,
        module: Option<&'static str>,
        arch: Option<String>,
        version: Option<String>,
        sha256: Option<&'a str>,
        known: Option<&'a str>,
        backups: &'a [String],
    }
    let file = report.file.as_ref();
    line(
        out,
        &CopyJson {
            path: &report.origin.path,
            member: report.origin.member.as_deref(),
            role: copy.role.name(),
            state: report.state.name(),
            reason: report.reason.as_deref(),
            limit: match report.start_up {
                Some(StartUpStore::Unique { value, .. }) => Some(value),
                _ => None,
            },
            module: report.module.map(|module| module.file_name()),
            arch: report.image.map(|image| image.arch.to_string()),
            version: report
                .image
                .and_then(|image| Some(image.version?.to_string())),
            sha256: file.map(|file| file.sha256.as_str()),
            known: file.and_then(|file| file.known),
            backups,
        },
    )
}

/// A file of an unfinished transaction.
#[derive(Serialize)]
struct Entry<'a> {
    path: &'a str,
    now: &'static str,
}

/// A file that a run left.
#[derive(Serialize)]
struct LeftoverObject<'a> {
    path: Cow<'a, str>,
    kind: &'static str,
    age: Option<u64>,
    useless: bool,
    meaning: &'a str,
}

impl LeftoverObject<'_> {
    fn new(left: &Leftover) -> LeftoverObject<'_> {
        LeftoverObject {
            path: left.path.to_string_lossy(),
            kind: left.kind.name(),
            age: left.age(),
            useless: left.is_removable,
            meaning: &left.meaning,
        }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    windows: Option<&'a str>,
    copies: usize,
    journal_pending: Option<bool>,
    journal: Vec<Entry<'a>>,
    leftovers: Vec<LeftoverObject<'a>>,
    at_work: Option<String>,
    reason: Option<&'a str>,
    exit_code: u8,
}
