//! The program `emulate`, which `cargo xtask emulate` runs.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use specimen::{Arch, Spec};

use crate::address::DRIVER;
use crate::campaign::{Campaign, Totals};
use crate::cost::{self, CostTable};
use crate::happy_path::{self, races};
use crate::run::run;
use crate::scenario::Scenario;
use crate::shipped::{self, files};
use crate::system::System;
use crate::violation::Violation;

/// Runs of the campaign per driver, by default and with `--long`.
const SHORT: u64 = 1200;
const LONG: u64 = 6000;

/// The command line.
#[derive(Debug)]
struct Options {
    drivers: PathBuf,
    runs: u64,
    /// `None`: the usual campaign from its first seed, and all other checks.
    seed: Option<u64>,
    compiler: String,
    record: bool,
    profile: bool,
    files: Vec<PathBuf>,
}

const USAGE: &str = "usage: emulate [--drivers FOLDER] [--long | --runs N] [--seed N] \
                     [--compiler TEXT] [--record] [--profile] [FILE...]";

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            drivers: shipped::folder(),
            runs: SHORT,
            seed: None,
            compiler: String::new(),
            record: false,
            profile: false,
            files: Vec::new(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            let number = |text: String| text.parse().map_err(|_| USAGE);
            match argument.as_str() {
                "--drivers" => options.drivers = value()?.into(),
                "--long" => options.runs = LONG,
                "--runs" => options.runs = number(value()?)?,
                "--seed" => options.seed = Some(number(value()?)?),
                "--compiler" => options.compiler = value()?,
                "--record" => options.record = true,
                "--profile" => options.profile = true,
                _ if argument.starts_with('-') => return Err(USAGE.into()),
                _ => options.files.push(argument.into()),
            }
        }
        Ok(options)
    }
}

/// An error of the program.
#[derive(Debug)]
pub enum CommandError {
    /// A violation by the driver, or too low coverage.
    Driver(String),
    /// Input with which nothing could be run.
    Input(String),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Driver(why) | CommandError::Input(why) => f.write_str(why),
        }
    }
}

/// Runs the program, and prints the results.
///
/// # Errors
/// The reason, in words.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), CommandError> {
    let options = Options::parse(arguments).map_err(CommandError::Input)?;
    let drivers = files(&options.drivers).map_err(CommandError::Input)?;
    if !options.files.is_empty() {
        return run_files(&drivers, &options.files);
    }
    // A seed is for repeating that run alone.
    if options.seed.is_none() {
        run_happy_paths(&drivers).map_err(CommandError::Driver)?;
    }
    campaign(&drivers, &options).map_err(CommandError::Driver)?;
    if options.seed.is_none() {
        costs(&drivers, &options).map_err(CommandError::Driver)?;
    }
    Ok(())
}

/// The shipped files, with their processors.
pub type Drivers = [(Arch, Vec<u8>)];

