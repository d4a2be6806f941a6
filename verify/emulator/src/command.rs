//! `emulate`: the whole of it, as `cargo xtask emulate` runs it.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use specimen::{Arch, Spec};

use crate::address::DRIVER;
use crate::campaign::{Campaign, Tally};
use crate::cost::{self, Table};
use crate::plain::{self, races};
use crate::run::run;
use crate::scenario::Scenario;
use crate::shipped::{self, files};
use crate::system::System;
use crate::violation::Violation;

/// Runs of the campaign for each driver: so many, or many more with `--long`.
const SHORT: u64 = 1200;
const LONG: u64 = 6000;

/// What is asked for.
#[derive(Debug)]
struct Options {
    drivers: PathBuf,
    runs: u64,
    /// `None` for the usual campaign from its beginning, and all else.
    seed: Option<u64>,
    compiler: String,
    record: bool,
    profile: bool,
    files: Vec<PathBuf>,
}

const USAGE: &str = "usage: emulate [--drivers FOLDER] [--long | --runs N] [--seed N] \
                     [--compiler TEXT] [--record] [--profile] [FILE...]";

impl Options {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
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

/// Why it did not end well.
#[derive(Debug)]
pub enum Wrong {
    /// What the driver did, or came to, that must not be.
    Driver(String),
    /// What keeps anything from being run.
    Input(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Driver(why) | Wrong::Input(why) => f.write_str(why),
        }
    }
}

/// Runs it, and prints what came of it.
///
/// # Errors
/// What is wrong, in words.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), Wrong> {
    let options = Options::of(arguments).map_err(Wrong::Input)?;
    let drivers = files(&options.drivers).map_err(Wrong::Input)?;
    if !options.files.is_empty() {
        return all_given(&drivers, &options.files);
    }
    // A run that is repeated is wanted alone.
    if options.seed.is_none() {
        plain_runs(&drivers).map_err(Wrong::Driver)?;
    }
    campaign(&drivers, &options).map_err(Wrong::Driver)?;
    if options.seed.is_none() {
        costs(&drivers, &options).map_err(Wrong::Driver)?;
    }
    Ok(())
}

/// The shipped files, with their processors.
pub type Drivers = [(Arch, Vec<u8>)];

/// Every kind of specimen, and the races for its limit.
fn plain_runs(drivers: &Drivers) -> Result<(), String> {
    let begun = Instant::now();
    let (mut runs, mut raced) = (0, 0);
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
                run(&mut system, &Scenario::of_specimen(&spec)).map_err(fail(kind))?;
                raced += races(&mut system, &spec.with_text_kib(4))
                    .map_err(fail(kind))?
                    .len();
                runs += 1;
            }
        }
    }
    println!(
        "plain: {runs} runs over every kind, {raced} races, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    figure("plain runs, one for each kind and place", runs);
    figure("races for the limit", raced);
    Ok(())
}

