//! The steps of `cargo xtask test`, their order and their code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::Args;

use crate::breakages::{self, Extent};
use crate::claims_report;
use crate::command::Failure;
use crate::cross_check;
use crate::dependencies;
use crate::dist;
use crate::driver;
use crate::emulate;
use crate::executables;
use crate::figures::Observations;
use crate::fuzz;
use crate::lint;
use crate::offsets;
use crate::panic_free;
use crate::real_input;
use crate::run_history;
use crate::schedule::{self, Job};
use crate::setup;
use crate::summary::{self, Outcome, Summary};
use crate::test;
use crate::wdk;
use crate::wine;
use crate::workflows;
use crate::workspace::{Workspace, ask_consent};

/// A smoke run always has the same seed, so that its result depends on the change and
/// not on luck; `cargo xtask fuzz` has others.
const SMOKE_SEED: u32 = 1;

/// Runs before all other steps, and at the terminal: it may ask for a password.
const SETUP: &str = "setup";

/// The steps of `--quick`.
const QUICK: [&str; 3] = ["format", "lints", "tests"];

/// Options of `cargo xtask test`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Run only format, lints and the tests of changed programs.
    #[arg(long)]
    quick: bool,
    /// Seconds of fuzzing per target.
    #[arg(long, value_name = "N", default_value_t = 20)]
    fuzz_seconds: u64,
    /// Install and download missing programs and files without asking (CI=true does the same).
    #[arg(long, short)]
    yes: bool,
    /// Run only these steps.
    #[arg(value_name = "STEP", value_parser = step_names(), conflicts_with = "quick")]
    only: Vec<String>,
}

/// Options of a step that [`schedule`] starts in a separate process.
#[derive(Clone, Debug, Args)]
pub(crate) struct StepOptions {
    #[arg(value_parser = step_names())]
    name: String,
    /// File for the result.
    #[arg(long)]
    result: PathBuf,
    #[arg(long)]
    fuzz_seconds: u64,
    #[arg(long)]
    yes: bool,
    /// Skip the step if it passed for the same inputs.
    #[arg(long)]
    recorded: bool,
}

fn step_names() -> clap::builder::PossibleValuesParser {
    let names = STEPS.iter().chain([&REPORT]).map(|step| step.name);
    names.chain([SETUP]).collect::<Vec<_>>().into()
}

/// A step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Steps that must end before it begins.
    after: &'static [&'static str],
    run: fn(&Workspace, &StepOptions, &mut Observations) -> Result<Outcome, Failure>,
}

/// The steps in the order of their start: first those that others wait for, and those
/// that take long.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        after: &[],
        run: |workspace, _, _| lint::format(workspace),
    },
    Step {
        name: "products",
        after: &[],
        run: |workspace, _, _| driver::compile(workspace),
    },
    Step {
        name: "checker",
        after: &[],
        run: |workspace, _, _| executables::build_checker(workspace),
    },
    Step {
        name: "driver",
        after: &["products", "checker"],
        run: |workspace, options, observations| {
            driver::step(workspace, options.recorded, observations)
        },
    },
    Step {
        name: "build",
        after: &["checker"],
        run: |workspace, _, _| executables::build_all(workspace),
    },
    Step {
        name: "fetch",
        after: &[],
        run: |workspace, options, _| real_input::fetch(workspace, options.yes),
    },
    Step {
        name: "tools",
        after: &[],
        run: |workspace, options, _| setup::tools(workspace, options.yes),
    },
    Step {
        name: "workflows",
        after: &[],
        run: |workspace, _, _| workflows::run(workspace),
    },
    Step {
        name: "offsets",
        after: &[],
        run: |workspace, _, observations| offsets::run(workspace, observations),
    },
    Step {
        name: "tests",
        after: &["build"],
        run: |workspace, _, observations| test::run(workspace, observations),
    },
    Step {
        name: "lints",
        after: &["build"],
        run: |workspace, _, _| lint::clippy(workspace),
    },
    Step {
        name: "wine",
        after: &["driver"],
        run: |workspace, options, observations| {
            wine::run(workspace, &wine::Options::quick(options.yes), observations)
        },
    },
    Step {
        name: "emulator",
        after: &["driver", "build"],
        run: |workspace, _, observations| {
            emulate::run(workspace, &emulate::Options::quick(), observations)
        },
    },
    Step {
        name: "fuzzing",
        after: &["lints"],
        run: |workspace, options, observations| {
            fuzz::run(
                workspace,
                None,
                options.fuzz_seconds,
                SMOKE_SEED,
                observations,
            )
        },
    },
    Step {
        name: "broken",
        after: &["lints"],
        run: |workspace, _, observations| breakages::run(workspace, Extent::Sample, observations),
    },
    Step {
        name: "real input",
        after: &["build", "fetch"],
        run: |workspace, _, observations| real_input::run(workspace, observations),
    },
    Step {
        name: "systems",
        after: &["driver"],
        run: |workspace, options, _| cross_check::run(workspace, options.recorded),
    },
    Step {
        name: "wdk",
        after: &[],
        run: |workspace, options, _| wdk::run(workspace, options.recorded),
    },
    Step {
        name: "no panic",
        after: &["build"],
        run: |workspace, _, _| panic_free::run(workspace),
    },
    Step {
        name: "dependencies",
        after: &["tools"],
        run: |workspace, _, _| dependencies::run(workspace),
    },
    Step {
        name: "dist",
        after: &["driver", "wine", "build"],
        run: |workspace, _, _| dist::step(workspace),
    },
];

