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

/// A series of random runs.
#[derive(Debug, Clone, Copy)]
pub struct Campaign<'a> {
    /// The shipped files, with their processors.
    pub drivers: &'a [(Arch, Vec<u8>)],
    /// The seed of the first run.
    pub seed: u64,
    /// Runs per driver.
    pub runs: u64,
    /// Prints a line at once: a failure, or the progress.
    pub print_line: fn(&str),
}

/// The results of a campaign.
#[derive(Debug, Default)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Runs whose DriverEntry succeeded.
    pub loaded: u64,
    /// Requests.
    pub requests: u64,
    /// Answers by their reason.
    pub reasons: BTreeMap<u32, u64>,
    /// Answers with a located limit.
    pub located: u64,
    /// Changed limits.
    pub changes: u64,
    /// Exchanges that failed because another program had changed the value.
    pub failed_exchanges: u64,
    /// Comparisons of the searches.
    pub agreements: u64,
    /// Comparisons that were not possible, by the reason.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// Coverage of each processor's runs.
    pub coverage: Vec<(Arch, Coverage)>,
    /// Instructions that the driver executed.
    pub instructions: u64,
    /// The most stack that any call used, in bytes.
    pub stack: u64,
    /// Failed runs.
    pub failures: Vec<Failure>,
    /// Duration of the campaign.
    pub duration: Duration,
}

/// Events of a processor's runs: a campaign with too few of them proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Answers with a located limit.
    pub located: u64,
    /// Changed limits.
    pub changes: u64,
    /// Comparisons of the searches.
    pub agreements: u64,
    /// Comparisons on damaged modules.
    pub damaged: u64,
    /// Failed calls of the system.
    pub failed: u64,
}

impl Coverage {
    /// Each count with its name.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("limits located", self.located),
            ("limits changed", self.changes),
            ("agreements", self.agreements),
            ("agreements on damaged modules", self.damaged),
            ("failed calls", self.failed),
        ]
    }

    /// The first count that is too low for this number of runs, in words.
    #[must_use]
    pub fn shortfall(&self, runs: u64) -> Option<String> {
        let counts = self.counts().into_iter().zip(MINIMUM);
        let mut short = counts.filter(|((_, count), least)| *count < least * runs / 1000);
        let ((name, count), least) = short.next()?;
        let least = least * runs / 1000;
        Some(format!(
            "{count} {name} in {runs} runs, fewer than the minimum of {least}"
        ))
    }
}

/// The minimum per thousand runs: about two thirds of the usual counts.
const MINIMUM: [u64; 5] = [1300, 350, 2000, 75, 800];

/// A failed run.
#[derive(Debug)]
pub struct Failure {
    /// Seed of the run.
    pub seed: u64,
    /// Processor of the run.
    pub arch: Arch,
    /// The violation.
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

    /// The first count that is too low on some processor, in words. `runs`: runs per
    /// processor.
    #[must_use]
    pub fn shortfall(&self, runs: u64) -> Option<String> {
        let of = |arch| self.coverage.iter().find(|(of, _)| *of == arch);
        [Arch::X86, Arch::X64].into_iter().find_map(|arch| {
            let (_, coverage) = of(arch).copied().unwrap_or((arch, Coverage::default()));
            Some(format!("{arch:?}: {}", coverage.shortfall(runs)?))
        })
    }

    /// The reasons' names with their counts.
    #[must_use]
    pub fn reason_counts(&self) -> String {
        let counts = self.reasons.iter().map(|(&code, count)| {
            let name = Reason::from_code(code).map_or("?".into(), |reason| format!("{reason:?}"));
            format!("{name} {count}")
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// The campaign ends after this number of failures.
const MAX_FAILURES: usize = 5;

/// Time between two lines of progress.
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

/// The command that repeats a run.
struct RepeatCommand(u64);

impl fmt::Display for RepeatCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.0;
        write!(f, "repeat: cargo xtask emulate --seed {seed} --runs 1")
    }
}

/// Names the run if a model panics.
struct PanicReport(u64, fn(&str));

impl Drop for PanicReport {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.1)(&format!("a model panicked; {}", RepeatCommand(self.0)));
        }
    }
}

impl Campaign<'_> {
    /// Runs the campaign.
    ///
    /// # Errors
    /// A driver can't be loaded.
    ///
    /// # Panics
    /// A model has a bug.
    pub fn run(&self) -> Result<Totals, Violation> {
        let begun = Instant::now();
        let next = AtomicU64::new(0);
        let totals = Mutex::new(Totals::default());
        let last_progress = Mutex::new(begun);
        let workers = thread::available_parallelism().map_or(1, |workers| workers.get());
        let worker = |number: usize| -> Result<(), Violation> {
            // A processor is set up once and reset before each run.
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
                            // At once, so that an interrupt does not lose it.
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

    /// Progress and remaining time.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn progress(&self, totals: &Totals, begun: Instant) -> String {
        let done = totals.runs + totals.failures.len() as u64;
        let all = self.runs * self.drivers.len() as u64;
        let seconds = begun.elapsed().as_secs_f64();
        let left = seconds / done as f64 * (all.saturating_sub(done)) as f64;
        let failed = totals.failures.len();
        format!("campaign: {done} runs of {all}, {failed} failed, {left:.0} s left")
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
