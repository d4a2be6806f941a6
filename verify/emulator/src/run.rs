//! Runs a scenario from load to unload, and checks each step.

use std::collections::BTreeMap;

use scanner_core::Module;
use tcplimit_protocol::{Answer, Flags, Reason, State};

use crate::change::Change;
use crate::differential::Differential;
use crate::irp::{Completed, Request};
use crate::module_file::ModuleFile;
use crate::requests;
use crate::scenario::{Action, Scenario};
use crate::system::System;
use crate::target::Target;
use crate::violation::Violation;
use crate::world::module_index;
use crate::write_rules::{Effect, WriteRules};

/// The results of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether DriverEntry succeeded.
    pub loaded: bool,
    /// Sent requests.
    pub requests: u64,
    /// Answers of our device by reason.
    pub reasons: Vec<(u32, u64)>,
    /// Answers with a located limit.
    pub located: u64,
    /// Changed limits.
    pub changes: u64,
    /// Exchanges that failed because another program had changed the value.
    pub failed_exchanges: u64,
    /// Comparisons of the three searches.
    pub agreements: u64,
    /// Comparisons on damaged modules.
    pub damaged: u64,
    /// Comparisons that were not possible, by the reason.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// Failed calls of the system.
    pub failed: u64,
    /// Instructions that the driver executed.
    pub instructions: u64,
    /// The most stack that a call used, in bytes.
    pub stack: u64,
}

/// A run in progress.
pub(crate) struct Run<'a> {
    pub(crate) differential: Differential<'a>,
    without_reference: bool,
    sound: [bool; 2],
    pub(crate) damaged: [bool; 2],
    rules: WriteRules,
    /// The files of modules whose code in memory is unchanged.
    pub(crate) files: &'a [Option<ModuleFile>; 2],
    pub(crate) outcome: Outcome,
}

/// Runs a scenario.
///
/// # Errors
/// The first violation.
pub fn run(system: &mut System, scenario: &Scenario) -> Result<Outcome, Violation> {
    let differential = Differential::new(system, scenario.world.clone());
    let mut run = Run {
        differential,
        without_reference: scenario.without_reference,
        sound: scenario.sound,
        damaged: scenario.damaged,
        rules: WriteRules::new(&scenario.world),
        files: &scenario.files,
        outcome: Outcome::default(),
    };
    run.compare_searches()?;
    run.start()?;
    if run.outcome.loaded {
        for action in &scenario.actions {
            run.perform(action)?;
        }
        run.unload()?;
    }
    let mut outcome = run.outcome;
    outcome.instructions = system.instructions;
    outcome.stack = system.max_cost.stack;
    outcome.failed = system.failed;
    Ok(outcome)
}

