//! Many runs, on all processors of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use specimen::Arch;
use tcplimit_protocol::Reason;

use crate::address::DRIVER;
use crate::run::{Outcome, run};
use crate::scenario::Scenario;
use crate::system::System;
use crate::violation::Violation;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Campaign<'a> {
    /// The shipped files, with their processors.
    pub drivers: &'a [(Arch, Vec<u8>)],
    /// The first run's number.
    pub seed: u64,
    /// Runs for each driver.
    pub runs: u64,
    /// A line has come that should be seen at once: what went wrong, or how far
    /// it is.
    pub print_line: fn(&str),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Runs in which DriverEntry succeeded.
    pub loaded: u64,
    /// Requests.
    pub requests: u64,
    /// Answers by their reason.
    pub reasons: BTreeMap<u32, u64>,
    /// How often a limit was located.
    pub located: u64,
    /// Limits replaced.
    pub changes: u64,
    /// Exchanges that found another value in the last moment.
    pub failed_exchanges: u64,
    /// Comparisons of the searches.
    pub agreements: u64,
    /// What could not be compared, by the reason.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// What each processor's runs came to.
    pub coverage: Vec<(Arch, Coverage)>,
    /// Instructions of the driver's.
    pub instructions: u64,
    /// The most stack that any call took.
    pub stack: u64,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub duration: Duration,
}

/// What a processor's runs came to, as far as a campaign that has too little of it
/// proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How often a limit was located.
    pub located: u64,
    /// Limits replaced.
    pub changes: u64,
    /// Comparisons of the searches.
    pub agreements: u64,
    /// Those about modules that were damaged.
    pub damaged: u64,
    /// Calls of the system that failed.
    pub failed: u64,
}

impl Coverage {
    /// Each by its name.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("times located", self.located),
            ("limits changed", self.changes),
            ("agreements", self.agreements),
            ("agreements about damaged modules", self.damaged),
            ("calls that failed", self.failed),
        ]
    }

    /// What there is too little of after so many runs, in words.
    #[must_use]
    pub fn shortfall(&self, runs: u64) -> Option<String> {
        let counts = self.counts().into_iter().zip(MINIMUM);
        let mut short = counts.filter(|((_, count), least)| *count < least * runs / 1000);
        let ((name, count), least) = short.next()?;
        let least = least * runs / 1000;
        Some(format!("{count} {name} in {runs} runs, {least} at least"))
    }
}

/// The least in a thousand runs: about two thirds of what there is.
const MINIMUM: [u64; 5] = [1300, 350, 2000, 75, 800];

/// A run that went wrong.
#[derive(Debug)]
pub struct Failure {
    /// Its number.
    pub seed: u64,
    /// Its processor.
    pub arch: Arch,
    /// Why.
    pub violation: Violation,
}

impl Totals {
    pub(crate) fn add(&mut self, arch: Arch, outcome: &Outcome) {
        self.runs += 1;
        self.loaded += u64::from(outcome.loaded);
        self.requests += outcome.requests;
        self.located += outcome.located;
        self.changes += outcome.changes;
        self.failed_exchanges += outcome.failed_exchanges;
        self.agreements += outcome.agreements;
        self.instructions += outcome.instructions;
        self.stack = self.stack.max(outcome.stack);
        for (&name, count) in &outcome.not_compared {
            *self.not_compared.entry(name).or_default() += count;
        }
        let place = self.coverage.iter().position(|(of, _)| *of == arch);
        let place = place.unwrap_or_else(|| {
            self.coverage.push((arch, Coverage::default()));
            self.coverage.len() - 1
        });
        let (_, coverage) = &mut self.coverage[place];
        coverage.located += outcome.located;
        coverage.changes += outcome.changes;
        coverage.agreements += outcome.agreements;
        coverage.damaged += outcome.damaged;
        coverage.failed += outcome.failed;
        for &(reason, count) in &outcome.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }

    /// What some processor's runs have too little of, in words; so many of each.
    #[must_use]
    pub fn shortfall(&self, runs: u64) -> Option<String> {
        let of = |arch| self.coverage.iter().find(|(of, _)| *of == arch);
        [Arch::X86, Arch::X64].into_iter().find_map(|arch| {
            let (_, coverage) = of(arch).copied().unwrap_or((arch, Coverage::default()));
            Some(format!("{arch:?}: {}", coverage.shortfall(runs)?))
        })
    }

