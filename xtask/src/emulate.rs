//! Runs the shipped drivers in an emulated processor: see `verify/emulator`.
//!
//! The emulator, unicorn, is written in C, takes minutes to compile, and needs cmake and
//! libclang. The crate is empty without its feature, so a machine without them skips
//! this step only.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::driver;
use crate::emulator::{FOLDER, can_build};
use crate::executables::{self, ExecutableKind};
use crate::figures::Observations;
use crate::summary::Outcome;
use crate::test::{self, TestRun};
use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, last_modified};

/// Arguments that select the emulator's crate with its feature.
const SELECTION: [&str; 4] = ["--package", "emulator", "--features", "unicorn"];
/// Exit code of `emulate` if nothing could be run.
const NOT_RUN: i32 = 2;
/// Options of `cargo xtask emulate`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Make five times as many random runs; a failure is printed at once with the command that repeats it.
    #[arg(long)]
    long: bool,
    /// Make only the random runs, with seeds from N on: to repeat a run, or to try other seeds.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Number of random runs per driver.
    #[arg(long, value_name = "N", conflicts_with = "long")]
    runs: Option<u64>,
    /// Write the cost of a query to verify/emulator/cost.toml.
    #[arg(long)]
    record: bool,
    /// Print the driver's most expensive functions.
    #[arg(long)]
    profile: bool,
    /// Run the driver only beside these tcpip.sys or tcpip6.sys files.
    files: Vec<PathBuf>,
}

impl Options {
    /// A third of the campaign, for `cargo xtask test`; the nightly workflow runs all of it.
    pub(crate) fn quick() -> Self {
        Self {
            runs: Some(400),
            ..Self::default()
        }
    }
}

/// Runs the emulator's own tests, the campaign and the cost measurement; skipped if the
/// emulator can't be compiled or there is no driver.
pub(crate) fn run(
    workspace: &Workspace,
    options: &Options,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if !can_build(workspace) {
        let why = "no cmake or no libclang; cargo xtask setup installs them";
        return Ok(Outcome::Skipped(why.into()));
    }
    let drivers = workspace.target("driver");
    if is_stale(workspace, &drivers) {
        if Compiler::all(workspace).is_empty() {
            return Ok(Outcome::Skipped(
                "no compiler; cargo xtask setup installs one".into(),
            ));
        }
        driver::run(
            workspace,
            driver::Rebuild::Never,
            &mut Observations::default(),
        )?;
    }
    let mut counts = TestCounts::default();
    if options.files.is_empty() && options.seed.is_none() {
        let folder = workspace.path(FOLDER);
        let shipped = drivers.display().to_string();
        let mut tested = TestRun::default();
        for program in executables::tests(workspace, &SELECTION)? {
            if program.package == folder {
                tested += test::run_program(workspace, &program, &[], &[("DRIVERS", &shipped)])?;
            }
        }
        match tested.outcome(observations)? {
            Outcome::Tested(counted, _) if counted.failed == 0 => counts = counted,
            _ => return Err(Failure("the emulator's own tests failed".into())),
        }
    }
    let program = executables::program(workspace, ExecutableKind::Program, "emulate")?;
    let mut emulate = workspace.command(&program.to_string_lossy());
    emulate.arg("--drivers").arg(&drivers);
    if let Some(compiler) = compiler(workspace) {
        emulate.args(["--compiler", &compiler]);
    }
    for (flag, given) in [
        ("--long", options.long),
        ("--record", options.record),
        ("--profile", options.profile),
    ] {
        emulate.args(given.then_some(flag));
    }
    for (flag, number) in [("--seed", options.seed), ("--runs", options.runs)] {
        if let Some(number) = number {
            emulate.args([flag, &number.to_string()]);
        }
    }
    for file in &options.files {
        emulate.arg(fs::canonicalize(file).map_err(|error| {
            let file = file.display();
            Failure(format!("{file}: {error}"))
        })?);
    }
    let output = command::tee(&mut emulate)?;
    observations.read_figures(&output.out);
    match output.status.code() {
        Some(0) => {}
        Some(NOT_RUN) => return Err(Failure("nothing could be run: see above".into())),
        _ => {
            return Err(Failure(
                "the driver violated a rule, or too little was tested: see above".into(),
            ));
        }
    }
    if !options.files.is_empty() {
        let files = options.files.len();
        return Ok(Outcome::Passed(format!("{files} files")));
    }
    let campaign = output
        .out
        .lines()
        .find(|line| line.starts_with("campaign: ") && line.contains(" a second"));
    let summary = campaign
        .and_then(|line| line.split(':').nth(1))
        .unwrap_or_default();
    Ok(Outcome::Tested(counts, summary.trim().into()))
}

/// Whether a driver is missing or older than its sources, which run beside it.
fn is_stale(workspace: &Workspace, drivers: &Path) -> bool {
    let built = ["x86", "x64"].map(|arch| last_modified(&drivers.join(arch).join("tcplimit.sys")));
    let made_of = ["driver", "scanner-core", "Cargo.lock", "Cargo.toml"];
    let newest = made_of
        .iter()
        .filter_map(|path| last_modified(&workspace.path(path)));
    let newest = newest.max();
    built.iter().any(|file| file.is_none() || *file < newest)
}

/// The version of the compiler that built the drivers, from cargo's cache.
fn compiler(workspace: &Workspace) -> Option<String> {
    let kept = workspace.target("driver-build/.rustc_info.json");
    version(&fs::read_to_string(kept).ok()?)
}

/// The first line of `rustc -vV` in cargo's cache.
fn version(notes: &str) -> Option<String> {
    let notes: serde_json::Value = serde_json::from_str(notes).ok()?;
    let output = notes["outputs"].as_object()?.values();
    let mut lines = output.filter_map(|output| output["stdout"].as_str()?.lines().next());
    lines
        .find(|line| line.starts_with("rustc "))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_read_from_cargos_cache() {
        let notes = r#"{ "outputs": {
            "1": { "stdout": "___\nlib___.rlib\n" },
            "2": { "stdout": "rustc 1.96.0 (abc 2026-05-25)\nbinary: rustc\n" }
        } }"#;
        let compiler = version(notes);
        assert_eq!(compiler.as_deref(), Some("rustc 1.96.0 (abc 2026-05-25)"));
        assert_eq!(version("{}"), None);
    }
}
