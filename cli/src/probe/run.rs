//! `tcplimit probe`, from the command line to the exit code.

use std::io::{self, Write};

use scanner_core::Module;
use tcplimit_report::{Exit, Origin, Report, State};

use crate::archive::{self, Archive};
use crate::arguments::{OutputArgs, Probe, hint_at_base};
use crate::default_inputs::{self, SPECIMEN, SPECIMEN_NAME, SPECIMEN_NOTE, Verdict};
use crate::exit_codes::Outcome;
use crate::image_probe::{Members, Options, with_file_facts};
use crate::input::Input;
use crate::parallel::{self, End, Plan, Sink};
use crate::progress::Progress;
use crate::simulated_load::LoadBase;
use crate::summary::Summary;
use crate::terminal::{self, Output, os_error_text, print_error, printable, quoted};
use crate::text::{self, Detail};
use crate::walk::{Item, refuse_folders};
use crate::{json, triage};

/// Runs `probe`.
///
/// # Errors
/// If the output can't be written.
pub(crate) fn run(args: Probe, output: OutputArgs) -> io::Result<Exit> {
    if let Some(exit) = refuse_folders(&args.paths, args.scan.recursive, "probe") {
        return Ok(exit);
    }
    let system = args.paths.is_empty();
    let paths = if system {
        default_inputs::system_drivers()
    } else {
        args.paths
    };
    hint_at_base(&paths);
    let options = args.search.options();
    let folders = paths.iter().any(|path| path.is_dir());
    let mut reporter = Reporter {
        out: terminal::stdout(),
        json: args.json,
        output,
        detail: match (output.verbose, folders || paths.len() > MAX_FULL_REPORTS) {
            (true, _) => Detail::Verbose,
            (false, true) => Detail::Line,
            (false, false) => Detail::Full,
        },
        folders,
        options,
        progress: match output.quiet || !folders {
            true => Progress::hidden(),
            false => Progress::of_bytes(),
        },
        outcomes: vec![Outcome::default(); paths.len()],
        reached: 0,
        summary: Summary::new(),
    };
    let single = paths.len() <= 1 && !folders;
    if paths.is_empty() && !cfg!(windows) {
        let exit = reporter.specimen()?;
        return Ok(reporter.out.finish(exit));
    }

    let plan = Plan {
        paths,
        threads: args.scan.threads.map_or(0, usize::from),
        progress: reporter.progress.clone(),
    };
    let (json, detail) = (args.json, reporter.detail);
    let identify = move |item: &Item, report: &Report| {
        // A report on a located limit notes a wrong checksum, even in one line.
        json || report.state.is_located()
            || detail_of(detail, item.within_folder, report) != Detail::Line
    };
    let work = move |item: &Item| examine(item, &options, |report| identify(item, report));
    let end = parallel::run(plan, work, &mut reporter);
    reporter.progress.finish();
    let exit = match end {
        // The output is lost: the files so far count.
        Err(_) => reporter.worst(),
        Ok(end) => {
            let exit = reporter.finish(end, single)?;
            match system && end == End::Complete {
                true => reporter.system_verdict(exit)?,
                false => exit,
            }
        }
    };
    Ok(reporter.out.finish(exit))
}

/// The detail for one file: uninteresting files in folders get one line.
fn detail_of(detail: Detail, within_folder: bool, report: &Report) -> Detail {
    match detail {
        Detail::Verbose if within_folder && !report.is_of_interest() => Detail::Line,
        detail => detail,
    }
}

/// The command that explains a file with the same options.
fn explain_command(options: &Options, path: &str) -> String {
    let mut command = "tcplimit explain".to_owned();
    match options.module {
        Some(Module::Tcpip) => command.push_str(" --module tcpip"),
        Some(Module::Tcpip6) => command.push_str(" --module tcpip6"),
        None => {}
    }
    match options.as_loaded {
        Some(LoadBase::Typical) => command.push_str(" --as-loaded"),
        Some(LoadBase::At(base)) => command.push_str(&format!(" --as-loaded={base:X}")),
        None => {}
    }
    format!("{command} {}", quoted(path))
}

/// Up to this many files get a full report each.
const MAX_FULL_REPORTS: usize = 10;

/// Prints the report on each file in order.
struct Reporter {
    out: Output,
    json: bool,
    output: OutputArgs,
    detail: Detail,
    folders: bool,
    options: Options,
    progress: Progress,
    outcomes: Vec<Outcome>,
    /// Number of paths reached so far.
    reached: usize,
    summary: Summary,
}

impl Sink<Examined> for Reporter {
    fn take(&mut self, item: &Item, examined: Examined) -> io::Result<()> {
        let Examined { bytes, reports } = examined;
        self.reached = item.named + 1;
        self.summary.add(bytes, &reports);
        self.progress
            .done(self.summary.bytes, self.summary.located());
        for report in &reports {
            if let Some(outcome) = self.outcomes.get_mut(item.named) {
                outcome.note(report.state, item.within_folder);
            }
            self.print(report, item.within_folder)?;
        }
        let is_uninteresting =
            |report: &Report| report.origin.member.is_some() && !report.is_of_interest();
        let silent = item.within_folder || self.json || self.output.verbose || reports.is_empty();
        if !silent && reports.iter().all(is_uninteresting) {
            let path = item.path.to_string_lossy();
            let text = text::no_member(&path, reports.len(), "-v");
            writeln!(self.out, "{}", printable(&text))?;
        }
        self.out.is_wanted()
    }

    fn idle(&mut self) -> io::Result<()> {
        if !self.out.is_flushed() {
            self.progress.suspend(|| self.out.flush())?;
        }
        self.out.is_wanted()
    }
}

