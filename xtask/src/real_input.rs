//! `tcplimit probe` over genuine Windows files: none of them holds the limit,
//! so none may be located, whatever module it is claimed to be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{self, Failure, tail};
use crate::executables::{self, ExecutableKind};
use crate::figures::Observations;
use crate::filesystem;
use crate::summary::Outcome;
use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, ask_consent};

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

/// Where the files are.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target("real-input/programs")
}

/// What fetches them.
const SCRIPT: &str = "xtask/genuine.sh";

/// Packages of the script that are not here.
fn missing_package_count(workspace: &Workspace) -> usize {
    let folder = folder(workspace);
    let packages = include_str!("../genuine.sh").lines();
    let labels = packages.filter_map(|line| line.strip_prefix("package ")?.split(' ').next());
    labels.filter(|label| !folder.join(label).is_dir()).count()
}

/// What would be fetched, in words; `None` when all is there.
pub(crate) fn missing(workspace: &Workspace) -> Option<String> {
    let packages = missing_package_count(workspace);
    (packages > 0).then(|| {
        format!("genuine Windows files ({packages} packages of 340 MB together), for real input")
    })
}

/// Fetches what is missing, if it may.
pub(crate) fn fetch(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    let before = missing_package_count(workspace);
    if before == 0 {
        return Ok(Outcome::Passed("nothing is missing".into()));
    }
    if !ask_consent("Fetch genuine Windows files (340 MB)?", yes) {
        return Ok(Outcome::Skipped("nothing was to be fetched".into()));
    }
    let programs = folder(workspace);
    fs::create_dir_all(&programs)?;
    let mut script = workspace.command("sh");
    command::run(script.arg(workspace.path(SCRIPT)).arg(&programs))?;
    let fetched = before - missing_package_count(workspace);
    Ok(Outcome::Passed(format!("{fetched} of {before} packages")))
}

/// Probes all that was fetched, six times, and searches it like drivers.
pub(crate) fn run(
    workspace: &Workspace,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let programs = folder(workspace);
    fs::create_dir_all(&programs)?;
    let files = filesystem::files(&programs)?;
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    if files.is_empty() {
        return Ok(Outcome::Skipped("no Windows file could be fetched".into()));
    }
    println!("{} files, {} MB", files.len(), bytes / 1_000_000);

    observations.figure("files", files.len());
    observations.figure("megabytes", bytes / 1_000_000);
    observations.figure("searches of each file", RUNS.len());

    let tool = executables::program(workspace, ExecutableKind::Program, executables::WORKBENCH)?;
    let mut counts = TestCounts::default();
    for run in RUNS {
        let name = format!("probe -r --json {}", run.join(" "));
        match probe(workspace, &tool, &programs, run, files.len()) {
            Ok(states) => {
                counts.passed += 1;
                println!("{name}: none located: {states}");
            }
            Err(failure) => {
                counts.failed += 1;
                println!("{name}: {failure}");
            }
        }
    }
    match search_programs(workspace, &programs, observations) {
        Ok(output) => {
            counts.passed += 1;
            println!("{output}");
        }
        Err(failure) => {
            counts.failed += 1;
            println!("{failure}");
        }
    }
    let few = if files.len() < ENOUGH_FILES {
        ", fewer than wanted"
    } else {
        ""
    };
    let note = format!("{} files{few}, {} MB", files.len(), bytes / 1_000_000);
    Ok(Outcome::Tested(counts, note))
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
    let output = command::capture(&mut command)?;
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut located = Vec::new();
    for line in output.out.lines() {
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
    if output.status.code() != Some(NOT_LOCATED) {
        return Err(Failure(format!("{}{}", output.status, tail(&output.err))));
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
fn search_programs(
    workspace: &Workspace,
    programs: &Path,
    observations: &mut Observations,
) -> Result<String, Failure> {
    let search = executables::program(workspace, ExecutableKind::Example, "genuine")?;
    let mut search = workspace.command(&search.to_string_lossy());
    let output =
        command::capture(search.arg(programs))?.success("the search of programs like drivers")?;
    observations.read_figures(&output);
    Ok(output.lines().last().unwrap_or_default().to_owned())
}
