//! `cargo xtask …`: the workspace's checks, builds and set-up.
//!
//! `cargo xtask test` installs missing programs (asking first), runs every check of the
//! repository, and ends with a table and a line of counts. Most other commands are its
//! single steps.
//!
//! All downloads and results go to `target/`.

mod breakages;
mod claims_report;
mod command;
mod compiler;
#[cfg(test)]
mod contributing;
mod cpu_time;
mod cross_check;
mod debian;
mod dependencies;
mod dist;
mod driver;
mod emulate;
mod emulator;
mod executables;
mod figures;
mod filesystem;
mod fuzz;
#[cfg(test)]
mod import_cycles;
mod last_run;
mod linker_wrapper;
mod lint;
mod mutants;
mod offsets;
mod panic_free;
mod plan;
mod process_groups;
mod real_input;
mod recorded;
mod run_history;
mod rustc_wrapper;
mod schedule;
mod setup;
mod summary;
mod test;
mod test_cache;
mod test_counts;
mod wdk;
mod wine;
mod workflows;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::breakages::Extent;
use crate::summary::{Outcome, Summary};
use crate::workspace::Workspace;

/// Checks, builds and set-up of the tcplimit workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install programs that the checks need and this machine lacks.
    Setup {
        /// Install without asking (CI=true does the same).
        #[arg(long, short)]
        yes: bool,
    },
    /// Run every check, or only some steps; use --quick after each edit.
    Test(plan::Options),
    /// Run one step of `test`, and write its result to a file.
    #[command(hide = true)]
    Step(plan::StepOptions),
    /// Make each deliberate mistake of breakages.txt in a copy, and check that a test fails.
    Broken {
        /// Try only the breakages whose file or description contains this text.
        words: Option<String>,
        /// Try only the samples, as each run of `test` does.
        #[arg(long, conflicts_with = "words")]
        sample: bool,
    },
    /// Change one operator, value or function of a package at a time, and check that a test fails.
    Mutants(mutants::Options),
    /// Fuzz every target, or one of them, for some time.
    Fuzz {
        /// A target in fuzz/fuzz_targets [default: all].
        target: Option<String>,
        /// Seconds per target.
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
        /// Seed of the fuzzer's random numbers; 0 for a random seed.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u32,
    },
    /// Prove that no public function of scanner-core can panic.
    PanicFree,
    /// Rebuild corpus/specimens after a change of their builder.
    Specimens,
    /// Regenerate the tables of docs/ and CONTRIBUTING.md.
    Docs,
    /// Check that tcplimit, the tool for files, compiles for macOS and Windows.
    Systems,
    /// Build tcplimit.sys, tcplimit.exe and tcplimitw.exe for x86 and x64 into target/driver, and check them.
    Driver {
        /// Build everything again in another folder, and compare the bytes.
        #[arg(long)]
        twice: bool,
    },
    /// Make the releases in target/dist (archives, lists of components, sums) and try them.
    Dist {
        /// Build everything again in another folder, and compare the bytes.
        #[arg(long)]
        twice: bool,
        /// Only pack and try existing builds, as `test` does; this makes no release.
        #[arg(long, conflicts_with = "twice")]
        trial: bool,
    },
    /// Run tcplimit.sys in an emulated processor beside thousands of modules, and measure its cost.
    Emulate(emulate::Options),
    /// Write a page with every safety claim and its evidence from the last `cargo xtask test`.
    Report,
    /// Compare the driver's layouts of NT structures with mingw-w64's headers.
    Offsets,
    /// Check the driver's feature `wdk` with a stand-in for wdk-sys.
    Wdk,
    /// Load tcplimit.sys in Wine beside a driver with a limiter, and test it with programs.
    Wine(wine::Options),
    /// Check licences, duplicate dependencies, and which crates depend on which.
    Dependencies,
    /// Run `tcplimit probe` on genuine Windows files, downloaded by package managers.
    RealInput {
        /// Download without asking (CI=true does the same).
        #[arg(long, short)]
        yes: bool,
    },
}

