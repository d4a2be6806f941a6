//! A session, run: the driver in its system, the model beside it, and after
//! each step all that must hold.

use std::panic::{self, AssertUnwindSafe};

use tcplimit_driver::{Driver, Event, Text};
use tcplimit_protocol::{Reason, Status};

use super::answer::{self, Answer};
use super::before::Before;
use super::model::{Model, Prediction};
use super::request::{Asked, Request, Wish};
use super::{Action, Armed, Session, Step};
use crate::kernel::{
    AddressLayout, CheckedExclusion, Configuration, Number, PowerFailure, Processor, System, slot,
};

/// The driver, the system that it runs in, and what it should know.
#[derive(Debug)]
pub struct Run<M: Processor> {
    pub(super) system: Configuration,
    pub(super) layout: AddressLayout,
    pub(super) driver: Driver<System<M>, CheckedExclusion>,
    pub(super) is_loaded: bool,
    pub(super) model: Model,
    foretold: bool,
}

/// What came out of a step: what programs see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How a request was completed, or another call of the driver.
    pub status: Status,
    /// What was copied out.
    pub output: Vec<u8>,
    /// What the event log was told, in words.
    pub events: Vec<String>,
    /// The model knew the answer to a request beforehand.
    pub foretold: bool,
}

impl<M: Processor> Run<M> {
    /// Runs a whole session; what was said at each step.
    pub fn all(session: &Session, layout: AddressLayout) -> Vec<Said> {
        let mut run = Run::<M>::start(&session.system, layout);
        let load = Step {
            action: Action::Load,
            faults: session.faults.clone(),
        };
        let steps = std::iter::once(&load).chain(&session.steps);
        steps.map(|step| run.step(step)).collect()
    }

    /// A system that was just started, and a driver that is not loaded.
    pub fn start(system: &Configuration, layout: AddressLayout) -> Run<M> {
        let kernel = System::start(system, layout);
        let exclusion = kernel.exclusion();
        Run {
            system: system.clone(),
            layout,
            driver: Driver::new(kernel, exclusion),
            is_loaded: false,
            model: Model::new(system.arch),
            foretold: false,
        }
    }

    /// The system.
    pub fn kernel(&self) -> &System<M> {
        self.driver.kernel()
    }

    /// Whether the driver is loaded.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Does something, and checks all that must hold then.
    pub fn step(&mut self, step: &Step) -> Said {
        let before = Before::of(&self.kernel().state());
        self.foretold = false;
        for &Armed { call, fault } in &step.faults {
            self.kernel().state().schedule(usize::from(call), fault);
        }
        let work = AssertUnwindSafe(|| self.act(&step.action, &before));
        match panic::catch_unwind(work) {
            Ok((status, output)) => {
                let mut state = self.kernel().state();
                state.cancel_faults();
                let events = state.events.get(before.events..).unwrap_or_default();
                Said {
                    status,
                    output,
                    events: events.iter().map(words).collect(),
                    foretold: self.foretold,
                }
            }
            Err(thrown) if thrown.is::<PowerFailure>() => {
                self.lights_out(&step.action, &before);
                Said {
                    status: Status::SUCCESS,
                    output: Vec::new(),
                    events: Vec::new(),
                    foretold: false,
                }
            }
            Err(thrown) => panic::resume_unwind(thrown),
        }
    }

    fn act(&mut self, action: &Action, before: &Before) -> (Status, Vec<u8>) {
        let request = match *action {
            Action::Load => return (self.load(before), Vec::new()),
            Action::Unload => return (self.unload(before), Vec::new()),
            Action::Restart => return (self.restart(), Vec::new()),
            Action::Recreate => {
                let status = self.unload(before);
                self.kernel().state().v0_1_records = [None; 2];
                return (status, Vec::new());
            }
            Action::Happens(fault) => {
                let mut state = self.kernel().state();
                state.apply(fault);
                if state.power_failed() {
                    drop(state);
                    return (self.restart(), Vec::new());
                }
                drop(state);
                self.model.notice(fault);
                return (Status::SUCCESS, Vec::new());
            }
            Action::Open { relative } => return (self.open(relative, before), Vec::new()),
            Action::Query(module) => Request::query(module),
            Action::Set {
                module,
                limit: Number(limit),
                expected: Number(expected),
            } => Request::set(module, limit, expected),
            Action::Reset {
                module,
                expected: Number(expected),
            } => Request::reset(module, expected),
            Action::LegacyGet(output) => Request::legacy_get(output),
            Action::LegacySet(Number(limit), output) => Request::legacy_set(limit, output),
            Action::Odd(ref odd) => Request::odd(odd),
        };
        self.request(&request, before)
    }

