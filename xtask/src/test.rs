//! Unit, integration and doc tests of the workspace.

use std::env;
use std::ops::AddAssign;
use std::process::Command;
use std::time::SystemTime;

use crate::command::{self, Failure, tail};
use crate::emulator;
use crate::executables::{self, Executable};
use crate::figures::Observations;
use crate::rustc_wrapper;
use crate::summary::Outcome;
use crate::test_cache::TestCache;
use crate::test_counts::{self, TestCounts};
use crate::workspace::{Workspace, unattended};

/// proptest's environment variable for the seed.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Tests that `--quick` skips: long properties, and runs that wait for each other.
const CAMPAIGNS: [&str; 18] = [
    "clean::",
    "concurrent_runs::each_of_two_",
    "concurrent_runs::of_two_",
    "damage::",
    "fault::no_fault_during",
    "faulty_disk::",
    "locator::the_oracle_agrees_on_built_specimens",
    "media::cabextract_unpacks_lzx",
    "moved_code::each::",
    "naive::",
    "reading::",
    "runs::a_held_lock",
    "runs::linux::",
    "runs::two_concurrent",
    "session::random_sessions_reach_every_case",
    "session::random_sessions_write_only_limits",
    "specimen::",
    "whole::no_damaged_byte_makes_a_check_panic",
];

/// The results of test programs.
#[derive(Debug, Default)]
pub(crate) struct TestRun {
    pub(crate) counts: TestCounts,
    pub(crate) output: String,
    /// Programs that failed without a failed test: they crashed.
    crashed: Vec<String>,
}

/// Runs all test programs and doc tests, except the emulator's tests, which need the
/// shipped drivers. A failure does not stop the others.
pub(crate) fn run(
    workspace: &Workspace,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let seed = seed();
    println!("--- {SEED}={seed}");
    observations.figure("seed of the properties", &seed);
    let mut tested = TestRun::default();
    let emulator = workspace.path(emulator::FOLDER);
    for program in executables::tests(workspace, &executables::workspace_arguments(workspace))? {
        if program.package != emulator {
            tested += run_program(workspace, &program, &[], &[(SEED, &seed)])?;
        }
    }
    let mut documented = workspace.cargo(&["test", "--doc", "--locked", "--no-fail-fast"]);
    documented.args(executables::workspace_arguments(workspace));
    if executables::is_whole_run() {
        // The libraries that the build has made.
        rustc_wrapper::lint(workspace, &mut documented)?;
    }
    tested += run_tests(&mut documented, "the doc tests")?;
    tested.outcome(observations)
}

/// Runs the short tests of programs that have changed since their tests passed.
pub(crate) fn quick(
    workspace: &Workspace,
    observations: &mut Observations,
) -> Result<Outcome, Failure> {
    let seed = seed();
    println!("--- {SEED}={seed}");
    let programs = executables::tests(
        workspace,
        &[&executables::RUST_ONLY[..], &["--tests"]].concat(),
    )?;
    let mut cache = TestCache::read(workspace);
    let mut tested = TestRun::default();
    let mut unchanged = 0;
    for program in &programs {
        if cache.is_current(workspace, program) {
            unchanged += 1;
            continue;
        }
        let skipped = CAMPAIGNS.iter().flat_map(|name| ["--skip", name]);
        let skipped: Vec<&str> = skipped.collect();
        let ran = run_program(workspace, program, &skipped, &[(SEED, &seed)])?;
        if ran.counts.failed == 0 && ran.crashed.is_empty() {
            cache.add(workspace, program);
        }
        tested += ran;
    }
    cache.write(workspace)?;
    if unchanged == programs.len() {
        return Ok(Outcome::Passed(
            "no program has changed since its tests passed".into(),
        ));
    }
    let note = format!(
        "{unchanged} of {} programs have not changed",
        programs.len()
    );
    match tested.outcome(observations)? {
        Outcome::Tested(counts, failed) if failed.is_empty() => Ok(Outcome::Tested(counts, note)),
        outcome => Ok(outcome),
    }
}

/// Runs a test program, as cargo would.
pub(crate) fn run_program(
    workspace: &Workspace,
    program: &Executable,
    words: &[&str],
    environment: &[(&str, &str)],
) -> Result<TestRun, Failure> {
    let path = program.path.display();
    let announced = format!("     Running {} ({path})\n", program.source.display());
    print!("{announced}");
    let mut tests = workspace.command(&program.path.to_string_lossy());
    tests
        .args(words)
        .current_dir(&program.package)
        .env("CARGO_MANIFEST_DIR", &program.package)
        .envs(environment.iter().copied());
    let mut tested = run_tests(&mut tests, &program.name)?;
    tested.output.insert_str(0, &announced);
    Ok(tested)
}

