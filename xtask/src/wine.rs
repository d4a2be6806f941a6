//! The shipped driver under Wine: loaded by the service manager beside a driver
//! that has a limiter, and used by programs in C.
//!
//! Wine's kernel is no NT: it has no page tables, checks no access to devices,
//! serves all requests of a group of drivers in one thread, and calls `unload`
//! while handles are open. What is shown here is that the file loads, that its
//! imports are called as they want to be, and that the value on the target is
//! right after every set and reset. The programs are in `verify/wine`.
//!
//! Then `tcplimit.exe` does the same by itself, from `install` to `uninstall`,
//! on a Wine that is set to Windows XP; and, if asked, the tests of the tool for
//! files run as programs for Windows.

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
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use crate::command::{self, Failure, Output};
use crate::figures::Observations;
use crate::filesystem::copy;
use crate::summary::Outcome;
use crate::workspace::Workspace;
use arch::Arch;
use check_log::CheckLog;
use debian_chroot::DebianChroot;
use machine::Machine;
use programs::{Programs, TargetLimit};
use session::Session;

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only for this processor.
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Only tcplimit.exe, not the programs in C.
    #[arg(long)]
    owner: bool,
    /// Only tcplimitw.exe.
    #[arg(long)]
    window: bool,
    /// Also the tests of the tool for files, as programs for Windows; they compile for minutes.
    #[arg(long)]
    tests: bool,
    /// 100,000 requests at once in place of 20,000, and an hour of the window in place of
    /// six minutes.
    #[arg(long)]
    long: bool,
    /// A folder with x86/tcplimit.sys and x64/tcplimit.sys [default: target/driver].
    #[arg(long, value_name = "FOLDER")]
    driver: Option<PathBuf>,
    /// Fetch without asking (CI=true does the same).
    #[arg(long, short)]
    yes: bool,
}

impl Options {
    /// As a step among others.
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

    /// Of the window, one for each second.
    fn ticks(&self) -> usize {
        if self.long { 3_600 } else { 360 }
    }

    fn driver(&self, workspace: &Workspace, arch: Arch) -> PathBuf {
        let default = || workspace.target("driver");
        let folder = self.driver.clone().unwrap_or_else(default);
        folder.join(arch.name()).join("tcplimit.sys")
    }
}

/// Tries one processor or both; loudly skipped where there is no Wine.
pub(crate) fn run(
    workspace: &Workspace,
    options: &Options,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if let Some(why) = programs::missing_tool(workspace) {
        return Ok(Outcome::Skipped(why.into()));
    }
    let _lock = lock(workspace)?;
    let mut checks = CheckLog::default();
    let mut notes = Vec::new();
    let mut tried = false;
    for arch in Arch::ALL {
        if options.arch.is_some_and(|only| only != arch) {
            continue;
        }
        let start = Instant::now();
        let name = arch.name();
        checks.set_arch(name);
        match machine_for(workspace, options, arch) {
            Ok(Ok(mut machine)) => {
                tried = true;
                let before = checks.counts();
                let reads_before = checks.target_reads();
                // What breaks off one processor's session must not hide what
                // was found before, nor the other's.
                if let Err(failure) = test(workspace, options, &mut machine, &mut checks) {
                    checks.check("the session comes to its end", false, &failure);
                }
                let passed = checks.counts().passed - before.passed;
                observations.figure(&format!("{name}: checks that hold"), passed);
                observations.figure(&format!("{name}: requests at once"), options.requests());
                let target_reads = checks.target_reads() - reads_before;
                observations.figure(
                    &format!("{name}: looks at a target after a change"),
                    target_reads,
                );
                notes.push(format!("{name} {} s", start.elapsed().as_secs()));
            }
            Ok(Err(why)) => {
                println!("{name} SKIPPED: {why}");
                checks.skip();
                observations.figure(&format!("{name}: skipped"), &why);
                notes.push(format!("{name} SKIPPED: {why}"));
            }
            Err(failure) => {
                tried = true;
                checks.check("Wine is set up", false, &failure);
            }
        }
    }
    notes.extend(Some(checks.failure_note()).filter(|failures| !failures.is_empty()));
    let notes = notes.join(", ");
    Ok(if tried {
        Outcome::Tested(checks.counts(), notes)
    } else {
        Outcome::Skipped(notes)
    })
}

/// A driver to try, and a Wine to try it in; or why not.
fn machine_for<'a>(
    workspace: &'a Workspace,
    options: &Options,
    arch: Arch,
) -> Result<Result<Machine<'a>, String>, Failure> {
    let driver = options.driver(workspace, arch);
    if !driver.is_file() {
        let why = format!("no {}: cargo xtask driver", driver.display());
        return Ok(Err(why));
    }
    Machine::set_up(workspace, arch, options.yes)
}

/// One processor, from the C compiler to the last look at the target.
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
    // What the last session has left hanging is ended, and the registry is as
    // Wine first made it.
    machine.restore()?;
    match driver.parent() {
        Some(folder) if folder.join("tcplimit.exe").is_file() => {
            if !options.window {
                owner::test(workspace, machine, folder, checks)?;
            }
            window::test(workspace, machine, folder, options.ticks(), checks)?;
        }
        _ => {
            let why = "no tcplimit.exe beside the driver: cargo xtask driver";
            return Err(Failure(why.into()));
        }
    }
    if options.tests {
        machine.restore()?;
        windows_tests::test(workspace, machine, checks)?;
    }
    Ok(())
}

/// The driver, loaded by the service manager alone and used by programs in C.
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

/// This version in place of 0.1.0, in a system that runs on.
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

/// Runs a program of an unpacked release from its folder, put on Wine's drive;
/// or tells why it can't be.
pub(crate) fn unpacked(
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

/// Two runs at once would end each other's Wine.
fn lock(workspace: &Workspace) -> Result<File, Failure> {
    let folder = workspace.target("wine");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// What would be fetched, in words; `None` when all is there, or nothing can be.
pub(crate) fn missing(workspace: &Workspace) -> Option<&'static str> {
    let wanted = DebianChroot::is_available(workspace) && !DebianChroot::exists(workspace);
    wanted.then_some("a small Debian for x86 with Wine (160 MB), for wine")
}

/// Whether Wine for x64 is installed, and what brings Wine for x86.
pub(crate) fn is_installed(workspace: &Workspace) -> bool {
    machine::is_installed() && DebianChroot::is_available(workspace)
}
