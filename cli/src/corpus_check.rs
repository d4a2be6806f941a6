//! `tcplimit corpus check`: compares the locator's results with the manifest.

use std::io::{self, Write};

use tcplimit_report::{Exit, Origin, Report, State};

use crate::arguments::{Check, OutputArgs};
use crate::corpus_add::locate_both;
use crate::image_probe::{Members, Options};
use crate::input::Input;
use crate::manifest::Manifest;
use crate::parallel::{self, End, Plan, Sink};
use crate::probe;
use crate::progress::Progress;
use crate::terminal::{
    self, BAD, GOOD, NOTICE, Output, STRONG, os_error_text, print_error, printable,
};
use crate::triage;
use crate::walk::{Item, refuse_folders};

/// Runs `corpus check`.
///
/// # Errors
/// If the output can't be written.
pub(crate) fn run(args: &Check, output: OutputArgs) -> io::Result<Exit> {
    if let Some(exit) = refuse_folders(&args.paths, args.scan.recursive, "corpus check") {
        return Ok(exit);
    }
    let manifest = match Manifest::read_or_built_in(args.manifest.as_deref()) {
        Ok(manifest) => manifest,
        Err(exit) => return Ok(exit),
    };
    let mut checker = Checker {
        out: terminal::stdout(),
        agree: 0,
        disagree: 0,
        unknown: 0,
        unreadable: 0,
        progress: match output.quiet || !args.scan.recursive {
            true => Progress::hidden(),
            false => Progress::of_files(),
        },
    };
    let builds = manifest.builds.len();
    if args.paths.is_empty() {
        writeln!(checker.out, "the manifest of {builds} builds is consistent")?;
        return Ok(checker.out.finish(Exit::Done));
    }
    let plan = Plan {
        paths: args.paths.clone(),
        threads: args.scan.threads.map_or(0, usize::from),
        progress: checker.progress.clone(),
    };
    let end = parallel::run(plan, move |item| compare(item, &manifest), &mut checker);
    checker.progress.finish();
    let exit = checker.finish(end?, output)?;
    Ok(checker.out.finish(exit))
}

/// The result of comparing one file or member with the manifest.
enum Finding {
    Agrees(Origin, String),
    Disagrees(Origin, String, Vec<String>),
    /// A module that is not in the manifest.
    Unknown(Origin),
    Unreadable(Origin, String),
}

fn compare(item: &Item, manifest: &Manifest) -> Vec<Finding> {
    let path = item.path.to_string_lossy();
    let unreadable = |reason| vec![Finding::Unreadable(Origin::file(&path), reason)];
    if let Some(problem) = &item.problem {
        return unreadable(problem.clone());
    }
    let input = match Input::open(&item.path) {
        Ok(input) => input,
        Err(error) => return unreadable(os_error_text(&error)),
    };
    let members = if item.within_folder {
        Members::Likely
    } else {
        Members::All
    };
    let options = Options {
        module: None,
        as_loaded: None,
        members,
    };
    let origin = Origin::file(&path);
    if triage::report(&origin, input.head(), input.length()).is_some() {
        return Vec::new();
    }
    let content = match input.content() {
        Ok(content) => content,
        Err(error) => return unreadable(os_error_text(&error)),
    };
    let mut findings = Vec::new();
    probe::visit(&path, &content, &options, &mut |report, data| {
        findings.extend(compare_one(report, data, manifest));
    });
    findings
}

fn compare_one(report: Report, data: &[u8], manifest: &Manifest) -> Option<Finding> {
    if report.state == State::Unreadable {
        return Some(Finding::Unreadable(
            report.origin,
            report.reason.unwrap_or_default(),
        ));
    }
    report.image?;
    let sha256 = tcplimit_report::sha256(data);
    let Some(known) = manifest.find(&sha256) else {
        return report.module.map(|_| Finding::Unknown(report.origin));
    };
    let differences = match locate_both(&report.origin, data, &sha256, known.module(), None) {
        Ok(build) => known.differences(&build),
        Err(reason) => vec![reason],
    };
    let name = known.name.clone();
    Some(match differences.is_empty() {
        true => Finding::Agrees(report.origin, name),
        false => Finding::Disagrees(report.origin, name, differences),
    })
}

struct Checker {
    out: Output,
    agree: u64,
    disagree: u64,
    unknown: u64,
    unreadable: u64,
    progress: Progress,
}

impl Sink<Vec<Finding>> for Checker {
    fn take(&mut self, item: &Item, findings: Vec<Finding>) -> io::Result<()> {
        self.progress.done(0, self.agree);
        for finding in findings {
            self.print(item, finding)?;
        }
        Ok(())
    }

    fn idle(&mut self) -> io::Result<()> {
        match self.out.is_flushed() {
            true => Ok(()),
            false => self.progress.suspend(|| self.out.flush()),
        }
    }
}

impl Checker {
    fn print(&mut self, item: &Item, finding: Finding) -> io::Result<()> {
        let shown = |origin: &Origin| printable(&origin.to_string()).into_owned();
        match finding {
            Finding::Agrees(origin, name) => {
                self.agree += 1;
                let name = printable(&name);
                writeln!(
                    self.out,
                    "{}: {GOOD}agrees{GOOD:#} with {name}",
                    shown(&origin)
                )
            }
            Finding::Disagrees(origin, name, differences) => {
                self.disagree += 1;
                let name = printable(&name);
                writeln!(
                    self.out,
                    "{}: {BAD}disagrees{BAD:#} with {name}",
                    shown(&origin)
                )?;
                for difference in differences {
                    writeln!(self.out, "  {}", printable(&difference))?;
                }
                Ok(())
            }
            Finding::Unknown(origin) => {
                self.unknown += 1;
                writeln!(
                    self.out,
                    "{}: {NOTICE}not in the manifest{NOTICE:#}",
                    shown(&origin)
                )
            }
            Finding::Unreadable(origin, reason) => {
                self.unreadable += u64::from(!item.within_folder);
                let (progress, out) = (&self.progress, &mut self.out);
                progress.suspend(|| out.flush())?;
                progress.suspend(|| print_error(&format!("{origin}: {reason}")));
                Ok(())
            }
        }
    }

    fn finish(&mut self, end: End, output: OutputArgs) -> io::Result<Exit> {
        if end == End::Interrupted {
            writeln!(
                self.out,
                "{NOTICE}interrupted{NOTICE:#}: some files were not checked"
            )?;
        }
        if !output.quiet || end == End::Interrupted {
            let Checker {
                agree,
                disagree,
                unknown,
                ..
            } = self;
            let are = if *unknown == 1 { "is" } else { "are" };
            writeln!(
                self.out,
                "{STRONG}{agree} agree, {disagree} disagree{STRONG:#}, {unknown} {are} not in the manifest"
            )?;
        }
        Ok(match self {
            _ if end == End::Interrupted => Exit::Interrupted,
            Checker { disagree: 1.., .. } => Exit::Refused,
            Checker {
                unreadable: 1.., ..
            } => Exit::Unreadable,
            Checker { agree: 0, .. } => Exit::Refused,
            _ => Exit::Done,
        })
    }
}