impl Run<'_> {
    fn perform(&mut self, action: &Action) -> Result<(), Violation> {
        match action {
            Action::Send(request) => self.send(request),
            Action::Change(change) => {
                self.sound = [false; 2];
                if let Change::Loaded(module, _) = change {
                    self.damaged[module_index(*module)] = false;
                }
                self.differential.change(change);
                Ok(())
            }
            Action::ChangeDuringCalls(calls, change) => {
                let system = &mut *self.differential.system;
                let when = system.calls() + usize::try_from(*calls).unwrap_or(0);
                system.scheduled.push((when, change.clone()));
                self.sound = [false; 2];
                // The source does not make the same calls, so there is no
                // corresponding moment.
                self.without_reference = true;
                Ok(())
            }
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), Violation> {
        self.outcome.requests += 1;
        let (before, changes_applied) = (self.limits(), self.differential.system.changes_applied);
        let completed = if self.without_reference {
            self.differential.system.send(request)?
        } else {
            self.differential.send(request)?
        };
        // After a change during the request its order is unknown.
        let undisturbed = self.differential.system.changes_applied == changes_applied;
        self.check_writes(request, undisturbed)?;
        if let Some(answer) = requests::parse_answer(request, &completed) {
            self.check_answer(request, &completed, &answer, before, undisturbed)?;
        }
        Ok(())
    }

    fn limits(&self) -> [Option<u32>; 2] {
        let limit = |target: &Target| target.dword(target.threshold?);
        let modules = &self.differential.system.world.modules;
        [0, 1].map(|slot| modules[slot].as_ref().and_then(limit))
    }

    fn start(&mut self) -> Result<(), Violation> {
        let status = if self.without_reference {
            self.differential.system.start()?
        } else {
            self.differential.start()?
        };
        let loaded = status == 0;
        self.outcome.loaded = loaded;
        let System { world, writes, .. } = &*self.differential.system;
        let effects = self.rules.check_start(world, loaded, writes);
        self.count_effects("at start", effects, true)
    }

    fn unload(&mut self) -> Result<(), Violation> {
        let done = if self.without_reference {
            self.differential.system.unload()
        } else {
            self.differential.unload()
        };
        done?;
        let System { world, writes, .. } = &*self.differential.system;
        let effects = self.rules.check_unload(world, writes);
        self.count_effects("at unload", effects, !self.without_reference)
    }

    fn check_writes(&mut self, request: &Request, undisturbed: bool) -> Result<(), Violation> {
        let System { world, writes, .. } = &*self.differential.system;
        let requested_change = requests::requested_change(request);
        let effects = self.rules.check_request(world, requested_change, writes);
        self.count_effects("for a request", effects, undisturbed)
    }

    /// Counts the effects of writes; an error for a forbidden one. `undisturbed`:
    /// nothing else changed meanwhile.
    fn count_effects(
        &mut self,
        when: &str,
        effects: Result<Vec<Effect>, &'static str>,
        undisturbed: bool,
    ) -> Result<(), Violation> {
        let writes = &self.differential.system.writes;
        let violation = |detail| Violation::Limit(format!("{when}: {detail}: {writes:X?}"));
        for effect in effects.map_err(violation)? {
            match effect {
                Effect::Changed => self.outcome.changes += 1,
                Effect::Failed => self.outcome.failed_exchanges += 1,
                Effect::Same if undisturbed => {
                    return Err(violation("a write of the limit that was already in force"));
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
        undisturbed: bool,
    ) -> Result<(), Violation> {
        let violation = |detail: &str| {
            let detail = format!("{detail}: {request:?}, {answer:?}");
            Err(Violation::Completion(detail))
        };
        let code = answer.reason.get();
        match self.outcome.reasons.iter_mut().find(|(of, _)| *of == code) {
            Some((_, count)) => *count += 1,
            None => self.outcome.reasons.push((code, 1)),
        }
        let Some(reason) = Reason::from_code(code) else {
            return violation("an unknown reason");
        };
        if completed.status != 0 || answer.header.size.get() != requests::ANSWER {
            return violation("an answer with a failure status or a wrong size");
        }
        let module = match answer.module.0.get() {
            4 => Module::Tcpip,
            6 => Module::Tcpip6,
            _ => return violation("an answer for no module"),
        };
        let located = answer.state.get() == State::Located.code();
        if self.sound[module_index(module)] && !located {
            return violation("a sound module was not located");
        }
        let world = &self.differential.system.world;
        let Some(target) = world.module(module) else {
            return if located {
                violation("located although no module is loaded")
            } else {
                Ok(())
            };
        };
        if located {
            self.outcome.located += 1;
            if Some(answer.limit_rva.get()) != target.threshold {
                return violation("located at the wrong RVA");
            }
        }
        if !undisturbed {
            self.count_not_compared("answers after a change during the request");
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
                return violation("a wrong value of a variable");
            }
        }
        if let Some((of, limit, _)) = requests::requested_change(request) {
            let now = target.threshold.and_then(|rva| target.dword(rva));
            let expected = match reason {
                Reason::Done => Some(limit),
                _ => before[module_index(of)],
            };
            if of == module && now != expected && target.threshold.is_some() {
                return violation("the limit contradicts the answer");
            }
        }
        let unlisted = answer.flags.get() & Flags::UNLISTED != 0;
        let silent = world.module_list.state == simulation::kernel::ListState::Missing;
        if unlisted && !silent {
            return violation("a listed module reported as unlisted");
        }
        self.compare_with_locator(module, reason, answer)
    }
}