fn run_tests(tests: &mut Command, name: &str) -> Result<TestRun, Failure> {
    // A property that shrinks a failure panics thousands of times.
    tests
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_TERM_COLOR", "never");
    let output = command::tee_merged(tests)?;
    let counts = TestCounts::of_libtest(&output.out);
    let crashed = counts.failed == 0 && !output.status.success();
    let crashed = crashed.then(|| format!("{name}: {}{}", output.status, tail(&output.out)));
    Ok(TestRun {
        counts,
        output: output.out,
        crashed: crashed.into_iter().collect(),
    })
}

impl TestRun {
    /// Adds the tests to the observations; returns the outcome.
    pub(crate) fn outcome(self, observations: &mut Observations) -> Result<Outcome, Failure> {
        observations.read_suites(&self.output);
        if !self.crashed.is_empty() {
            return Err(Failure(self.crashed.join("\n")));
        }
        if self.counts.passed + self.counts.failed == 0 {
            return Err(Failure("no test ran".into()));
        }
        Ok(Outcome::Tested(
            self.counts,
            test_counts::failure_note(&self.output),
        ))
    }
}

impl AddAssign for TestRun {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        self.output += &other.output;
        self.crashed.extend(other.crashed);
    }
}

/// The seed from the environment; else always the same in unattended runs, so that only
/// a change makes a test fail; else the current time.
fn seed() -> String {
    env::var(SEED).unwrap_or_else(|_| match unattended() {
        true => "1".into(),
        false => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap_or_default().as_secs().to_string()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The folders of the workspace's crates.
    fn crates(workspace: &Workspace) -> Vec<PathBuf> {
        let manifest = fs::read_to_string(workspace.path("Cargo.toml")).unwrap();
        let (_, members) = manifest.split_once("\nmembers = [").unwrap();
        let members = members.split(']').next().unwrap();
        let names = members.split('"').skip(1).step_by(2);
        names.map(|name| workspace.path(name)).collect()
    }

    /// Sources below a folder that their parent, `module.rs` or `main.rs`, does not declare
    /// as modules: they are never compiled.
    fn undeclared_modules(folder: &Path, parent: &Path, found: &mut Vec<PathBuf>) {
        let names = fs::read_to_string(parent).unwrap();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let module = path.with_extension("rs");
                if module.is_file() {
                    undeclared_modules(&path, &module, found);
                }
            } else if path.extension().is_some_and(|it| it == "rs")
                && path != parent
                && !names.lines().any(|line| {
                    let line = line.trim_start().trim_start_matches("pub(crate) ");
                    line == format!("mod {name};")
                })
            {
                found.push(path);
            }
        }
    }

    #[test]
    fn each_crate_links_one_program_of_tests_and_every_file_is_in_it() {
        let mut programs = 0;
        for package in crates(&Workspace::current()) {
            let Ok(entries) = fs::read_dir(package.join("tests")) else {
                continue;
            };
            let mut found = Vec::new();
            for entry in entries.flatten() {
                let path = entry.path();
                let is_source = path.extension().is_some_and(|it| it == "rs");
                assert!(!is_source, "a separate test program: {}", path.display());
                if path.join("main.rs").is_file() {
                    found.push(path);
                }
            }
            assert!(found.len() < 2, "{found:?}");
            for program in found {
                let mut found = Vec::new();
                undeclared_modules(&program, &program.join("main.rs"), &mut found);
                assert!(found.is_empty(), "not compiled: {found:?}");
                programs += 1;
            }
        }
        assert!(programs >= 8, "{programs}");
    }

    #[test]
    fn every_campaign_that_a_quick_run_skips_exists() {
        let workspace = Workspace::current();
        let folders = [
            "cli/tests/program",
            "driver/tests/driver",
            "verify/checker/tests/checks",
            "verify/specimen/tests/built",
            "verify/tests/proof",
        ];
        for name in CAMPAIGNS {
            let (modules, test) = name.rsplit_once("::").unwrap();
            let is_there = folders.iter().any(|folder| {
                let has = |modules: &str, text: &str| {
                    let file = workspace.path(folder).join(modules.replace("::", "/"));
                    fs::read_to_string(file.with_extension("rs"))
                        .is_ok_and(|source| source.contains(text))
                };
                let function = format!("fn {test}");
                // A module in its own file, or in its parent's.
                has(modules, &function)
                    || modules.rsplit_once("::").is_some_and(|(parent, module)| {
                        has(parent, &format!("mod {module} {{")) && has(parent, &function)
                    })
            });
            assert!(is_there, "{name}");
        }
    }
}