impl Reporter {
    fn print(&mut self, report: &Report, within_folder: bool) -> io::Result<()> {
        if self.json {
            return json::report(&mut self.out, report);
        }
        let among_many = within_folder || report.origin.member.is_some();
        if among_many && !report.is_of_interest() && !self.output.verbose {
            return Ok(());
        }
        if report.state == State::Unreadable {
            let reason = report.reason.as_deref().unwrap_or_default();
            let skipped = if within_folder { " (skipped)" } else { "" };
            let text = format!("{}: {reason}{skipped}", report.origin);
            // Keep the order with standard output if both go to the same terminal.
            self.progress.suspend(|| self.out.flush())?;
            self.progress.suspend(|| print_error(&text));
            return Ok(());
        }
        let detail = detail_of(self.detail, within_folder, report);
        text::report(&mut self.out, report, detail)?;
        let candidate = report.search.and_then(|search| search.findings().copied());
        if detail != Detail::Line && !report.state.is_located() && candidate.is_some() {
            let command = explain_command(&self.options, &report.origin.path);
            writeln!(self.out, "  The code behind it: {}", printable(&command))?;
        }
        Ok(())
    }

    /// The worst result of the paths reached.
    fn worst(&self) -> Exit {
        let outcomes = self.outcomes.iter().take(self.reached);
        outcomes
            .map(|outcome| outcome.exit())
            .max()
            .unwrap_or_default()
    }

    /// Prints the summary and returns the exit code.
    fn finish(&mut self, end: End, single: bool) -> io::Result<Exit> {
        let interrupted = end == End::Interrupted;
        self.summary.finish(interrupted);
        let exit = match interrupted {
            true => Exit::Interrupted,
            false => {
                self.reached = self.outcomes.len();
                self.worst()
            }
        };
        let several = !single || interrupted;
        if self.json {
            if several {
                json::summary(&mut self.out, &self.summary, exit.code())?;
            }
        } else if (several || self.summary.members > 1) && (!self.output.quiet || interrupted) {
            if !self.folders {
                writeln!(self.out)?;
            }
            text::summary(&mut self.out, &self.summary)?;
        }
        Ok(exit)
    }

    /// Prints the verdict on the running Windows.
    fn system_verdict(&mut self, exit: Exit) -> io::Result<Exit> {
        let verdict = Verdict::of(self.summary.states().map(|(state, _)| state));
        if verdict == Verdict::NoDrivers {
            print_error(verdict.text().unwrap_or_default());
        }
        if let Some(text) = verdict.text().filter(|_| !self.json) {
            if verdict != Verdict::NoDrivers {
                writeln!(self.out, "\n{text}")?;
            }
            // An example for users of a newer Windows.
            if verdict.wants_specimen() {
                self.specimen()?;
            }
        }
        Ok(match verdict {
            Verdict::NoDrivers => Exit::Refused,
            _ => exit,
        })
    }

    /// Reports on the specimen.
    fn specimen(&mut self) -> io::Result<Exit> {
        let mut outcome = Outcome::default();
        for report in super::bytes(SPECIMEN_NAME, SPECIMEN, &self.options) {
            outcome.note(report.state, false);
            self.print(&report, false)?;
        }
        if !self.json && !self.output.quiet {
            writeln!(self.out, "\n{SPECIMEN_NOTE}")?;
        }
        Ok(outcome.exit())
    }
}

/// The result for one file.
struct Examined {
    bytes: u64,
    reports: Vec<Report>,
}

/// Examines one file. `identify` decides whether a report gets the facts that require hashing.
fn examine(item: &Item, options: &Options, identify: impl Fn(&Report) -> bool) -> Examined {
    let path = item.path.to_string_lossy();
    let unreadable = |reason: String| Examined {
        bytes: 0,
        reports: vec![Report::new(
            Origin::file(&path),
            0,
            State::Unreadable,
            reason,
        )],
    };
    if let Some(problem) = &item.problem {
        return unreadable(problem.clone());
    }
    let input = match Input::named(&item.path) {
        Ok(input) => input,
        Err(error) => return unreadable(os_error_text(&error)),
    };
    let options = match item.within_folder {
        true => Options {
            members: Members::Likely,
            ..*options
        },
        false => *options,
    };
    let bytes = input.length();
    let origin = Origin::file(&path);
    let mut reports = Vec::new();
    let mut visit = |report: Report, data: &[u8]| {
        reports.push(match identify(&report) {
            true => with_file_facts(report, data),
            false => report,
        });
    };
    // Few programs are self-extractors, and those are named .exe.
    let programs = !item.within_folder || archive::is_archive(&path);
    if let Some(storage) = input.storage()
        && let Some(archive) = Archive::of(input.head(), storage, programs)
    {
        archive.visit(&origin, storage, &options, &mut visit);
        return Examined { bytes, reports };
    }
    let by_head = triage::report(&origin, input.head(), bytes);
    let reports = match by_head {
        Some(report) if !needs_content(&report, item.within_folder) => vec![report],
        _ => match input.content() {
            Ok(content) => {
                super::visit(&path, &content, &options, &mut visit);
                reports
            }
            Err(error) => return unreadable(os_error_text(&error)),
        },
    };
    Examined { bytes, reports }
}

/// Offset of the descriptors of a disc, in bytes.
const DESCRIPTORS_START: u64 = 0x8000;

/// Whether the whole file adds to the report by its beginning: the hash of a file with a module's
/// name, or the format of a file that is no driver.
fn needs_content(report: &Report, within_folder: bool) -> bool {
    let is_named = report.names.name_a_module() && tcplimit_report::is_driver_size(report.bytes);
    match report.state {
        State::NotPe => report.bytes > DESCRIPTORS_START || is_named,
        State::NotDriver => !within_folder,
        State::Container | State::Compressed => false,
        _ => is_named,
    }
}
