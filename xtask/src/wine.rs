//! Tests the shipped driver in Wine: the service manager loads it beside a driver with a
//! limiter, and programs in C (`verify/wine`) use it.
//!
//! Wine's kernel differs from NT: it has no page tables, checks no access to devices,
//! serves all requests to a group of drivers in one thread, and calls `unload` while
//! handles are open. These tests show that the file loads, that it calls its imports
//! correctly, and that the target's limit is right after every set and reset.
//!
//! Then `tcplimit.exe` is tested alone, from `install` to `uninstall`, on a Wine that
//! reports Windows XP; with `--tests` the tests of the tool for files run as Windows
//! programs.

mod arch;
mod check_log;
mod client;
mod concurrency;
mod console;
mod debian_chroot;
pub(crate) mod display;
mod drive;
mod effective_limit;
mod machine;
mod malformed;
mod owner;
mod previous_version;
mod programs;
mod script;
mod session;
mod tool;
mod watch;
mod who;
mod window;
mod windows_tests;

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use clap::Args;

use crate::command::{self, Failure, Output};
use crate::figures::Observations;
use crate::filesystem::copy;
use crate::summary::Outcome;
use crate::test_counts::{self, TestCounts};
use crate::workspace::Workspace;
use arch::Arch;
use check_log::CheckLog;
use debian_chroot::DebianChroot;
use machine::Machine;
use programs::{Programs, TargetLimit};
use session::Session;

/// Options of `cargo xtask wine`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Test only this processor.
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Test only tcplimit.exe and tcplimitw.exe, without the programs in C.
    #[arg(long)]
    owner: bool,
    /// Test only tcplimitw.exe.
    #[arg(long)]
    window: bool,
    /// Also run the tests of the tool for files as Windows programs, which take minutes to compile.
    #[arg(long)]
    tests: bool,
    /// Send 100,000 concurrent requests instead of 20,000, and run the window for an hour instead of six minutes.
    #[arg(long)]
    long: bool,
    /// A folder with x86/tcplimit.sys and x64/tcplimit.sys [default: target/driver].
    #[arg(long, value_name = "FOLDER")]
    driver: Option<PathBuf>,
    /// Download without asking (CI=true does the same).
    #[arg(long, short)]
    yes: bool,
}

impl Options {
    /// The options of `cargo xtask test`.
    pub(crate) fn quick(yes: bool) -> Self {
        Self {
            arch: None,
            owner: false,
            window: false,
            tests: false,
            long: false,
            driver: None,
            yes,
        }
    }

    fn requests(&self) -> u32 {
        if self.long { 100_000 } else { 20_000 }
    }

    /// Ticks of the window, one per second.
    fn ticks(&self) -> usize {
        if self.long { 3_600 } else { 360 }
    }

    fn driver(&self, workspace: &Workspace, arch: Arch) -> PathBuf {
        let default = || workspace.target("driver");
        let folder = self.driver.clone().unwrap_or_else(default);
        folder.join(arch.name()).join("tcplimit.sys")
    }
}

/// Tests one processor or both; skipped without Wine.
pub(crate) fn run(
    workspace: &Workspace,
    options: &Options,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if let Some(why) = programs::missing_tool(workspace) {
        return Ok(Outcome::Skipped(why.into()));
    }
    let _lock = lock(workspace)?;
    let chosen = Arch::ALL.into_iter();
    let chosen = chosen.filter(|&arch| options.arch.is_none_or(|only| only == arch));
    // In parallel: each mostly waits for its programs.
    let runs: Vec<ArchRun> = thread::scope(|scope| {
        let running: Vec<_> = chosen
            .map(|arch| scope.spawn(move || run_arch(workspace, options, arch)))
            .collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|run| run.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let tried = runs.iter().any(|run| run.tried);
    let (mut counts, mut notes, mut failed) = (TestCounts::default(), Vec::new(), Vec::new());
    for run in runs {
        counts += run.checks.counts();
        failed.extend(run.checks.failed());
        notes.push(run.note);
        observations.append(run.observations);
    }
    let failures = test_counts::name_failures(failed.into_iter());
    notes.extend(Some(failures).filter(|failures| !failures.is_empty()));
    let notes = notes.join(", ");
    Ok(if tried {
        Outcome::Tested(counts, notes)
    } else {
        Outcome::Skipped(notes)
    })
}

/// The results for one processor.
struct ArchRun {
    checks: CheckLog,
    observations: Observations,
    note: String,
    tried: bool,
}

fn run_arch(workspace: &Workspace, options: &Options, arch: Arch) -> ArchRun {
    let start = Instant::now();
    let name = arch.name();
    let mut checks = CheckLog::new(name);
    let mut observations = Observations::default();
    let mut skipped = None;
    match machine_for(workspace, options, arch) {
        Ok(Ok(mut machine)) => {
            // A failed session must not hide earlier results.
            if let Err(failure) = test(workspace, options, &mut machine, &mut checks) {
                checks.check("the session completes", false, &failure);
            }
            for (figure, value) in [
                ("passed checks", checks.counts().passed.to_string()),
                ("concurrent requests", options.requests().to_string()),
                (
                    "reads of a target after a change",
                    checks.target_reads().to_string(),
                ),
            ] {
                observations.figure(&format!("{name}: {figure}"), value);
            }
        }
        Ok(Err(why)) => {
            println!("{name} SKIPPED: {why}");
            checks.skip();
            observations.figure(&format!("{name}: skipped"), &why);
            skipped = Some(why);
        }
        Err(failure) => checks.check("Wine is set up", false, &failure),
    }
    let note = match &skipped {
        None => format!("{name} {} s", start.elapsed().as_secs()),
        Some(why) => format!("{name} SKIPPED: {why}"),
    };
    ArchRun {
        checks,
        observations,
        note,
        tried: skipped.is_none(),
    }
}

/// A Wine for the driver, or the reason why there is none.
fn machine_for<'a>(
    workspace: &'a Workspace,
    options: &Options,
    arch: Arch,
) -> Result<Result<Machine<'a>, String>, Failure> {
    let driver = options.driver(workspace, arch);
    if !driver.is_file() {
        let why = format!("no {}; cargo xtask driver builds it", driver.display());
        return Ok(Err(why));
    }
    Machine::set_up(workspace, arch, options.yes)
}

