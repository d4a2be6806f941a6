//! What has happened in a step, and what must hold after each.

use tcplimit_driver::{Event, Message};
use tcplimit_protocol::Reason;

use super::request::{Asked, Wish};
use crate::kernel::{ExchangeCall, State};

/// What was so before a step.
pub(super) struct Before {
    pub(super) exchanges: usize,
    pub(super) events: usize,
    pub(super) fault_count: usize,
    pub(super) record_writes: usize,
    pub(super) calls: usize,
    pub(super) guard: bool,
}

impl Before {
    pub(super) fn of(state: &State) -> Before {
        Before {
            exchanges: state.exchanges.len(),
            events: state.events.len(),
            fault_count: state.fault_count,
            record_writes: state.record_writes,
            calls: state.calls(),
            guard: state.guard,
        }
    }

    /// What must hold after every step, whatever happens.
    pub(super) fn holds(&self, state: &State) {
        assert_eq!(state.violations(), &[] as &[String]);
        assert!(!state.is_any_module_referenced(), "a module is still held");
        for module in &state.instances {
            let name = &module.build().name;
            assert!(module.is_intact(), "{name}: another byte has changed");
        }
        let told = self.events(state).iter().filter_map(|event| {
            (event.message == Message::Changed).then_some(event.numbers.into())
        });
        let told: Vec<(u32, u32)> = told.collect();
        let happened = self.writes(state);
        // The power may fail between a write and its entry.
        assert!(
            happened == told || state.power_failed(),
            "{happened:?}, and told {told:?}"
        );
    }

    /// Whether a fault has happened since.
    pub(super) fn is_over(&self, state: &State) -> bool {
        state.fault_count > self.fault_count
    }

    pub(super) fn events<'a>(&self, state: &'a State) -> &'a [Event] {
        &state.events[self.events..]
    }

    /// What the driver has written since: over what, and what.
    pub(super) fn writes(&self, state: &State) -> Vec<(u32, u32)> {
        let since = state.exchanges[self.exchanges..].iter();
        let written = since.filter(|exchange| exchange.written);
        written
            .map(|&ExchangeCall { current, limit, .. }| (current, limit))
            .collect()
    }

    /// The driver has written just this.
    pub(super) fn wrote(&self, state: &State, expected: &[(u32, u32)]) {
        assert_eq!(self.writes(state), expected, "written");
    }

    /// Whatever happens: an answer goes with what was written, and a refusal
    /// is told to the event log.
    pub(super) fn is_told(&self, state: &State, asked: Asked, reason: Reason) {
        let writes = self.writes(state);
        let refused = self
            .events(state)
            .iter()
            .filter_map(|event| match event.message {
                Message::Refused(reason) => Some((reason, event.numbers[0])),
                _ => None,
            });
        let refused: Vec<(Reason, u32)> = refused.collect();
        match (asked.wish, reason) {
            (Wish::Look, _) => assert_eq!((&writes[..], &refused[..]), (&[][..], &[][..])),
            (Wish::Set { limit, .. }, Reason::Done) => {
                assert_eq!(refused, []);
                match writes[..] {
                    [(before, after)] => assert!(before != limit && after == limit),
                    // It was in force.
                    [] => {
                        let loaded = state.loaded(asked.module);
                        let now = loaded.map(|loaded| loaded.dword(loaded.threshold()));
                        assert!(now == Some(limit) || self.is_over(state), "{now:?}");
                    }
                    _ => panic!("written more than once: {writes:?}"),
                }
            }
            (Wish::Set { limit, .. }, reason) => {
                assert_eq!(refused, [(reason, limit)]);
                if reason == Reason::Overwritten {
                    assert!(self.is_over(state), "nobody wrote over it");
                    assert_eq!(writes.len(), 1);
                } else {
                    assert_eq!(writes, [], "refused for {reason:?}, and written");
                }
            }
        }
    }
}