    /// A request to one of the devices, if they are there.
    fn request(&mut self, request: &Request, before: &Before) -> (Status, Vec<u8>) {
        if !self.is_loaded {
            return (Status::SUCCESS, Vec::new());
        }
        // What the system allocates holds whatever was there before.
        let mut buffer = request.input.clone();
        buffer.resize(request.input.len().max(request.output), 0xA5);
        let untouched = buffer.clone();
        let asked = request.read();
        let mut model = self.model.clone();
        let predicted = asked.ok().and_then(|asked| {
            let state = self.kernel().state();
            model.serve(&state, asked.module, asked.wish)
        });

        let (input, output) = (request.input.len(), request.output);
        let done = self
            .driver
            .control(request.device, request.code, &mut buffer, input, output);
        assert!(done.information <= output, "more than there is room for");
        let (said, rest) = buffer.split_at(done.information);
        assert_eq!(
            rest,
            &untouched[done.information..],
            "bytes beyond the answer"
        );
        before.holds(&self.kernel().state());

        let asked = match asked {
            Ok(asked) => asked,
            Err(status) => {
                assert_eq!((done.status, said), (status, &[][..]), "{request:X?}");
                let calls = self.kernel().state().calls();
                assert_eq!(calls, before.calls, "a malformed request gets no further");
                return (done.status, Vec::new());
            }
        };
        assert_eq!(done.status, Status::SUCCESS, "{request:X?}");
        if before.is_over(&self.kernel().state()) {
            self.doubt(before);
        } else {
            self.model = model;
            self.foretold = predicted.is_some();
        }
        if asked.legacy {
            answer::is_log(said, output);
            self.of_2005(said, output, asked, predicted, before);
        } else {
            self.ours(&Answer::read(said), asked, predicted, before);
        }
        (done.status, said.to_vec())
    }

    /// Checks an answer of ours.
    fn ours(
        &mut self,
        said: &Answer,
        asked: Asked,
        predicted: Option<Prediction>,
        before: &Before,
    ) {
        let slot = slot(asked.module);
        let state = self.driver.kernel().state();
        let disturbed = before.is_over(&state);
        assert_eq!(said.module, [4, 6][slot]);
        before.is_told(&state, asked, said.reason());
        if disturbed {
            return;
        }
        match predicted {
            Some(predicted) => {
                predicted.is_what(said, asked.module, self.model.arch);
                self.model.is_what(said, slot);
                before.wrote(&state, predicted.write.as_slice());
            }
            None => {
                said.is_true_of(state.loaded(asked.module));
                let remembered = state.record_writes > before.record_writes;
                self.model
                    .adopt(said, state.loaded(asked.module), remembered);
            }
        }
        drop(state);
        self.mark(asked, said.reason() == Reason::Done, before);
    }

    /// Checks an answer of 2005.
    fn of_2005(
        &mut self,
        said: &[u8],
        output: usize,
        asked: Asked,
        predicted: Option<Prediction>,
        before: &Before,
    ) {
        let state = self.driver.kernel().state();
        let disturbed = before.is_over(&state);
        let reason = answer::reason_of(said, before.events(&state), asked);
        before.is_told(&state, asked, reason);
        if disturbed {
            return;
        }
        match predicted {
            Some(predicted) => {
                answer::is_record(said, output, &predicted);
                before.wrote(&state, predicted.write.as_slice());
            }
            // Too little is said to learn from.
            None => {
                self.model.known[slot(asked.module)].certain = false;
                if state.record_writes > before.record_writes {
                    self.model.remembered[slot(asked.module)] = None;
                }
            }
        }
        drop(state);
        self.mark(asked, reason == Reason::Done, before);
    }

    /// Checks the mark that guards the start after a request without a fault.
    fn mark(&mut self, asked: Asked, done: bool, before: &Before) {
        let state = self.driver.kernel().state();
        let works = done && matches!(asked.wish, Wish::Set { .. });
        match self.model.guarded {
            Some(true) if works && !state.failing.guard_write => {
                assert!(!state.guard, "a set that works takes the mark away");
                self.model.guarded = Some(false);
            }
            Some(_) => assert_eq!(state.guard, before.guard, "nothing else does"),
            None => {}
        }
    }

    fn open(&mut self, relative: bool, before: &Before) -> Status {
        if !self.is_loaded {
            return Status::SUCCESS;
        }
        let status = self.driver.open(relative);
        assert_eq!(status.is_success(), !relative);
        assert_eq!(self.kernel().state().calls(), before.calls);
        status
    }

    pub(super) fn doubt(&mut self, before: &Before) {
        let state = self.driver.kernel().state();
        self.model.doubt();
        self.model
            .unlearn(state.record_writes > before.record_writes || state.record_corrupted);
    }
}

/// An entry of the event log as people read it.
fn words(event: &Event) -> String {
    let mut line = [0; 512];
    let mut text = Text::new(&mut line);
    event.write(&mut text);
    let length = text.len();
    let line = &line[..length];
    assert!(
        line.iter().all(|byte| (b' '..=b'~').contains(byte)),
        "{line:?}"
    );
    String::from_utf8_lossy(line).into_owned()
}