fn campaign(drivers: &Drivers, options: &Options) -> Result<(), String> {
    let (seed, runs) = (options.seed.unwrap_or(1), options.runs);
    let campaign = Campaign {
        drivers,
        seed,
        runs,
        tell: |line| println!("{line}"),
    };
    println!("campaign: numbers from {seed}, {runs} for each driver");
    figure("first run's number", seed);
    let tally = campaign.run().map_err(|violation| violation.to_string())?;
    print(&tally);
    if tally.failures.is_empty() {
        // A campaign that reaches too little would prove too little.
        return match tally.lacks(runs).filter(|_| runs >= SHORT) {
            None => Ok(()),
            Some(lack) => Err(lack),
        };
    }
    Err(format!(
        "{} runs of {} failed",
        tally.failures.len(),
        tally.runs
    ))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn print(tally: &Tally) {
    let seconds = tally.took.as_secs_f64();
    println!(
        "campaign: {} runs in {seconds:.0} s ({:.0} a second): {} loads, {} requests, {} times \
         located, {} limits changed, {} exchanges in vain, {} agreements of the searches, {:.1} \
         billion instructions, at most {} bytes of stack",
        tally.runs,
        tally.runs as f64 / seconds,
        tally.loaded,
        tally.requests,
        tally.located,
        tally.changes,
        tally.missed,
        tally.agreements,
        tally.instructions as f64 / 1e9,
        tally.stack
    );
    println!("campaign: answers: {}", tally.named_reasons());
    figure("runs", tally.runs);
    figure("requests", tally.requests);
    figure("times located", tally.located);
    figure("limits changed", tally.changes);
    figure("exchanges in vain", tally.missed);
    figure("agreements of the three searches", tally.agreements);
    for (what, count) in &tally.exempt {
        figure(&format!("not compared: {what}"), count);
    }
    for (arch, reached) in &tally.reached {
        for (what, count) in reached.named() {
            figure(&format!("{arch:?}: {what}"), count);
        }
    }
    figure("instructions", tally.instructions);
    figure("most stack, bytes", tally.stack);
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
        println!("cost: {kind:<20} {per_byte:5.2} instructions for a byte of .text");
        figure(
            &format!("{kind}: instructions a byte"),
            format!("{per_byte:.2}"),
        );
    }
    let now = Table::of(&options.compiler, &costs);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.toml");
    let name = path.display();
    if options.record {
        return fs::write(&path, now.write()).map_err(|error| format!("{name}: {error}"));
    }
    let recorded = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    match Table::read(&recorded).compare(&now) {
        Ok(differs) => {
            // Only here was anything compared.
            figure("costs compared with the table", costs.len());
            if differs.is_empty() {
                println!("cost: no worse than recorded for {}", now.compiler);
                return Ok(());
            }
            Err(format!("not as recorded: {}", differs.join("; ")))
        }
        Err(why) => {
            println!("cost: {why}");
            Ok(())
        }
    }
}

/// Modules' files. One that can't be run does not keep the others from it.
fn all_given(drivers: &Drivers, files: &[PathBuf]) -> Result<(), Wrong> {
    let (mut first, mut wrong) = (None, 0);
    for file in files {
        match given(drivers, file) {
            Ok(said) => println!("{}: {said}", file.display()),
            Err(why) => {
                println!("{}: {why}", file.display());
                wrong += 1;
                // That the driver is wrong matters more.
                if first.is_none() || matches!(why, Wrong::Driver(_)) {
                    first = Some(why);
                }
            }
        }
    }
    let of = format!("{wrong} of {} files", files.len());
    match first {
        None => Ok(()),
        Some(Wrong::Driver(_)) => Err(Wrong::Driver(format!("{of}: see above"))),
        Some(Wrong::Input(_)) => Err(Wrong::Input(format!("{of} could not be run"))),
    }
}

/// A module's file, as it would run; what the driver made of it.
///
/// # Errors
/// When it can't be loaded, the driver does what it may not, or the locator finds
/// something else than the oracle.
pub fn given(drivers: &Drivers, path: &Path) -> Result<String, Wrong> {
    let bytes = fs::read(path).map_err(|error| Wrong::Input(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let arch = plain::arch_of(&bytes).map_err(Wrong::Input)?;
    let driver = drivers.iter().find(|(of, _)| *of == arch);
    let Some((_, driver)) = driver else {
        return Err(Wrong::Input(format!("no driver for {arch:?}")));
    };
    let scenario = plain::of_file(&name, &bytes, arch).map_err(Wrong::Input)?;
    let (verdict, truth) = plain::searched(&name, &bytes);
    plain::of_one_mind(&verdict, &truth).map_err(Wrong::Driver)?;
    let wrong = |violation: Violation| Wrong::Driver(format!("the driver: {violation}"));
    let mut system = System::new(driver, DRIVER[0].of(arch)).map_err(wrong)?;
    system.machine.watch_reads();
    let outcome = run(&mut system, &scenario).map_err(wrong)?;
    let mut tally = Tally::default();
    tally.add(arch, &outcome);
    let located = match plain::module_of(&name, &bytes) {
        Ok((module, rva)) => format!("{arch:?}, {module}, located at RVA {rva}"),
        Err((module, why)) => format!("{arch:?}, refused as {module}: {why}"),
    };
    Ok(format!(
        "{located}; {} requests, {} limits changed, {} instructions; answers: {}",
        outcome.requests,
        outcome.changes,
        outcome.instructions,
        tally.named_reasons()
    ))
}
