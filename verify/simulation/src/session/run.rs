//! Runs a session: the driver in its system, the model beside it, and the checks
//! after each step.

use std::panic::{self, AssertUnwindSafe};

use tcplimit_driver::{Driver, Event, Text};
use tcplimit_protocol::{Reason, Status};

use super::answer::{self, Answer};
use super::checkpoint::Checkpoint;
use super::model::{Model, Prediction};
use super::request::{Command, ParsedRequest, Request};
use super::{Action, ScheduledFault, Session, SessionStep};
use crate::kernel::{
    AddressLayout, CheckedExclusion, Configuration, Number, PowerFailure, Processor, System, slot,
};

/// The driver, its system, and the model.
#[derive(Debug)]
pub struct Run<M: Processor> {
    pub(super) system: Configuration,
    pub(super) layout: AddressLayout,
    pub(super) driver: Driver<System<M>, CheckedExclusion>,
    pub(super) is_loaded: bool,
    pub(super) model: Model,
    predicted: bool,
}

/// The visible result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// The status of the request or other call.
    pub status: Status,
    /// Bytes copied out.
    pub output: Vec<u8>,
    /// Entries of the event log, as text.
    pub events: Vec<String>,
    /// The model predicted the answer to a request.
    pub predicted: bool,
}

impl<M: Processor> Run<M> {
    /// Runs a whole session; the result of each step.
    pub fn session(session: &Session, layout: AddressLayout) -> Vec<StepResult> {
        let mut run = Run::<M>::start(&session.system, layout);
        let load = SessionStep {
            action: Action::Load,
            faults: session.faults.clone(),
        };
        let steps = std::iter::once(&load).chain(&session.steps);
        steps.map(|step| run.step(step)).collect()
    }

    /// A system just started, and a driver not loaded.
    pub fn start(system: &Configuration, layout: AddressLayout) -> Run<M> {
        let kernel = System::start(system, layout);
        let exclusion = kernel.exclusion();
        Run {
            system: system.clone(),
            layout,
            driver: Driver::new(kernel, exclusion),
            is_loaded: false,
            model: Model::new(system.arch),
            predicted: false,
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

    /// Performs a step and checks its effects.
    pub fn step(&mut self, step: &SessionStep) -> StepResult {
        let before = Checkpoint::take(&self.kernel().state());
        self.predicted = false;
        for &ScheduledFault { call, fault } in &step.faults {
            self.kernel().state().schedule(usize::from(call), fault);
        }
        let work = AssertUnwindSafe(|| self.perform(&step.action, &before));
        match panic::catch_unwind(work) {
            Ok((status, output)) => {
                let mut state = self.kernel().state();
                state.cancel_faults();
                let events = state.events.get(before.events..).unwrap_or_default();
                StepResult {
                    status,
                    output,
                    events: events.iter().map(render).collect(),
                    predicted: self.predicted,
                }
            }
            Err(thrown) if thrown.is::<PowerFailure>() => {
                self.recover_from_power_failure(&step.action, &before);
                StepResult {
                    status: Status::SUCCESS,
                    output: Vec::new(),
                    events: Vec::new(),
                    predicted: false,
                }
            }
            Err(thrown) => panic::resume_unwind(thrown),
        }
    }

    fn perform(&mut self, action: &Action, before: &Checkpoint) -> (Status, Vec<u8>) {
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
                self.model.apply_fault(fault);
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
            Action::Raw(ref raw) => Request::raw(raw),
        };
        self.request(&request, before)
    }

    /// Sends a request to a device, if the driver is loaded.
    fn request(&mut self, request: &Request, before: &Checkpoint) -> (Status, Vec<u8>) {
        if !self.is_loaded {
            return (Status::SUCCESS, Vec::new());
        }
        // The system's buffer is not cleared.
        let mut buffer = request.input.clone();
        buffer.resize(request.input.len().max(request.output), 0xA5);
        let untouched = buffer.clone();
        let parsed = request.parse();
        let mut model = self.model.clone();
        let predicted = parsed.ok().and_then(|parsed| {
            let state = self.kernel().state();
            model.predict(&state, parsed.module, parsed.command)
        });

        let (input, output) = (request.input.len(), request.output);
        let done = self
            .driver
            .control(request.device, request.code, &mut buffer, input, output);
        assert!(done.information <= output, "more than there is room for");
        let (answer, rest) = buffer.split_at(done.information);
        assert_eq!(
            rest,
            &untouched[done.information..],
            "bytes beyond the answer"
        );
        before.check_invariants(&self.kernel().state());

        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(status) => {
                assert_eq!((done.status, answer), (status, &[][..]), "{request:X?}");
                let calls = self.kernel().state().calls();
                assert_eq!(calls, before.calls, "a malformed request gets no further");
                return (done.status, Vec::new());
            }
        };
        assert_eq!(done.status, Status::SUCCESS, "{request:X?}");
        if before.has_fault_since(&self.kernel().state()) {
            self.mark_uncertain(before);
        } else {
            self.model = model;
            self.predicted = predicted.is_some();
        }
        if parsed.legacy {
            answer::assert_log_format(answer, output);
            self.check_legacy_answer(answer, output, parsed, predicted, before);
        } else {
            self.check_answer(&Answer::read(answer), parsed, predicted, before);
        }
        (done.status, answer.to_vec())
    }

