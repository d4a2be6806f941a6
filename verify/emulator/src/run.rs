//! A scenario from load to unload, with all that must hold.

use std::collections::BTreeMap;

use scanner_core::Module;
use tcplimit_protocol::{Answer, Flags, Reason, State};

use crate::change::Change;
use crate::file::File;
use crate::irp::{Completed, Request};
use crate::ledger::{Effect, Ledger};
use crate::pair::Pair;
use crate::question;
use crate::scenario::{Act, Scenario};
use crate::system::System;
use crate::target::Target;
use crate::violation::Violation;
use crate::world::slot;

/// What a run amounted to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether DriverEntry succeeded.
    pub loaded: bool,
    /// Requests that were sent.
    pub requests: u64,
    /// Answers of ours by their reason.
    pub reasons: Vec<(u32, u64)>,
    /// How often a limit was located.
    pub located: u64,
    /// How often a limit was replaced by another value.
    pub changes: u64,
    /// How often something else was found in the last moment.
    pub missed: u64,
    /// Comparisons of the three searches.
    pub agreements: u64,
    /// Those of them about modules that were damaged.
    pub damaged: u64,
    /// What could not be compared, by the reason.
    pub exempt: BTreeMap<&'static str, u64>,
    /// Calls of the system that failed.
    pub failed: u64,
    /// Instructions of the driver's.
    pub instructions: u64,
    /// The most stack that a call took, in bytes.
    pub stack: u64,
}

/// A run as it goes.
pub(crate) struct Run<'a> {
    pub(crate) pair: Pair<'a>,
    alone: bool,
    sound: [bool; 2],
    pub(crate) damaged: [bool; 2],
    ledger: Ledger,
    /// In-memory code is as a loader left it.
    pub(crate) files: &'a [Option<File>; 2],
    pub(crate) outcome: Outcome,
}

/// Runs a scenario.
///
/// # Errors
/// The first thing that must not be.
pub fn run(system: &mut System, scenario: &Scenario) -> Result<Outcome, Violation> {
    let pair = Pair::new(system, scenario.world.clone());
    let mut run = Run {
        pair,
        alone: scenario.alone,
        sound: scenario.sound,
        damaged: scenario.damaged,
        ledger: Ledger::new(&scenario.world),
        files: &scenario.files,
        outcome: Outcome::default(),
    };
    run.three_agree()?;
    run.start()?;
    if run.outcome.loaded {
        for act in &scenario.acts {
            run.act(act)?;
        }
        run.unload()?;
    }
    let mut outcome = run.outcome;
    outcome.instructions = system.instructions;
    outcome.stack = system.most.stack;
    outcome.failed = system.failed;
    Ok(outcome)
}

