//! Fuzzes each target for some time, from the committed seeds; findings go to
//! `target/fuzz`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::command::{self, Failure, tail};
use crate::executables;
use crate::figures::Observations;
use crate::rustc_wrapper;
use crate::summary::Outcome;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Seeds for every target.
const SPECIMENS: &str = "corpus/specimens";
/// Specimens in cabinets, stored and compressed.
const CABINETS: &str = "corpus/cabinets";
/// Inputs that once failed, in a folder per target.
const REGRESSIONS: &str = "corpus/regressions";

/// Builds the targets, then runs them in parallel, one per core.
pub(crate) fn run(
    workspace: &Workspace,
    only: Option<&str>,
    seconds: u64,
    seed: u32,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    if cfg!(windows) {
        return Ok(Outcome::Skipped(
            "fuzzing is not set up for Windows here".into(),
        ));
    }
    let mut targets = executables::fuzz_targets(workspace)?;
    if let Some(only) = only {
        if !targets.iter().any(|target| target == only) {
            let known = targets.join(", ");
            return Err(Failure(format!("unknown target {only}; known are {known}")));
        }
        targets.retain(|target| target == only);
    }
    build(workspace, &targets)?;
    let binaries = workspace.target("debug");

    println!("{} for {seconds} s each", targets.join(", "));
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism()?.get().min(targets.len());
    let results: Vec<(&str, Result<String, Failure>)> = thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = fuzz_target(workspace, &binaries.join(target), target, seconds, seed);
                done.push((target.as_str(), result));
            }
            done
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    });

    observations.figure(
        "seed",
        if seed == 0 {
            "random".into()
        } else {
            seed.to_string()
        },
    );
    observations.figure("seconds for each target", seconds);
    let mut counts = TestCounts::default();
    for (target, result) in &results {
        match result {
            Ok(last) => {
                counts.passed += 1;
                if let Some(input_count) = input_count(last) {
                    observations.figure(&format!("{target}: inputs"), input_count);
                }
                println!("{target}: {last}");
            }
            Err(failure) => {
                counts.failed += 1;
                println!("{target}: {failure}");
            }
        }
    }
    // The targets of a worker that panicked have no result.
    counts.failed += targets.len() - results.len();
    Ok(Outcome::Tested(counts, format!("{seconds} s each")))
}

/// Builds the targets with coverage of the workspace's crates but without a sanitizer:
/// the code has no `unsafe`, the fuzzer is several times faster, and any compiler works.
/// `fuzz/README.md` explains how to use one.
///
/// The build shares its dependencies with the tests; cargo builds the workspace's crates
/// separately, since the compiler's name differs.
fn build(workspace: &Workspace, targets: &[String]) -> Result<(), Failure> {
    let mut build = workspace.cargo(&["build", "--locked"]);
    build.args(executables::workspace_arguments(workspace));
    for target in targets {
        build.args(["--bin", target]);
    }
    rustc_wrapper::instrument(workspace, &mut build)?;
    command::run(&mut build)
}

/// Runs one target; returns the fuzzer's closing line.
fn fuzz_target(
    workspace: &Workspace,
    binary: &Path,
    target: &str,
    seconds: u64,
    seed: u32,
) -> Result<String, Failure> {
    let finds = workspace.target("fuzz/corpus").join(target);
    let artifacts = workspace.target("fuzz/artifacts").join(target);
    fs::create_dir_all(&finds)?;
    fs::create_dir_all(&artifacts)?;
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(&artifacts);
    prefix.push("/");
    let log = workspace.target("fuzz").join(format!("{target}.log"));

    let mut fuzzer = workspace.command(&binary.to_string_lossy());
    fuzzer
        .arg(finds)
        .args(seeds(workspace, target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-seed={seed}"))
        .args(["-dict=fuzz/pe.dict", "-rss_limit_mb=4096", "-timeout=20"])
        .arg(prefix)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let status = fuzzer.status()?;
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let at = artifacts.display();
        return Err(Failure(format!("{status}, input in {at}{}", tail(&output))));
    }
    let closing = output.lines().rev().find(|line| line.contains("DONE"));
    Ok(closing.unwrap_or("done").trim().to_owned())
}

/// The number of inputs in the fuzzer's closing line: `#N DONE …`.
fn input_count(closing: &str) -> Option<u64> {
    let number = closing.strip_prefix('#')?.split_ascii_whitespace().next()?;
    number.parse().ok()
}

/// The existing folders of seeds for a target.
fn seeds(workspace: &Workspace, target: &str) -> Vec<PathBuf> {
    let regressions = workspace.path(REGRESSIONS).join(target);
    [
        workspace.path(SPECIMENS),
        workspace.path(CABINETS),
        regressions,
    ]
    .into_iter()
    .filter(|folder| folder.is_dir())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_count_is_read_from_the_closing_line() {
        let closing = "#51274\tDONE   cov: 1234 ft: 5678 corp: 90/1234b exec/s: 840 rss: 90Mb";
        assert_eq!(input_count(closing), Some(51_274));
        assert_eq!(input_count("done"), None);
    }
}