/// Runs all tests for one processor.
fn test(
    workspace: &Workspace,
    options: &Options,
    machine: &mut Machine<'_>,
    checks: &mut CheckLog,
) -> Result<(), Failure> {
    let arch = machine.arch();
    let driver = options.driver(workspace, arch);
    let programs = Programs::build(workspace, arch, &driver)?;
    let limits = programs.probe(workspace, checks)?;
    machine.restore()?;
    programs.install(&machine.drive())?;
    if !options.owner && !options.window {
        test_with_programs(workspace, options, machine, checks, &limits)?;
    }
    // Ends programs of the last session, and restores Wine's initial registry.
    machine.restore()?;
    match driver.parent() {
        Some(folder) if folder.join("tcplimit.exe").is_file() => {
            if !options.window {
                owner::test(workspace, machine, folder, checks)?;
            }
            window::test(workspace, machine, folder, options.ticks(), checks)?;
        }
        _ => {
            let why = "no tcplimit.exe beside the driver; cargo xtask driver builds it";
            return Err(Failure(why.into()));
        }
    }
    if options.tests {
        machine.restore()?;
        windows_tests::test(workspace, machine, checks)?;
    }
    Ok(())
}

/// Tests the driver with the service manager and the programs in C.
fn test_with_programs(
    workspace: &Workspace,
    options: &Options,
    machine: &Machine<'_>,
    checks: &mut CheckLog,
    limits: &[TargetLimit],
) -> Result<(), Failure> {
    let session = &mut Session::begin(workspace, machine, checks)?;
    session.play("alone")?;
    session.play("refused")?;
    session.check_located(limits)?;
    session.play("access")?;
    session.play("errors")?;
    session.check_access()?;
    session.play("changed")?;
    session.play("example")?;
    session.play("others")?;
    malformed::check_requests(session)?;
    session.play("reloaded")?;
    session.play("programs")?;
    check_upgrade(workspace, machine, session)?;
    session.play("stored")?;
    session.play("restored")?;
    session.play("second")?;
    session.play("target")?;
    concurrency::check_requests(session, options.requests())?;
    concurrency::check_open_handles(session)?;
    session.check_debug_output()?;
    concurrency::check_stop_in_use(session)
}

/// Replaces version 0.1.0 by this one without a restart.
fn check_upgrade(
    workspace: &Workspace,
    machine: &Machine<'_>,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let Some(folder) = previous_version::folder(workspace, machine, session.checks)? else {
        return Ok(());
    };
    let to = machine.drive().join("windows/system32/drivers/former.sys");
    copy(&folder.join("tcplimit.sys"), &to)?;
    session.play("upgraded")
}

/// Copies an unpacked release to Wine's drive and runs a program of it; or the reason
/// why that is impossible.
pub(crate) fn run_unpacked(
    workspace: &Workspace,
    arch: &str,
    folder: &Path,
    program: &str,
    words: &[&str],
) -> Result<Result<Output, String>, Failure> {
    let Some(arch) = Arch::ALL.into_iter().find(|known| known.name() == arch) else {
        return Err(Failure(format!("no processor {arch}")));
    };
    let _lock = lock(workspace)?;
    let machine = match Machine::set_up(workspace, arch, false)? {
        Ok(machine) => machine,
        Err(why) => return Ok(Err(why)),
    };
    machine.restore()?;
    let to = machine.drive().join("unpacked");
    fs::create_dir_all(&to)?;
    for file in fs::read_dir(folder)?.flatten() {
        copy(&file.path(), &to.join(file.file_name()))?;
    }
    let mut run = machine.wine(&format!(r"C:\unpacked\{program}"));
    Ok(Ok(command::capture(run.args(words))?))
}

/// Two concurrent runs would end each other's Wine.
fn lock(workspace: &Workspace) -> Result<File, Failure> {
    let folder = workspace.target("wine");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// The missing download in words; `None` if nothing is missing or it is impossible.
pub(crate) fn missing(workspace: &Workspace) -> Option<&'static str> {
    let wanted = DebianChroot::is_available(workspace) && !DebianChroot::exists(workspace);
    wanted.then_some("a small Debian for x86 with Wine (160 MB), for the step wine")
}

/// Whether Wine for x64 is installed, and Wine for x86 is or can be.
pub(crate) fn is_installed(workspace: &Workspace) -> bool {
    machine::is_installed() && DebianChroot::is_available(workspace)
}
