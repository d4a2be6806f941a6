//! `cargo xtask …`: everything a person would otherwise type twice.
//!
//! `cargo xtask test` is the one that matters: it installs what is missing
//! (asking first), runs every check of the repository, and ends with a table and
//! a line that counts. The other commands are its single steps.
//!
//! Whatever is fetched or made lands in `target/`.

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

/// Checks, proofs and set-up of the tcplimit workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the checks need and this machine lacks.
    Setup {
        /// Install without asking (CI=true does the same).
        #[arg(long, short)]
        yes: bool,
    },
    /// Run every check, or the steps that are named; --quick after each edit.
    Test(plan::Options),
    /// Run one step of `test`, and write what it came to into a file.
    #[command(hide = true)]
    Step(plan::StepOptions),
    /// Break scanner-core, driver and patcher in a copy, in each way of breakages.txt, and see a test fail.
    Broken {
        /// Only those whose file or description has this in it.
        words: Option<String>,
        /// Only the few that each run of the tests tries.
        #[arg(long, conflicts_with = "words")]
        sample: bool,
    },
    /// Change one operator, value or function of a package at a time, and see a test fail.
    Mutants(mutants::Options),
    /// Fuzz every target, or the one named, for a while.
    Fuzz {
        /// One of the targets in fuzz/fuzz_targets.
        target: Option<String>,
        /// How long to fuzz each target, in seconds.
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
        /// Where the fuzzer's randomness begins; 0 for somewhere else each time.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u32,
    },
    /// Prove that no public function of scanner-core can panic.
    PanicFree,
    /// Write the specimens of corpus/specimens anew, after a change of the builder.
    Specimens,
    /// Write the generated tables of docs/ and CONTRIBUTING.md anew.
    Docs,
    /// Check that the tool for files compiles for macOS and Windows.
    Systems,
    /// Build tcplimit.sys for x86 and x64 into target/driver, and check the files.
    Driver {
        /// Build it again in another folder, and compare the bytes.
        #[arg(long)]
        twice: bool,
    },
    /// Make the releases into target/dist: archives, lists of components, sums; and try them.
    Dist {
        /// Build all of it again in another folder, and compare the bytes.
        #[arg(long)]
        twice: bool,
        /// Only pack and try what was built before, as `test` does: no release comes of it.
        #[arg(long, conflicts_with = "twice")]
        trial: bool,
    },
    /// Run tcplimit.sys in an emulated processor, beside thousands of modules, and count what it takes.
    Emulate(emulate::Options),
    /// Write a page with every claim of safety and the evidence of the last `cargo xtask test`.
    Report,
    /// Compare the driver's layouts of NT's structures with mingw-w64's headers.
    Offsets,
    /// Check the driver's feature `wdk`, with a stand-in for wdk-sys.
    Wdk,
    /// Load tcplimit.sys in Wine beside a driver with a limiter, and try all that programs can do.
    Wine(wine::Options),
    /// Check licences, duplicate dependencies and who depends on whom.
    Dependencies,
    /// Run `tcplimit probe` over genuine Windows files, fetched by package managers.
    RealInput {
        /// Fetch without asking (CI=true does the same).
        #[arg(long, short)]
        yes: bool,
    },
}

fn main() -> ExitCode {
    // Asked for now, while it is there.
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
            })
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

/// The test that compares the tables writes them where it is asked to.
fn docs(workspace: &Workspace) -> Result<Outcome, command::Failure> {
    let mut write = workspace.cargo(&["test", "--quiet", "--package", "verify"]);
    write.args(["--test", "proof", "document::generated"]);
    command::run(write.env("TCPLIMIT_WRITE_TABLES", "1"))?;
    Ok(Outcome::Passed("commit what changed".into()))
}

/// `specimen` builds them; a test sees that they were committed.
fn specimens(workspace: &Workspace) -> Result<Outcome, command::Failure> {
    let mut write = workspace.cargo(&["run", "--quiet", "--package", "specimen"]);
    command::run(write.args(["--example", "specimens"]))?;
    Ok(Outcome::Passed("commit what changed".into()))
}
