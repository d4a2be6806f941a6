//! Unit, integration and doc tests of the whole workspace.

use std::env;
use std::ops::AddAssign;
use std::process::Command;
use std::time::SystemTime;

use crate::command::{self, Failure, tail};
use crate::emulator;
use crate::executables::{self, Executable};
use crate::figures::Seen;
use crate::summary::Outcome;
use crate::test_cache::Passed;
use crate::test_counts::{self, Tally};
use crate::workspace::{Workspace, unattended};

/// Where the properties' randomness begins, for proptest.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Tests that `--quick` leaves out: thousands of cases each, for seconds, and runs
/// that wait for one another.
const CAMPAIGNS: [&str; 16] = [
    "clean::",
    "damage::",
    "fault::no_fault_at_any_moment",
    "faulty_disk::",
    "locator::the_oracle_agrees_on_what_is_built",
    "media::whatever_the_window",
    "moved_code::each::",
    "naive::",
    "reading::",
    "runs::a_lock_that_is_held",
    "runs::linux::",
    "runs::of_two_",
    "session::random_sessions_reach_every_case",
    "session::whatever_happens",
    "specimen::",
    "whole::no_damaged_byte_makes_a_check_panic",
];

/// What programs of tests have said.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    pub(crate) tally: Tally,
    pub(crate) said: String,
    /// Programs that failed without a test that did: they crashed.
    crashed: Vec<String>,
}

/// Every program of tests but the emulator's, which need the shipped drivers,
/// and the tests in the documentation. A failing test does not keep the others
/// from running.
pub(crate) fn run(workspace: &Workspace, seen: &mut Seen) -> Result<Outcome, Failure> {
    let seed = seed();
    println!("--- {SEED}={seed}");
    seen.figure("seed of the properties", &seed);
    let mut tested = Tested::default();
    let emulator = workspace.path(emulator::FOLDER);
    for program in executables::tests(workspace, &executables::whole(workspace))? {
        if program.package != emulator {
            tested += run_program(workspace, &program, &[], &[(SEED, &seed)])?;
        }
    }
    let mut documented = workspace.cargo(&["test", "--doc", "--locked", "--no-fail-fast"]);
    documented.args(executables::whole(workspace));
    tested += listened(&mut documented, "the tests in the documentation")?;
    tested.outcome(seen)
}

/// Those of programs that have changed since their tests passed, and of them
/// only what takes no long.
pub(crate) fn quick(workspace: &Workspace, seen: &mut Seen) -> Result<Outcome, Failure> {
    let seed = seed();
    println!("--- {SEED}={seed}");
    let programs =
        executables::tests(workspace, &[&executables::PLAIN[..], &["--tests"]].concat())?;
    let mut passed = Passed::read(workspace);
    let mut tested = Tested::default();
    let mut unchanged = 0;
    for program in &programs {
        if passed.holds(workspace, program) {
            unchanged += 1;
            continue;
        }
        let skipped = CAMPAIGNS.iter().flat_map(|name| ["--skip", name]);
        let skipped: Vec<&str> = skipped.collect();
        let of_it = run_program(workspace, program, &skipped, &[(SEED, &seed)])?;
        if of_it.tally.failed == 0 && of_it.crashed.is_empty() {
            passed.add(workspace, program);
        }
        tested += of_it;
    }
    passed.write(workspace)?;
    if unchanged == programs.len() {
        return Ok(Outcome::Passed("nothing changed since they passed".into()));
    }
    let note = format!(
        "{unchanged} of {} programs have not changed",
        programs.len()
    );
    match tested.outcome(seen)? {
        Outcome::Tested(tally, failed) if failed.is_empty() => Ok(Outcome::Tested(tally, note)),
        outcome => Ok(outcome),
    }
}

/// Runs one program of tests, as cargo would.
pub(crate) fn run_program(
    workspace: &Workspace,
    program: &Executable,
    words: &[&str],
    environment: &[(&str, &str)],
) -> Result<Tested, Failure> {
    let path = program.path.display();
    let announced = format!("     Running {} ({path})\n", program.source.display());
    print!("{announced}");
    let mut tests = workspace.command(&program.path.to_string_lossy());
    tests
        .args(words)
        .current_dir(&program.package)
        .env("CARGO_MANIFEST_DIR", &program.package)
        .envs(environment.iter().copied());
    let mut tested = listened(&mut tests, &program.name)?;
    tested.said.insert_str(0, &announced);
    Ok(tested)
}

fn listened(tests: &mut Command, name: &str) -> Result<Tested, Failure> {
    // A property that shrinks its failure panics thousands of times.
    tests
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_TERM_COLOR", "never");
    let said = command::overhear_all(tests)?;
    let tally = Tally::of_libtest(&said.out);
    let crashed = tally.failed == 0 && !said.status.success();
    let crashed = crashed.then(|| format!("{name}: {}{}", said.status, tail(&said.out)));
    Ok(Tested {
        tally,
        said: said.out,
        crashed: crashed.into_iter().collect(),
    })
}

impl Tested {
    /// Notes which tests there were, and says how they ended.
    pub(crate) fn outcome(self, seen: &mut Seen) -> Result<Outcome, Failure> {
        seen.suites_of(&self.said);
        if !self.crashed.is_empty() {
            return Err(Failure(self.crashed.join("\n")));
        }
        if self.tally.passed + self.tally.failed == 0 {
            return Err(Failure("there was no test".into()));
        }
        Ok(Outcome::Tested(
            self.tally,
            test_counts::failures(&self.said),
        ))
    }
}

impl AddAssign for Tested {
    fn add_assign(&mut self, other: Self) {
        self.tally += other.tally;
        self.said += &other.said;
        self.crashed.extend(other.crashed);
    }
}

/// The one that was asked for; without a person the same each time, so that
/// nothing fails that the change is not to blame for; else another one each time.
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

    /// Sources below the folder, beside the one that names them: `module.rs` or
    /// `main.rs` in it. Each must be named, or it is never compiled.
    fn sources_that_nobody_names(folder: &Path, parent: &Path, found: &mut Vec<PathBuf>) {
        let names = fs::read_to_string(parent).unwrap();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let module = path.with_extension("rs");
                if module.is_file() {
                    sources_that_nobody_names(&path, &module, found);
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
        for package in crates(&Workspace::of_this_crate()) {
            let Ok(entries) = fs::read_dir(package.join("tests")) else {
                continue;
            };
            let mut of_it = Vec::new();
            for entry in entries.flatten() {
                let path = entry.path();
                let is_source = path.extension().is_some_and(|it| it == "rs");
                assert!(!is_source, "a program of its own: {}", path.display());
                if path.join("main.rs").is_file() {
                    of_it.push(path);
                }
            }
            assert!(of_it.len() < 2, "{of_it:?}");
            for program in of_it {
                let mut found = Vec::new();
                sources_that_nobody_names(&program, &program.join("main.rs"), &mut found);
                assert!(found.is_empty(), "in no program: {found:?}");
                programs += 1;
            }
        }
        assert!(programs >= 8, "{programs}");
    }

    #[test]
    fn what_a_quick_run_leaves_out_is_there() {
        let workspace = Workspace::of_this_crate();
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
                // A module in a file of its own, or in its parent's.
                has(modules, &function)
                    || modules.rsplit_once("::").is_some_and(|(parent, module)| {
                        has(parent, &format!("mod {module} {{")) && has(parent, &function)
                    })
            });
            assert!(is_there, "{name}");
        }
    }
}