/// Runs every kind of specimen, and the races for its limit.
fn run_happy_paths(drivers: &Drivers) -> Result<(), String> {
    let begun = Instant::now();
    let (mut runs, mut race_count) = (0, 0);
    for (arch, file) in drivers {
        for base in DRIVER {
            let fail = |kind: &str| {
                let kind = kind.to_owned();
                move |violation| format!("{kind}: {violation}")
            };
            let mut system = System::new(file, base.of(*arch)).map_err(fail("the driver"))?;
            system.machine.watch_reads();
            let kinds = Spec::presets()
                .into_iter()
                .filter(|(_, spec)| spec.arch == *arch);
            for (kind, spec) in kinds {
                run(&mut system, &Scenario::from_specimen(&spec)).map_err(fail(kind))?;
                race_count += races(&mut system, &spec.with_text_kib(4))
                    .map_err(fail(kind))?
                    .len();
                runs += 1;
            }
        }
    }
    println!(
        "happy path: {runs} runs over every kind, {race_count} races, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    figure("happy-path runs, one for each kind and base", runs);
    figure("races for the limit", race_count);
    Ok(())
}

fn campaign(drivers: &Drivers, options: &Options) -> Result<(), String> {
    let (seed, runs) = (options.seed.unwrap_or(1), options.runs);
    let campaign = Campaign {
        drivers,
        seed,
        runs,
        print_line: |line| println!("{line}"),
    };
    println!("campaign: seeds from {seed}, {runs} runs per driver");
    figure("first seed", seed);
    let totals = campaign.run().map_err(|violation| violation.to_string())?;
    print_totals(&totals);
    if totals.failures.is_empty() {
        // A campaign with too low coverage would prove too little.
        return match totals.shortfall(runs).filter(|_| runs >= SHORT) {
            None => Ok(()),
            Some(lack) => Err(lack),
        };
    }
    Err(format!(
        "{} of {} runs failed",
        totals.failures.len(),
        totals.runs
    ))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn print_totals(totals: &Totals) {
    let seconds = totals.duration.as_secs_f64();
    println!(
        "campaign: {} runs in {seconds:.0} s ({:.0} a second): {} loads, {} requests, {} limits \
        located, {} limits changed, {} failed exchanges, {} agreements of the searches, {:.1} \
        billion instructions, at most {} bytes of stack",
        totals.runs,
        totals.runs as f64 / seconds,
        totals.loaded,
        totals.requests,
        totals.located,
        totals.changes,
        totals.failed_exchanges,
        totals.agreements,
        totals.instructions as f64 / 1e9,
        totals.stack
    );
    println!("campaign: answers: {}", totals.reason_counts());
    figure("runs", totals.runs);
    figure("requests", totals.requests);
    figure("limits located", totals.located);
    figure("limits changed", totals.changes);
    figure("failed exchanges", totals.failed_exchanges);
    figure("agreements of the three searches", totals.agreements);
    for (name, count) in &totals.not_compared {
        figure(&format!("not compared: {name}"), count);
    }
    for (arch, coverage) in &totals.coverage {
        for (name, count) in coverage.counts() {
            figure(&format!("{arch:?}: {name}"), count);
        }
    }
    figure("instructions", totals.instructions);
    figure("most stack, bytes", totals.stack);
}

/// A line for `cargo xtask report`.
fn figure(name: &str, value: impl Display) {
    println!("figure: {name} = {value}");
}

fn costs(drivers: &Drivers, options: &Options) -> Result<(), String> {
    let mut costs = Vec::new();
    for (arch, file) in drivers {
        costs.extend(cost::measure(file, *arch).map_err(|violation| violation.to_string())?);
        if options.profile {
            let functions =
                cost::profile(file, *arch).map_err(|violation| violation.to_string())?;
            for (rva, count) in functions.iter().take(12) {
                println!("profile: {arch:?} {rva:6X} {count:9}");
            }
        }
    }
    for cost in &costs {
        let (kind, per_byte) = (&cost.kind, cost.per_byte());
        println!("cost: {kind:<20} {per_byte:5.2} instructions per byte of .text");
        figure(
            &format!("{kind}: instructions per byte"),
            format!("{per_byte:.2}"),
        );
    }
    let now = CostTable::of(&options.compiler, &costs);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.toml");
    let name = path.display();
    if options.record {
        return fs::write(&path, now.write()).map_err(|error| format!("{name}: {error}"));
    }
    let recorded = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    match CostTable::read(&recorded).compare(&now) {
        Ok(differs) => {
            // Counted only where costs were compared.
            figure("costs compared with cost.toml", costs.len());
            if differs.is_empty() {
                println!("cost: no worse than recorded for {}", now.compiler);
                return Ok(());
            }
            Err(format!(
                "costs differ from cost.toml: {}",
                differs.join("; ")
            ))
        }
        Err(why) => {
            println!("cost: {why}");
            Ok(())
        }
    }
}

/// Runs each file; a failure does not stop the others.
fn run_files(drivers: &Drivers, files: &[PathBuf]) -> Result<(), CommandError> {
    let (mut first, mut wrong) = (None, 0);
    for file in files {
        match run_file(drivers, file) {
            Ok(summary) => println!("{}: {summary}", file.display()),
            Err(why) => {
                println!("{}: {why}", file.display());
                wrong += 1;
                // A violation by the driver matters more.
                if first.is_none() || matches!(why, CommandError::Driver(_)) {
                    first = Some(why);
                }
            }
        }
    }
    let of = format!("{wrong} of {} files", files.len());
    match first {
        None => Ok(()),
        Some(CommandError::Driver(_)) => {
            Err(CommandError::Driver(format!("{of} failed: see above")))
        }
        Some(CommandError::Input(_)) => Err(CommandError::Input(format!("{of} could not be run"))),
    }
}

/// Runs the driver beside a module's file; a summary of the run.
///
/// # Errors
/// The file can't be loaded, the driver violates a rule, or locator and oracle
/// disagree.
pub fn run_file(drivers: &Drivers, path: &Path) -> Result<String, CommandError> {
    let bytes = fs::read(path).map_err(|error| CommandError::Input(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let arch = happy_path::file_arch(&bytes).map_err(CommandError::Input)?;
    let driver = drivers.iter().find(|(of, _)| *of == arch);
    let Some((_, driver)) = driver else {
        return Err(CommandError::Input(format!("no driver for {arch:?}")));
    };
    let scenario = happy_path::load_scenario(&name, &bytes, arch).map_err(CommandError::Input)?;
    let (verdict, truth) = happy_path::search_with_both(&name, &bytes);
    happy_path::compare_with_oracle(&verdict, &truth).map_err(CommandError::Driver)?;
    let wrong = |violation: Violation| CommandError::Driver(format!("the driver: {violation}"));
    let mut system = System::new(driver, DRIVER[0].of(arch)).map_err(wrong)?;
    system.machine.watch_reads();
    let outcome = run(&mut system, &scenario).map_err(wrong)?;
    let mut totals = Totals::default();
    totals.add(arch, &outcome);
    let located = match happy_path::locate_file(&name, &bytes) {
        Ok((module, rva)) => format!("{arch:?}, {module}, located at RVA {rva}"),
        Err((module, why)) => format!("{arch:?}, refused as {module}: {why}"),
    };
    Ok(format!(
        "{located}; {} requests, {} limits changed, {} instructions; answers: {}",
        outcome.requests,
        outcome.changes,
        outcome.instructions,
        totals.reason_counts()
    ))
}