    /// The reasons' names, with how often each was given.
    #[must_use]
    pub fn reason_counts(&self) -> String {
        let counts = self.reasons.iter().map(|(&code, count)| {
            let name = Reason::from_code(code).map_or("?".into(), |reason| format!("{reason:?}"));
            format!("{name} {count}")
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// No more failures than these are looked for.
const MAX_FAILURES: usize = 5;

/// How often a campaign tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arch, violation) = (self.arch, &self.violation);
        write!(
            f,
            "FAILED: {arch:?}, {violation}\n  {}",
            RepeatCommand(self.seed)
        )
    }
}

/// How a run is repeated.
struct RepeatCommand(u64);

impl fmt::Display for RepeatCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.0;
        write!(f, "again: cargo xtask emulate --seed {seed} --runs 1")
    }
}

/// Says which run it was in which a model panicked.
struct PanicReport(u64, fn(&str));

impl Drop for PanicReport {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.1)(&format!("a model panicked; {}", RepeatCommand(self.0)));
        }
    }
}

impl Campaign<'_> {
    /// Runs all of it.
    ///
    /// # Errors
    /// When a driver can't be loaded at all.
    ///
    /// # Panics
    /// When a model is wrong.
    pub fn run(&self) -> Result<Totals, Violation> {
        let begun = Instant::now();
        let next = AtomicU64::new(0);
        let totals = Mutex::new(Totals::default());
        let last_progress = Mutex::new(begun);
        let workers = thread::available_parallelism().map_or(1, |workers| workers.get());
        let worker = |number: usize| -> Result<(), Violation> {
            // A processor is set up once, and each run finds it as new.
            let mut systems = Vec::new();
            for (arch, file) in self.drivers {
                let base = DRIVER[number % DRIVER.len()].of(*arch);
                systems.push((*arch, System::new(file, base)?));
            }
            loop {
                let run_number = next.fetch_add(1, Ordering::Relaxed);
                if run_number >= self.runs {
                    return Ok(());
                }
                let seed = self.seed.wrapping_add(run_number);
                for (arch, system) in &mut systems {
                    let panic_report = PanicReport(seed, self.print_line);
                    let done = run(system, &Scenario::from_seed(seed, *arch));
                    drop(panic_report);
                    let mut totals = totals.lock().expect("no worker panics");
                    match done {
                        Ok(outcome) => totals.add(*arch, &outcome),
                        Err(violation) => {
                            let failure = Failure {
                                seed,
                                arch: *arch,
                                violation,
                            };
                            // Now: whoever interrupts it must not lose it.
                            (self.print_line)(&failure.to_string());
                            totals.failures.push(failure);
                        }
                    }
                    let mut last_progress = last_progress.lock().expect("no worker panics");
                    if last_progress.elapsed() >= PROGRESS_INTERVAL {
                        *last_progress = Instant::now();
                        (self.print_line)(&self.progress(&totals, begun));
                    }
                    if totals.failures.len() >= MAX_FAILURES {
                        return Ok(());
                    }
                }
            }
        };
        thread::scope(|scope| {
            let worker = &worker;
            let workers: Vec<_> = (0..workers)
                .map(|number| scope.spawn(move || worker(number)))
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().expect("a worker panicked"))
        })?;
        let mut totals = totals.into_inner().expect("no worker panics");
        totals.duration = begun.elapsed();
        Ok(totals)
    }

    /// How far it is, and how long it will take.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn progress(&self, totals: &Totals, begun: Instant) -> String {
        let done = totals.runs + totals.failures.len() as u64;
        let all = self.runs * self.drivers.len() as u64;
        let seconds = begun.elapsed().as_secs_f64();
        let left = seconds / done as f64 * (all.saturating_sub(done)) as f64;
        let failed = totals.failures.len();
        format!("campaign: {done} runs of {all}, {failed} failed, {left:.0} s to go")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_with_too_low_coverage_is_reported() {
        let [located, changes, agreements, damaged, failed] = MINIMUM;
        let enough = Coverage {
            located,
            changes,
            agreements,
            damaged,
            failed,
        };
        assert_eq!(enough.shortfall(1000), None);
        assert!(enough.shortfall(2000).is_some());
        for less in [
            Coverage {
                located: 0,
                ..enough
            },
            Coverage {
                changes: changes - 1,
                ..enough
            },
            Coverage {
                agreements: agreements - 1,
                ..enough
            },
            Coverage {
                damaged: damaged - 1,
                ..enough
            },
            Coverage {
                failed: failed - 1,
                ..enough
            },
        ] {
            assert!(less.shortfall(1000).is_some(), "{less:?}");
        }
    }
}
