//! A scenario from load to unload, with all that must hold.

use scanner_core::Module;
use tcplimit_protocol::{Answer, Flags, Reason, State};

use crate::irp::{Completed, Request};
use crate::pair::Pair;
use crate::question;
use crate::scenario::{Act, File, Scenario};
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
    /// Values that the driver may take for its own.
    own: [Vec<u32>; 2],
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
        alone: scenario.in_between,
        sound: scenario.sound,
        own: [vec![10], vec![10]],
        files: &scenario.files,
        outcome: Outcome::default(),
    };
    run.expect_remembered();
    run.three_agree()?;
    let status = if run.alone {
        run.pair.system.start()?
    } else {
        run.pair.start()?
    };
    run.outcome.loaded = status == 0;
    run.at_start()?;
    if run.outcome.loaded {
        for act in &scenario.acts {
            run.act(act)?;
        }
        run.unload()?;
    }
    let mut outcome = run.outcome;
    outcome.instructions = system.instructions;
    outcome.stack = system.most.stack;
    Ok(outcome)
}

impl Run<'_> {
    /// What an earlier load may have written, and what the service key names as
    /// expected, may be replaced at start.
    fn expect_remembered(&mut self) {
        let registry = &self.pair.system.world.registry;
        for module in Module::ALL {
            let expect = match module {
                Module::Tcpip => "Expect",
                Module::Tcpip6 => "Expect6",
            };
            let dword = |bytes: &[u8]| {
                let bytes = bytes.try_into();
                bytes.map(u32::from_le_bytes).ok()
            };
            let path =
                crate::registry::below(crate::registry::SERVICE, crate::registry::PARAMETERS);
            let named = registry.query(&path, expect).ok();
            let named = named.and_then(|(_, data)| dword(data));
            let path = crate::registry::below(crate::registry::SERVICE, crate::registry::STATE);
            let record = registry.query(&path, module.file_name()).ok();
            let last = record.and_then(|(_, data)| dword(data.get(12..16)?));
            self.own[slot(module)].extend(named.into_iter().chain(last));
        }
    }

    fn act(&mut self, act: &Act) -> Result<(), Violation> {
        match act {
            Act::Send(request) => self.send(request),
            Act::Happen(change) => {
                self.sound = [false; 2];
                self.pair.change(change);
                Ok(())
            }
            Act::Meanwhile(calls, change) => {
                let system = &mut *self.pair.system;
                let when = system.calls() + usize::try_from(*calls).unwrap_or(0);
                system.due.push((when, change.clone()));
                self.sound = [false; 2];
                Ok(())
            }
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), Violation> {
        self.outcome.requests += 1;
        let before = self.limits();
        let completed = if self.alone {
            self.pair.system.send(request)?
        } else {
            self.pair.send(request)?
        };
        self.check_writes(request)?;
        if let Some(answer) = question::answer(request, &completed) {
            self.check_answer(request, &completed, &answer, before)?;
        }
        Ok(())
    }

    fn limits(&self) -> [Option<u32>; 2] {
        let limit = |target: &Target| target.dword(target.threshold?);
        let modules = &self.pair.system.world.modules;
        [0, 1].map(|slot| modules[slot].as_ref().and_then(limit))
    }

    /// At most one write for each request, of the limit that was asked for, over
    /// a value that the driver may replace, in a page that may be written.
    fn check_writes(&mut self, request: &Request) -> Result<(), Violation> {
        let wish = question::wish(request);
        let writes = self.pair.system.writes.clone();
        let wrong = |what: &str| Err(Violation::Limit(format!("{what}: {writes:X?}")));
        if writes.len() > 1 {
            return wrong("more than one write for a request");
        }
        let Some(write) = writes.first() else {
            return Ok(());
        };
        let Some((module, limit, expected)) = wish else {
            return wrong("a write though none was asked for");
        };
        let world = &self.pair.system.world;
        let target = world.module(module);
        let right = target.is_some_and(|target| target.limit() == Some(write.address));
        if !right {
            return wrong("a write to the other module");
        }
        if write.before == write.after {
            // `lock cmpxchg` writes back what it finds.
            if write.before != limit {
                self.outcome.missed += 1;
            }
            return Ok(());
        }
        let own = &self.own[slot(module)];
        let may = if expected == 0 {
            own.contains(&write.before)
        } else {
            write.before == expected
        };
        if !may {
            return wrong("a value that is not the driver's was replaced");
        }
        if write.after != limit || limit == 0 || limit > 0x00FF_FFFF {
            return wrong("another limit than was asked for, or none");
        }
        let threshold = target.and_then(|target| target.threshold);
        let rights = target
            .zip(threshold)
            .and_then(|(target, rva)| world.is_writable(target, rva));
        if rights == Some(false) {
            return wrong("the page is read-only");
        }
        if rights.is_none() && !self.accepts_unknown() {
            return wrong("the page's rights can't be told");
        }
        self.own[slot(module)].push(write.after);
        self.outcome.changes += 1;
        Ok(())
    }

    fn accepts_unknown(&self) -> bool {
        let world = &self.pair.system.world;
        !world.registry.refused.is_empty() || world.accepts_unknown_rights()
    }

    /// What DriverEntry wrote is what the service key asks for.
    fn at_start(&mut self) -> Result<(), Violation> {
        let writes = self.pair.system.writes.clone();
        if writes.len() > 2 {
            return Err(Violation::Limit(format!("at start: {writes:X?}")));
        }
        for module in Module::ALL {
            let target = self.pair.system.world.module(module);
            let limit = target.and_then(Target::limit);
            for write in &writes {
                if Some(write.address) == limit && write.before != write.after {
                    let own = &mut self.own[slot(module)];
                    if !own.contains(&write.before) {
                        return Err(Violation::Limit(format!("at start: {writes:X?}")));
                    }
                    own.push(write.after);
                    self.outcome.changes += 1;
                }
            }
        }
        Ok(())
    }

    fn unload(&mut self) -> Result<(), Violation> {
        let done = if self.alone {
            self.pair.system.unload()
        } else {
            self.pair.unload()
        };
        done?;
        let writes = &self.pair.system.writes;
        if writes.len() > 2 {
            return Err(Violation::Limit(format!("at unload: {writes:X?}")));
        }
        Ok(())
    }

    fn check_answer(
        &mut self,
        request: &Request,
        completed: &Completed,
        answer: &Answer,
        before: [Option<u32>; 2],
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
        if self.alone {
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
        let silent = world.list.says == verify::kernel::Says::Nothing;
        if unlisted && !silent {
            return wrong("the module is listed");
        }
        self.host_agrees(module, reason, answer)
    }
}
