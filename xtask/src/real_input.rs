//! `tcplimit probe` on genuine Windows files: none of them contains the limit, so none
//! may be located, for either module.

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

/// Fewer files would prove little.
const ENOUGH_FILES: usize = 1_000;

/// Exit code of the tool for "read, not located".
const NOT_LOCATED: i32 = 1;

/// Arguments that each run adds to `probe -r --json DIR`: without and with a forced
/// module, as a file and as loaded.
const RUNS: [&[&str]; 6] = [
    &[],
    &["--as-loaded"],
    &["--module", "tcpip"],
    &["--module", "tcpip", "--as-loaded"],
    &["--module", "tcpip6"],
    &["--module", "tcpip6", "--as-loaded"],
];

/// Folder of the files.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target("real-input/programs")
}

/// The script that downloads them.
const SCRIPT: &str = "xtask/genuine.sh";

/// Number of missing packages.
fn missing_package_count(workspace: &Workspace) -> usize {
    let folder = folder(workspace);
    let packages = include_str!("../genuine.sh").lines();
    let labels = packages.filter_map(|line| line.strip_prefix("package ")?.split(' ').next());
    labels.filter(|label| !folder.join(label).is_dir()).count()
}

/// The missing files in words; `None` if there are none.
pub(crate) fn missing(workspace: &Workspace) -> Option<String> {
    let packages = missing_package_count(workspace);
    (packages > 0).then(|| {
        format!(
            "genuine Windows files ({packages} packages; all are 340 MB), for the step real input"
        )
    })
}

/// Downloads missing packages, with consent.
pub(crate) fn fetch(workspace: &Workspace, yes: bool) -> Result<Outcome, Failure> {
    let before = missing_package_count(workspace);
    if before == 0 {
        return Ok(Outcome::Passed("nothing is missing".into()));
    }
    if !ask_consent("Download genuine Windows files (340 MB)?", yes) {
        return Ok(Outcome::Skipped("no consent to download".into()));
    }
    let programs = folder(workspace);
    fs::create_dir_all(&programs)?;
    let mut script = workspace.command("sh");
    command::run(script.arg(workspace.path(SCRIPT)).arg(&programs))?;
    let fetched = before - missing_package_count(workspace);
    Ok(Outcome::Passed(format!("{fetched} of {before} packages")))
}

/// Probes all files six times, and searches programs like drivers.
pub(crate) fn run(
    workspace: &Workspace,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let programs = folder(workspace);
    fs::create_dir_all(&programs)?;
    let files = filesystem::files(&programs)?;
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    if files.is_empty() {
        return Ok(Outcome::Skipped(
            "no Windows files; cargo xtask real-input downloads them".into(),
        ));
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
        ", fewer than needed"
    } else {
        ""
    };
    let note = format!("{} files{few}, {} MB", files.len(), bytes / 1_000_000);
    Ok(Outcome::Tested(counts, note))
}

/// One run on all files: each must have an answer, and none may be located. Returns the
/// number of files by state.
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
        return Err(Failure(format!("answers for {answered} of {files} files")));
    }
    let states: Vec<String> = states
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    Ok(states.join(", "))
}

/// Searches programs like drivers, which the tool itself does not, and compares gates
/// with iced-x86's decoding. Returns the last line, a summary.
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
