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
    pub tell: fn(&str),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
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
    pub missed: u64,
    /// Comparisons of the searches.
    pub agreements: u64,
    /// What could not be compared, by the reason.
    pub exempt: BTreeMap<&'static str, u64>,
    /// What each processor's runs came to.
    pub reached: Vec<(Arch, Reached)>,
    /// Instructions of the driver's.
    pub instructions: u64,
    /// The most stack that any call took.
    pub stack: u64,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub took: Duration,
}

/// What a processor's runs came to, as far as a campaign that has too little of it
/// proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
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

impl Reached {
    /// Each by its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 5] {
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
    pub fn lacks(&self, runs: u64) -> Option<String> {
        let named = self.named().into_iter().zip(LEAST);
        let mut short = named.filter(|((_, count), least)| *count < least * runs / 1000);
        let ((what, count), least) = short.next()?;
        let least = least * runs / 1000;
        Some(format!("{count} {what} in {runs} runs, {least} at least"))
    }
}

/// The least in a thousand runs: about two thirds of what there is.
const LEAST: [u64; 5] = [1300, 350, 2000, 75, 800];

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

impl Tally {
    pub(crate) fn add(&mut self, arch: Arch, outcome: &Outcome) {
        self.runs += 1;
        self.loaded += u64::from(outcome.loaded);
        self.requests += outcome.requests;
        self.located += outcome.located;
        self.changes += outcome.changes;
        self.missed += outcome.missed;
        self.agreements += outcome.agreements;
        self.instructions += outcome.instructions;
        self.stack = self.stack.max(outcome.stack);
        for (&what, count) in &outcome.exempt {
            *self.exempt.entry(what).or_default() += count;
        }
        let place = self.reached.iter().position(|(of, _)| *of == arch);
        let place = place.unwrap_or_else(|| {
            self.reached.push((arch, Reached::default()));
            self.reached.len() - 1
        });
        let (_, reached) = &mut self.reached[place];
        reached.located += outcome.located;
        reached.changes += outcome.changes;
        reached.agreements += outcome.agreements;
        reached.damaged += outcome.damaged;
        reached.failed += outcome.failed;
        for &(reason, count) in &outcome.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }

    /// What some processor's runs have too little of, in words; so many of each.
    #[must_use]
    pub fn lacks(&self, runs: u64) -> Option<String> {
        let of = |arch| self.reached.iter().find(|(of, _)| *of == arch);
        [Arch::X86, Arch::X64].into_iter().find_map(|arch| {
            let (_, reached) = of(arch).copied().unwrap_or((arch, Reached::default()));
            Some(format!("{arch:?}: {}", reached.lacks(runs)?))
        })
    }

    /// The reasons' names, with how often each was given.
    #[must_use]
    pub fn named_reasons(&self) -> String {
        let named = self.reasons.iter().map(|(&code, count)| {
            let name = Reason::from_code(code).map_or("?".into(), |reason| format!("{reason:?}"));
            format!("{name} {count}")
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

/// No more failures than these are looked for.
const ENOUGH: usize = 5;

/// How often a campaign tells how far it is.
const PERIOD: Duration = Duration::from_secs(10);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arch, violation) = (self.arch, &self.violation);
        write!(f, "FAILED: {arch:?}, {violation}\n  {}", Again(self.seed))
    }
}

/// How a run is repeated.
struct Again(u64);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.0;
        write!(f, "again: cargo xtask emulate --seed {seed} --runs 1")
    }
}

/// ListState which run it was in which a model panicked.
struct Running(u64, fn(&str));

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.1)(&format!("a model panicked; {}", Again(self.0)));
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
    pub fn run(&self) -> Result<Tally, Violation> {
        let begun = Instant::now();
        let next = AtomicU64::new(0);
        let tally = Mutex::new(Tally::default());
        let told = Mutex::new(begun);
        let lanes = thread::available_parallelism().map_or(1, |lanes| lanes.get());
        let lane = |number: usize| -> Result<(), Violation> {
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
                    let running = Running(seed, self.tell);
                    let done = run(system, &Scenario::of(seed, *arch));
                    drop(running);
                    let mut tally = tally.lock().expect("no lane panics");
                    match done {
                        Ok(outcome) => tally.add(*arch, &outcome),
                        Err(violation) => {
                            let failure = Failure {
                                seed,
                                arch: *arch,
                                violation,
                            };
                            // Now: whoever interrupts it must not lose it.
                            (self.tell)(&failure.to_string());
                            tally.failures.push(failure);
                        }
                    }
                    let mut told = told.lock().expect("no lane panics");
                    if told.elapsed() >= PERIOD {
                        *told = Instant::now();
                        (self.tell)(&self.progress(&tally, begun));
                    }
                    if tally.failures.len() >= ENOUGH {
                        return Ok(());
                    }
                }
            }
        };
        thread::scope(|scope| {
            let lane = &lane;
            let lanes: Vec<_> = (0..lanes)
                .map(|number| scope.spawn(move || lane(number)))
                .collect();
            lanes
                .into_iter()
                .try_for_each(|lane| lane.join().expect("a lane panicked"))
        })?;
        let mut tally = tally.into_inner().expect("no lane panics");
        tally.took = begun.elapsed();
        Ok(tally)
    }

    /// How far it is, and how long it will take.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn progress(&self, tally: &Tally, begun: Instant) -> String {
        let done = tally.runs + tally.failures.len() as u64;
        let all = self.runs * self.drivers.len() as u64;
        let seconds = begun.elapsed().as_secs_f64();
        let left = seconds / done as f64 * (all.saturating_sub(done)) as f64;
        let failed = tally.failures.len();
        format!("campaign: {done} runs of {all}, {failed} failed, {left:.0} s to go")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_reaches_too_little_of_anything_is_told() {
        let [located, changes, agreements, damaged, failed] = LEAST;
        let enough = Reached {
            located,
            changes,
            agreements,
            damaged,
            failed,
        };
        assert_eq!(enough.lacks(1000), None);
        assert!(enough.lacks(2000).is_some());
        for less in [
            Reached {
                located: 0,
                ..enough
            },
            Reached {
                changes: changes - 1,
                ..enough
            },
            Reached {
                agreements: agreements - 1,
                ..enough
            },
            Reached {
                damaged: damaged - 1,
                ..enough
            },
            Reached {
                failed: failed - 1,
                ..enough
            },
        ] {
            assert!(less.lacks(1000).is_some(), "{less:?}");
        }
    }
}
