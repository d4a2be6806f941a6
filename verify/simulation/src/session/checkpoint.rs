//! A step's effects, and the invariants after each step.

use tcplimit_driver::{Event, Message};
use tcplimit_protocol::Reason;

use super::request::{Command, ParsedRequest};
use crate::kernel::{ExchangeCall, State};

/// Counters of the system before a step.
pub(super) struct Checkpoint {
    pub(super) exchanges: usize,
    pub(super) events: usize,
    pub(super) fault_count: usize,
    pub(super) record_writes: usize,
    pub(super) calls: usize,
    pub(super) guard: bool,
}

impl Checkpoint {
    pub(super) fn take(state: &State) -> Checkpoint {
        Checkpoint {
            exchanges: state.exchanges.len(),
            events: state.events.len(),
            fault_count: state.fault_count,
            record_writes: state.record_writes,
            calls: state.calls(),
            guard: state.guard,
        }
    }

    /// Asserts the invariants of every step.
    pub(super) fn check_invariants(&self, state: &State) {
        assert_eq!(state.violations(), &[] as &[String]);
        assert!(!state.is_any_module_referenced(), "a module is still held");
        for module in &state.instances {
            let name = &module.build().name;
            assert!(module.is_intact(), "{name}: another byte has changed");
        }
        let logged = self.events(state).iter().filter_map(|event| {
            (event.message == Message::Changed).then_some(event.numbers.into())
        });
        let logged: Vec<(u32, u32)> = logged.collect();
        let happened = self.writes(state);
        // The power may fail between a write and its entry.
        assert!(
            happened == logged || state.power_failed(),
            "{happened:?}, and logged {logged:?}"
        );
    }

    /// Whether a fault happened since.
    pub(super) fn has_fault_since(&self, state: &State) -> bool {
        state.fault_count > self.fault_count
    }

    pub(super) fn events<'a>(&self, state: &'a State) -> &'a [Event] {
        &state.events[self.events..]
    }

    /// The driver's writes since: old and new values.
    pub(super) fn writes(&self, state: &State) -> Vec<(u32, u32)> {
        let since = state.exchanges[self.exchanges..].iter();
        let written = since.filter(|exchange| exchange.written);
        written
            .map(|&ExchangeCall { current, limit, .. }| (current, limit))
            .collect()
    }

    /// Asserts that the driver made exactly these writes.
    pub(super) fn assert_writes(&self, state: &State, expected: &[(u32, u32)]) {
        assert_eq!(self.writes(state), expected, "written");
    }

    /// Asserts that the answer agrees with the writes, and that a refusal is in
    /// the event log.
    pub(super) fn assert_logged(&self, state: &State, parsed: ParsedRequest, reason: Reason) {
        let writes = self.writes(state);
        let refused = self
            .events(state)
            .iter()
            .filter_map(|event| match event.message {
                Message::Refused(reason) => Some((reason, event.numbers[0])),
                _ => None,
            });
        let refused: Vec<(Reason, u32)> = refused.collect();
        match (parsed.command, reason) {
            (Command::Query, _) => assert_eq!((&writes[..], &refused[..]), (&[][..], &[][..])),
            (Command::Set { limit, .. }, Reason::Done) => {
                assert_eq!(refused, []);
                match writes[..] {
                    [(before, after)] => assert!(before != limit && after == limit),
                    // It was in force already.
                    [] => {
                        let loaded = state.loaded(parsed.module);
                        let now = loaded.map(|loaded| loaded.dword(loaded.threshold()));
                        assert!(now == Some(limit) || self.has_fault_since(state), "{now:?}");
                    }
                    _ => panic!("written more than once: {writes:?}"),
                }
            }
            (Command::Set { limit, .. }, reason) => {
                assert_eq!(refused, [(reason, limit)]);
                if reason == Reason::Overwritten {
                    assert!(self.has_fault_since(state), "nobody wrote over it");
                    assert_eq!(writes.len(), 1);
                } else {
                    assert_eq!(writes, [], "refused for {reason:?}, and written");
                }
            }
        }
    }
}