/// Writes the page with the claims, from the results of all other steps.
const REPORT: Step = Step {
    name: "report",
    after: &[],
    run: |workspace, _, _| claims_report::run(workspace),
};

/// Runs the requested steps, and writes the page with the claims.
pub(crate) fn run<'a>(workspace: &'a Workspace, options: &Options, summary: &mut Summary<'a>) {
    let start = Instant::now();
    if options.quick {
        quick(workspace, summary);
    } else {
        let yes = options.yes || ask_before_run(workspace, options);
        if options.only.is_empty() {
            summary.save_for_report(workspace);
        }
        if options.includes(SETUP) {
            summary.step(SETUP, || setup::system(workspace, yes));
        }
        let chosen: Vec<&Step> = STEPS
            .iter()
            .filter(|it| options.includes(it.name))
            .collect();
        run_parallel(workspace, &chosen, options.fuzz_seconds, yes, summary);
        if options.only.is_empty() {
            summary.complete();
            run_parallel(workspace, &[&REPORT], options.fuzz_seconds, yes, summary);
        }
    }
    if options.only.is_empty() {
        let seconds = start.elapsed().as_secs_f64();
        match run_history::append(workspace, options.quick, seconds, summary.steps()) {
            Ok(description) => summary.set_closing_line(description),
            Err(failure) => println!("This run's times are not saved: {failure}"),
        }
    }
}

/// Runs the steps of `--quick` one after the other: each uses all processors for a few
/// seconds.
fn quick(workspace: &Workspace, summary: &mut Summary<'_>) {
    summary.step("format", || lint::format(workspace));
    summary.step("lints", || lint::quick(workspace));
    summary.step_with_observations("tests", |observations| test::quick(workspace, observations));
    let others = STEPS.iter().map(|step| step.name).chain([SETUP]);
    let others: Vec<&str> = others.filter(|name| !QUICK.contains(name)).collect();
    let why = format!("not part of --quick: {}", others.join(", "));
    summary.step("the rest", || Ok(Outcome::Skipped(why)));
}

/// Asks for consent before anything runs, since the steps can't ask.
fn ask_before_run(workspace: &Workspace, options: &Options) -> bool {
    let mut missing = Vec::new();
    if options.includes(SETUP) || options.includes("tools") {
        missing.extend(setup::missing(workspace));
    }
    if options.includes("fetch") {
        missing.extend(real_input::missing(workspace));
    }
    if options.includes("wine") {
        missing.extend(wine::missing(workspace).map(str::to_owned));
    }
    if missing.is_empty() {
        return true;
    }
    println!("This machine lacks:");
    for item in missing {
        println!("  - {item}");
    }
    ask_consent("Install and download what is possible?", false)
}

/// Runs steps in separate processes: two more than there are processors, since some
/// wait for the network, for Wine or for each other. Fuzzing, a time for each target, runs
/// beside other steps.
fn run_parallel(
    workspace: &Workspace,
    chosen: &[&Step],
    fuzz_seconds: u64,
    yes: bool,
    summary: &mut Summary<'_>,
) {
    // A step that is named on the command line always runs.
    let may_be_recorded = chosen.len() == STEPS.len();
    let is_built = chosen
        .iter()
        .any(|step| step.name == "build" || step.name == REPORT.name);
    let jobs: Result<Vec<Job>, Failure> = chosen
        .iter()
        .map(|step| {
            let mut job = step.job(workspace)?;
            job.command
                .args(["--fuzz-seconds", &fuzz_seconds.to_string()]);
            job.command.args(yes.then_some("--yes"));
            job.command.args(may_be_recorded.then_some("--recorded"));
            if is_built {
                job.command
                    .env(executables::LIST, executables::list_path(workspace));
            }
            Ok(job)
        })
        .collect();
    let workers = thread::available_parallelism().map_or(1, usize::from) + 2;
    match jobs {
        Ok(jobs) => schedule::run(jobs, workers, summary),
        Err(failure) => summary.step("start", || Err(failure)),
    }
}

impl Options {
    fn includes(&self, step: &str) -> bool {
        let is_named = |wanted: &str| self.only.iter().any(|name| name == wanted);
        // Otherwise the driver's step would read the list of an earlier run.
        let goes_along = step == "checker" && is_named("build");
        self.only.is_empty() || is_named(step) || goes_along
    }
}

impl Step {
    fn job(&self, workspace: &Workspace) -> Result<Job, Failure> {
        let file = self.name.replace(' ', "-");
        let result = workspace.target(&format!("report/steps/{file}.json"));
        let program = Workspace::own_executable()?.to_string_lossy();
        let mut command = workspace.command(&program);
        command.args(["step", self.name, "--result"]).arg(&result);
        Ok(Job {
            name: self.name,
            after: self.after,
            command,
            log: workspace.target(&format!("report/steps/{file}.log")),
            result,
        })
    }
}

/// Runs a step in the process that was started for it.
pub(crate) fn step(workspace: &Workspace, options: &StepOptions) -> ExitCode {
    let known = STEPS.iter().chain([&REPORT]);
    let Some(step) = known.into_iter().find(|step| step.name == options.name) else {
        return ExitCode::FAILURE;
    };
    let step = summary::run_timed(step.name, |observations| {
        (step.run)(workspace, options, observations)
    });
    match step.write(&options.result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