    /// Checks an answer of our device.
    fn check_answer(
        &mut self,
        answer: &Answer,
        parsed: ParsedRequest,
        predicted: Option<Prediction>,
        before: &Checkpoint,
    ) {
        let slot = slot(parsed.module);
        let state = self.driver.kernel().state();
        let disturbed = before.has_fault_since(&state);
        assert_eq!(answer.module, [4, 6][slot]);
        before.assert_logged(&state, parsed, answer.reason());
        if disturbed {
            return;
        }
        match predicted {
            Some(predicted) => {
                predicted.assert_matches(answer, parsed.module, self.model.arch);
                self.model.assert_matches(answer, slot);
                before.assert_writes(&state, predicted.write.as_slice());
            }
            None => {
                answer.assert_true_of(state.loaded(parsed.module));
                let remembered = state.record_writes > before.record_writes;
                self.model
                    .learn_from(answer, state.loaded(parsed.module), remembered);
            }
        }
        drop(state);
        self.check_start_mark(parsed, answer.reason() == Reason::Done, before);
    }

    /// Checks an answer of the legacy device.
    fn check_legacy_answer(
        &mut self,
        answer: &[u8],
        output: usize,
        parsed: ParsedRequest,
        predicted: Option<Prediction>,
        before: &Checkpoint,
    ) {
        let state = self.driver.kernel().state();
        let disturbed = before.has_fault_since(&state);
        let reason = answer::legacy_reason(answer, before.events(&state), parsed);
        before.assert_logged(&state, parsed, reason);
        if disturbed {
            return;
        }
        match predicted {
            Some(predicted) => {
                answer::assert_legacy_record(answer, output, &predicted);
                before.assert_writes(&state, predicted.write.as_slice());
            }
            // A legacy answer has too little to learn from.
            None => {
                self.model.history[slot(parsed.module)].certain = false;
                if state.record_writes > before.record_writes {
                    self.model.remembered[slot(parsed.module)] = None;
                }
            }
        }
        drop(state);
        self.check_start_mark(parsed, reason == Reason::Done, before);
    }

    /// Checks the start mark after a request without a fault.
    fn check_start_mark(&mut self, parsed: ParsedRequest, done: bool, before: &Checkpoint) {
        let state = self.driver.kernel().state();
        let works = done && matches!(parsed.command, Command::Set { .. });
        match self.model.guarded {
            Some(true) if works && !state.failing.guard_write => {
                assert!(!state.guard, "a set that works takes the mark away");
                self.model.guarded = Some(false);
            }
            Some(_) => assert_eq!(state.guard, before.guard, "nothing else does"),
            None => {}
        }
    }

    fn open(&mut self, relative: bool, before: &Checkpoint) -> Status {
        if !self.is_loaded {
            return Status::SUCCESS;
        }
        let status = self.driver.open(relative);
        assert_eq!(status.is_success(), !relative);
        assert_eq!(self.kernel().state().calls(), before.calls);
        status
    }

    pub(super) fn mark_uncertain(&mut self, before: &Checkpoint) {
        let state = self.driver.kernel().state();
        self.model.mark_uncertain();
        self.model
            .forget_records(state.record_writes > before.record_writes || state.record_corrupted);
    }
}

/// The text of an entry of the event log.
fn render(event: &Event) -> String {
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
