//! `tcplimit probe` over genuine Windows files: none of them holds the limit,
//! so none may be located, whatever module it is claimed to be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::command::{self, Failure, tail};
use crate::package::{self, PACKAGES, Package};
use crate::report::Outcome;
use crate::seen::Seen;
use crate::tally::Tally;
use crate::workspace::{Workspace, consent};

/// Fewer files than this would show little.
const ENOUGH_FILES: usize = 1_000;

/// The tool's exit code for "read, and not located".
const NOT_LOCATED: i32 = 1;

/// What each run adds to `probe -r --json DIR`: as it is, and with the claim
/// forced; as a file, and as the driver would see it.
const RUNS: [&[&str]; 6] = [
    &[],
    &["--as-loaded"],
    &["--module", "tcpip"],
    &["--module", "tcpip", "--as-loaded"],
    &["--module", "tcpip6"],
    &["--module", "tcpip6", "--as-loaded"],
];

/// Fetches what is missing, probes it all six times, and measures once more.
pub(crate) fn run(workspace: &Workspace, yes: bool, seen: &mut Seen) -> Result<Outcome, Failure> {
    let programs = workspace.made("real-input/programs");
    let scratch = workspace.made("real-input/scratch");
    fs::create_dir_all(&programs)?;
    let missing: Vec<Package> = PACKAGES
        .into_iter()
        .filter(|package| !package.is_here(&programs))
        .collect();
    if !missing.is_empty() && consent("Fetch genuine Windows files (340 MB)?", yes) {
        package::fetch(workspace, &missing, &programs, &scratch)?;
        fs::remove_dir_all(&scratch)?;
    }
    let files = package::files(&programs)?;
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    if files.is_empty() {
        return Ok(Outcome::Skipped("no Windows file could be fetched".into()));
    }
    println!("{} files, {} MB", files.len(), bytes / 1_000_000);

    seen.figure("files", files.len());
    seen.figure("megabytes", bytes / 1_000_000);
    seen.figure("searches of each file", RUNS.len());

    let tool = build(workspace)?;
    let mut tally = Tally::default();
    for run in RUNS {
        let name = format!("probe -r --json {}", run.join(" "));
        match probe(workspace, &tool, &programs, run, files.len()) {
            Ok(states) => {
                tally.passed += 1;
                println!("{name}: none located: {states}");
            }
            Err(failure) => {
                tally.failed += 1;
                println!("{name}: {failure}");
            }
        }
    }
    match search_harder(workspace, &programs, seen) {
        Ok(said) => {
            tally.passed += 1;
            println!("{said}");
        }
        Err(failure) => {
            tally.failed += 1;
            println!("{failure}");
        }
    }
    let speed = speed(workspace, &tool, &programs, bytes)?;
    let few = if files.len() < ENOUGH_FILES {
        ", fewer than wanted"
    } else {
        ""
    };
    let note = format!(
        "{} files{few}, {} MB, {speed:.1} GB/s",
        files.len(),
        bytes / 1_000_000
    );
    Ok(Outcome::Tested(tally, note))
}

/// Builds the tool as it is shipped, and says where it is.
fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let mut build = workspace.cargo(&["build", "--locked", "--release", "--package", "tcplimit"]);
    build.args([
        "--bin",
        "tcplimit",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = command::listen(&mut build)?.success("cargo build")?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .ok_or_else(|| Failure("cargo build made no tcplimit".into()))
}

/// One run over all files. Every file must be answered for, and none located;
/// returns how many files were in which state.
fn probe(
    workspace: &Workspace,
    tool: &Path,
    programs: &Path,
    extra: &[&str],
    files: usize,
) -> Result<String, Failure> {
    let mut command = workspace.command(&tool.to_string_lossy());
    command
        .args(["probe", "-r", "--json"])
        .args(extra)
        .arg(programs);
    let said = command::listen(&mut command)?;
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut located = Vec::new();
    for line in said.out.lines() {
        let answer: Value = serde_json::from_str(line)
            .map_err(|error| Failure(format!("not JSON: {error}: {line}")))?;
        let Some(path) = answer["path"].as_str() else {
            continue;
        };
        if answer["located"] != false {
            located.push(path.to_owned());
        }
        let state = answer["state"].as_str().unwrap_or("no state");
        *states.entry(state.to_owned()).or_default() += 1;
    }
    if !located.is_empty() {
        return Err(Failure(format!("located in {}", located.join(", "))));
    }
    if said.status.code() != Some(NOT_LOCATED) {
        return Err(Failure(format!("{}{}", said.status, tail(&said.err))));
    }
    let answered: usize = states.values().sum();
    if answered != files {
        return Err(Failure(format!("{answered} of {files} files answered for")));
    }
    let states: Vec<String> = states
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    Ok(states.join(", "))
}

/// Searches programs like drivers, and compares gates with iced-x86's reading:
/// the tool itself looks only into drivers. The last line says what was done.
fn search_harder(
    workspace: &Workspace,
    programs: &Path,
    seen: &mut Seen,
) -> Result<String, Failure> {
    let mut search = workspace.cargo(&["run", "--locked", "--release", "--package", "verify"]);
    search.args(["--example", "genuine", "--"]).arg(programs);
    let said = command::listen(&mut search)?.success("the search of programs like drivers")?;
    seen.figures_of(&said);
    Ok(said.lines().last().unwrap_or_default().to_owned())
}

/// GB/s of one more run, when the system has every file in memory.
fn speed(workspace: &Workspace, tool: &Path, programs: &Path, bytes: u64) -> Result<f64, Failure> {
    let mut command = workspace.command(&tool.to_string_lossy());
    command.args(["probe", "-r", "--json"]).arg(programs);
    let start = Instant::now();
    let _ = command::listen(&mut command)?;
    let gigabytes = bytes as f64 / 1e9;
    Ok(gigabytes / start.elapsed().as_secs_f64())
}