fn main() -> ExitCode {
    // A later build may replace the executable.
    let _ = Workspace::own_executable();
    if let Some(done) = linker_wrapper::run_as_linker().or_else(rustc_wrapper::run_as_rustc) {
        return done;
    }
    let arguments = Arguments::parse();
    let workspace = Workspace::current();
    let mut summary = Summary::default();
    match arguments.command {
        Command::Setup { yes } => {
            summary.step("setup", || setup::system(&workspace, yes));
            summary.step("tools", || setup::tools(&workspace, yes));
        }
        Command::Test(options) => plan::run(&workspace, &options, &mut summary),
        Command::Step(options) => return plan::step(&workspace, &options),
        Command::Broken { words, sample } => {
            summary.step_with_observations("broken", |observations| {
                let extent = match &words {
                    Some(words) => Extent::Only(words),
                    None if sample => Extent::Sample,
                    None => Extent::Full,
                };
                breakages::run(&workspace, extent, observations)
            });
        }
        Command::Mutants(options) => {
            summary.step("mutants", || mutants::run(&workspace, &options));
        }
        Command::Fuzz {
            target,
            seconds,
            seed,
        } => summary.step_with_observations("fuzzing", |observations| {
            fuzz::run(&workspace, target.as_deref(), seconds, seed, observations)
        }),
        Command::Specimens => summary.step("specimens", || specimens(&workspace)),
        Command::Docs => summary.step("docs", || docs(&workspace)),
        Command::PanicFree => summary.step("no panic", || panic_free::run(&workspace)),
        Command::Systems => summary.step("systems", || cross_check::run(&workspace, false)),
        Command::Driver { twice } => {
            summary.step_with_observations("driver", |observations| {
                driver::run(&workspace, driver::Rebuild::requested(twice), observations)
            });
        }
        Command::Emulate(options) => {
            summary.step_with_observations("emulator", |observations| {
                emulate::run(&workspace, &options, observations)
            });
        }
        Command::Dist { trial: true, .. } => summary.step("dist", || dist::step(&workspace)),
        Command::Dist { twice, .. } => {
            summary.step_with_observations("dist", |observations| {
                dist::run(&workspace, twice, observations)
            });
        }
        Command::Report => summary.step("report", || claims_report::run(&workspace)),
        Command::Offsets => summary.step_with_observations("offsets", |observations| {
            offsets::run(&workspace, observations)
        }),
        Command::Wdk => summary.step("wdk", || wdk::run(&workspace, false)),
        Command::Wine(options) => {
            summary.step_with_observations("wine", |observations| {
                wine::run(&workspace, &options, observations)
            });
        }
        Command::Dependencies => summary.step("dependencies", || dependencies::run(&workspace)),
        Command::RealInput { yes } => {
            summary.step("fetch", || real_input::fetch(&workspace, yes));
            summary.step_with_observations("real input", |observations| {
                real_input::run(&workspace, observations)
            });
        }
    }
    summary.finish()
}

/// Makes the test that compares the tables write them.
fn docs(workspace: &Workspace) -> Result<Outcome, command::Failure> {
    let mut write = workspace.cargo(&["test", "--quiet", "--package", "verify"]);
    write.args(["--test", "proof", "document::generated"]);
    command::run(write.env("TCPLIMIT_WRITE_TABLES", "1"))?;
    Ok(Outcome::Passed("commit the changes".into()))
}

/// Runs the builder; a test checks that the results are committed.
fn specimens(workspace: &Workspace) -> Result<Outcome, command::Failure> {
    let mut write = workspace.cargo(&["run", "--quiet", "--package", "specimen"]);
    command::run(write.args(["--example", "specimens"]))?;
    Ok(Outcome::Passed("commit the changes".into()))
}