impl Run<'_> {
    fn act(&mut self, act: &Act) -> Result<(), Violation> {
        match act {
            Act::Send(request) => self.send(request),
            Act::Happen(change) => {
                self.sound = [false; 2];
                if let Change::Loaded(module, _) = change {
                    self.damaged[slot(*module)] = false;
                }
                self.pair.change(change);
                Ok(())
            }
            Act::Meanwhile(calls, change) => {
                let system = &mut *self.pair.system;
                let when = system.calls() + usize::try_from(*calls).unwrap_or(0);
                system.due.push((when, change.clone()));
                self.sound = [false; 2];
                // What happens before a call of the shipped file's has no place
                // among its source's.
                self.alone = true;
                Ok(())
            }
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), Violation> {
        self.outcome.requests += 1;
        let (before, happened) = (self.limits(), self.pair.system.happened);
        let completed = if self.alone {
            self.pair.system.send(request)?
        } else {
            self.pair.send(request)?
        };
        // Where something happened meanwhile, nobody knows before or after what.
        let calm = self.pair.system.happened == happened;
        self.check_writes(request, calm)?;
        if let Some(answer) = question::answer(request, &completed) {
            self.check_answer(request, &completed, &answer, before, calm)?;
        }
        Ok(())
    }

    fn limits(&self) -> [Option<u32>; 2] {
        let limit = |target: &Target| target.dword(target.threshold?);
        let modules = &self.pair.system.world.modules;
        [0, 1].map(|slot| modules[slot].as_ref().and_then(limit))
    }

    fn start(&mut self) -> Result<(), Violation> {
        let status = if self.alone {
            self.pair.system.start()?
        } else {
            self.pair.start()?
        };
        let loaded = status == 0;
        self.outcome.loaded = loaded;
        let System { world, writes, .. } = &*self.pair.system;
        let effects = self.ledger.at_start(world, loaded, writes);
        self.count("at start", effects, true)
    }

    fn unload(&mut self) -> Result<(), Violation> {
        let done = if self.alone {
            self.pair.system.unload()
        } else {
            self.pair.unload()
        };
        done?;
        let System { world, writes, .. } = &*self.pair.system;
        let effects = self.ledger.at_unload(world, writes);
        self.count("at unload", effects, !self.alone)
    }

    fn check_writes(&mut self, request: &Request, calm: bool) -> Result<(), Violation> {
        let System { world, writes, .. } = &*self.pair.system;
        let wish = question::wish(request);
        let effects = self.ledger.for_request(world, wish, writes);
        self.count("for a request", effects, calm)
    }

    /// Counts what writes came to; an error where they may not be. `calm`:
    /// nothing else happened meanwhile.
    fn count(
        &mut self,
        when: &str,
        effects: Result<Vec<Effect>, &'static str>,
        calm: bool,
    ) -> Result<(), Violation> {
        let writes = &self.pair.system.writes;
        let wrong = |what| Violation::Limit(format!("{when}: {what}: {writes:X?}"));
        for effect in effects.map_err(wrong)? {
            match effect {
                Effect::Changed => self.outcome.changes += 1,
                Effect::Missed => self.outcome.missed += 1,
                Effect::Same if calm => {
                    return Err(wrong("a limit that was in force was written"));
                }
                Effect::Same => {}
            }
        }
        Ok(())
    }

    fn check_answer(
        &mut self,
        request: &Request,
        completed: &Completed,
        answer: &Answer,
        before: [Option<u32>; 2],
        calm: bool,
    ) -> Result<(), Violation> {
        let wrong = |what: &str| {
            let what = format!("{what}: {request:?}, {answer:?}");
            Err(Violation::Completion(what))
        };
        let code = answer.reason.get();
        match self.outcome.reasons.iter_mut().find(|(of, _)| *of == code) {
            Some((_, count)) => *count += 1,
            None => self.outcome.reasons.push((code, 1)),
        }
        let Some(reason) = Reason::from_code(code) else {
            return wrong("no such reason");
        };
        if completed.status != 0 || answer.header.size.get() != question::ANSWER {
            return wrong("an answer is a success, and says how long it is");
        }
        let module = match answer.module.0.get() {
            4 => Module::Tcpip,
            6 => Module::Tcpip6,
            _ => return wrong("about no module"),
        };
        let located = answer.state.get() == State::Located.code();
        if self.sound[slot(module)] && !located {
            return wrong("a sound module was not located");
        }
        let world = &self.pair.system.world;
        let Some(target) = world.module(module) else {
            return if located {
                wrong("nothing is loaded")
            } else {
                Ok(())
            };
        };
        if located {
            self.outcome.located += 1;
            if Some(answer.limit_rva.get()) != target.threshold {
                return wrong("located elsewhere");
            }
        }
        if !calm {
            self.exempt("answers, since something happened meanwhile");
            return Ok(());
        }
        if located && !matches!(reason, Reason::PageInvalid | Reason::Changed) {
            let now = |rva: u32| target.dword(rva);
            let shown = [
                (answer.limit_rva.get(), answer.limit.get()),
                (answer.half_open_rva.get(), answer.half_open.get()),
                (answer.queued_rva.get(), answer.queued.get()),
            ];
            if shown.iter().any(|&(rva, value)| now(rva) != Some(value)) {
                return wrong("a variable holds something else");
            }
        }
        if let Some((of, limit, _)) = question::wish(request) {
            let now = target.threshold.and_then(|rva| target.dword(rva));
            let must = match reason {
                Reason::Done => Some(limit),
                _ => before[slot(of)],
            };
            if of == module && now != must && target.threshold.is_some() {
                return wrong("the limit is not what the answer makes it");
            }
        }
        let unlisted = answer.flags.get() & Flags::UNLISTED != 0;
        let silent = world.list.state == simulation::kernel::ListState::Missing;
        if unlisted && !silent {
            return wrong("the module is listed");
        }
        self.host_agrees(module, reason, answer)
    }
}
