//! `tcplimit status --root`: what each copy in a Windows is like.

use std::io::{self, Write};
use std::path::Path;

use scanner_core::StartUp;
use serde::Serialize;

use super::disk::Machine;
use super::form::is_module;
use super::journal;
use super::restore::backups;
use super::say::row;
use super::system::{Place, System};
use super::verb::drivers_in;
use crate::arguments::{Status, Talk};
use crate::exit::Exit;
use crate::file::Input;
use crate::json::{SCHEMA, line};
use crate::output::{self, NOTICE, cause, complain, printable, quoted};
use crate::probe::{self, Members, Options};
use crate::report::{Origin, Report, State};
use crate::text::{self, Detail};

/// Runs `status`. Nothing is written.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn run(verb: &Status, _talk: Talk) -> io::Result<Exit> {
    let disk = Machine::default();
    let Some(root) = &verb.root else {
        let path = verb.path.as_deref().unwrap_or(Path::new("DIR"));
        let shown = quoted(&path.to_string_lossy());
        complain(&match path.is_file() {
            true => {
                format!("status is for a Windows on a disk. For one file: tcplimit probe {shown}")
            }
            false => format!("name the Windows with --root: tcplimit status --root {shown}"),
        });
        return Ok(Exit::Usage);
    };
    if let Some(reason) = container(root) {
        return nothing(verb, &reason);
    }
    let system = match System::find(root) {
        Ok(system) => system,
        Err(reason) => {
            return nothing(verb, &reason);
        }
    };
    let pending = match journal::is_pending(&disk, &system.home) {
        Ok(pending) => pending,
        Err(failure) => {
            return nothing(verb, &failure.to_string());
        }
    };
    let mut out = output::stdout();
    let mut exit = Exit::Done;
    let mut located = 0_u64;
    for place in &system.places {
        let path = system.home.join(&place.path);
        let backups = match is_module(&path.to_string_lossy()) {
            true => backups(&disk, &path),
            false => Ok(Vec::new()),
        };
        let backups: Vec<String> = match backups {
            Ok(backups) => backups.into_iter().map(|(name, _)| name).collect(),
            Err(failure) => {
                complain(&failure.to_string());
                exit = exit.max(Exit::Input);
                Vec::new()
            }
        };
        for report in reports(&path, place) {
            located += u64::from(report.state.is_located());
            exit = exit.max(match report.state {
                state if state.is_located() => Exit::Done,
                state if state.is_bad_input() => Exit::Input,
                _ => Exit::NotLocated,
            });
            match verb.json {
                true => object(&mut out, &report, place, &backups)?,
                false => tell(&mut out, &report, place, &backups)?,
            }
        }
    }
    if located == 0 {
        exit = exit.max(Exit::NotLocated);
    }
    let journal = system.home.join(journal::NAME);
    match verb.json {
        true => {
            let windows = system.home.to_string_lossy();
            let copies = system.places.iter().filter(|place| !place.is_packed);
            let summary = Summary {
                windows: Some(&windows),
                copies: copies.count(),
                journal_pending: Some(pending),
                reason: None,
                exit_code: exit.code(),
            };
            self::summary(&mut out, summary)?;
        }
        false if system.places.is_empty() => {
            writeln!(out, "neither tcpip.sys nor tcpip6.sys is here")?;
        }
        false => {}
    }
    if pending && !verb.json {
        let journal = journal.to_string_lossy();
        writeln!(
            out,
            "\n{NOTICE}an earlier run was interrupted{NOTICE:#}: {} is there. The next `tcplimit patch` or `restore` with --root and --in-place puts every copy back first.",
            printable(&journal)
        )?;
    }
    out.flush()?;
    Ok(exit)
}

/// What a file is that was named in the place of a folder, where it is an image
/// or an archive.
pub(super) fn container(root: &Path) -> Option<String> {
    if !root.is_file() {
        return None;
    }
    let content = Input::open(root).and_then(Input::content).ok()?;
    let format = crate::format::of(&content)?;
    Some(format!("{}: {}", root.display(), format.says()))
}

/// Says why there is nothing to be told.
fn nothing(verb: &Status, reason: &str) -> io::Result<Exit> {
    complain(reason);
    if verb.json {
        let mut out = output::stdout();
        let summary = Summary {
            windows: None,
            copies: 0,
            journal_pending: None,
            reason: Some(reason),
            exit_code: Exit::Input.code(),
        };
        self::summary(&mut out, summary)?;
        out.flush()?;
    }
    Ok(Exit::Input)
}

/// What `probe` says of a copy, or of those in a cabinet.
fn reports(path: &Path, place: &Place) -> Vec<Report> {
    let shown = path.to_string_lossy();
    let is_cabinet = place.is_packed && !is_module(&shown);
    if is_cabinet && let Err(error) = drivers_in(path) {
        let reason = format!("it can't be looked into: {}", cause(&error));
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
            return vec![Report::new(origin, 0, State::Unreadable, cause(&error))];
        }
    };
    let mut reports = probe::bytes(&shown, &content, &options);
    if is_cabinet {
        let is_copy = |report: &Report| report.origin.member.as_deref().is_some_and(is_module);
        reports.retain(is_copy);
    }
    reports
}

fn tell(out: &mut dyn Write, report: &Report, place: &Place, backups: &[String]) -> io::Result<()> {
    text::report(out, report, Detail::Line)?;
    row(out, "this is", place.role.says())?;
    if let Some(known) = report.file.as_ref().and_then(|file| file.known.as_ref()) {
        row(out, "known as", printable(known))?;
    }
    for backup in backups {
        row(out, "backup", printable(backup))?;
    }
    Ok(())
}

fn object(
    out: &mut dyn Write,
    report: &Report,
    place: &Place,
    backups: &[String],
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: u32,
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
        &Object {
            schema: SCHEMA,
            path: &report.origin.path,
            member: report.origin.member.as_deref(),
            role: place.role.name(),
            state: report.state.name(),
            reason: report.reason.as_deref(),
            limit: match report.start_up {
                Some(StartUp::Unique { value, .. }) => Some(value),
                _ => None,
            },
            module: report.module.map(|module| module.file_name()),
            arch: report.image.map(|image| image.arch.to_string()),
            version: report
                .image
                .and_then(|image| Some(image.version?.to_string())),
            sha256: file.map(|file| file.sha256.as_str()),
            known: file.and_then(|file| file.known.as_deref()),
            backups,
        },
    )
}

#[derive(Serialize)]
struct Summary<'a> {
    windows: Option<&'a str>,
    copies: usize,
    journal_pending: Option<bool>,
    reason: Option<&'a str>,
    exit_code: u8,
}

fn summary(out: &mut dyn Write, summary: Summary<'_>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        schema: u32,
        summary: Summary<'a>,
    }
    let schema = SCHEMA;
    line(out, &Line { schema, summary })
}
