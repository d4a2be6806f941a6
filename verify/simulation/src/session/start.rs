//! Predictions for load and unload.

use tcplimit_protocol::Reason;

use super::model::Model;
use super::module_history::{Memory, ModuleHistory, Start};
use super::request::{Command, Expected};
use crate::kernel::{Number, State, Value};
use specimen::Module;

/// Outcomes of a stored limit.
const APPLIED: u32 = 1;
const SAFE_MODE: u32 = 2;
const GUARDED: u32 = 3;
const REFUSED: u32 = 4;

/// Both modules with their places in pairs.
const MODULES: [(usize, Module); 2] = [(0, Module::Tcpip), (1, Module::Tcpip6)];

impl Start {
    fn refuse(&mut self, reason: Reason) {
        self.outcome = REFUSED;
        self.reason = reason;
    }
}

impl Model {
    /// Predicts the writes of a load whose devices were created. `None` where
    /// they are uncertain.
    pub(super) fn load(&mut self, state: &State) -> Option<Vec<(u32, u32)>> {
        let failing = state.failing;
        let settings = &state.settings;
        self.accepts = settings.accept_unknown_rights.is_on() && !failing.settings;
        self.restores = settings.restore.is_on() && !failing.settings;
        // A mark that can't be read counts as set.
        self.guarded = Some(state.guard || failing.guard_read);
        let mut wanted = Vec::new();
        for (slot, module) in MODULES {
            let start = &mut self.history[slot].start;
            match settings.limit[slot] {
                Value::Unreadable => start.refuse(Reason::SettingUnreadable),
                _ if failing.settings => start.refuse(Reason::SettingUnreadable),
                Value::Absent => {}
                Value::Number(Number(limit)) => {
                    start.configured = limit;
                    wanted.push((slot, module, limit));
                }
            }
        }
        let all = |history: &mut [ModuleHistory; 2], outcome, reason| {
            for &(slot, ..) in &wanted {
                history[slot].start.outcome = outcome;
                history[slot].start.reason = reason;
            }
            Some(Vec::new())
        };
        if wanted.is_empty() {
            return Some(Vec::new());
        }
        if state.safe_mode {
            return all(&mut self.history, SAFE_MODE, Reason::Done);
        }
        if failing.guard_read {
            return all(&mut self.history, REFUSED, Reason::GuardFailed);
        }
        if state.guard {
            return all(&mut self.history, GUARDED, Reason::Done);
        }
        if failing.guard_write {
            self.guarded = Some(true);
            return all(&mut self.history, REFUSED, Reason::GuardFailed);
        }
        let mut writes = Some(Vec::new());
        for (slot, module, limit) in wanted {
            let expected = match settings.expect[slot] {
                Value::Unreadable => {
                    self.history[slot].start.refuse(Reason::SettingUnreadable);
                    continue;
                }
                Value::Absent => Expected::Own,
                Value::Number(Number(expected)) => Expected::OwnOr(expected),
            };
            match self.predict(state, module, Command::Set { limit, expected }) {
                Some(prediction) if prediction.reason == Reason::Done => {
                    self.history[slot].start.outcome = APPLIED;
                    if let Some(writes) = &mut writes {
                        writes.extend(prediction.write);
                    }
                }
                Some(prediction) => self.history[slot].start.refuse(prediction.reason),
                None => writes = None,
            }
        }
        writes
    }

    /// Predicts the writes of an unload; as [`Model::load`].
    pub(super) fn unload(&mut self, state: &State) -> Option<Vec<(u32, u32)>> {
        let mut writes = Some(Vec::new());
        if !self.restores {
            return writes;
        }
        for (slot, module) in MODULES {
            let Some(looked) = self.predict(state, module, Command::Query) else {
                writes = None;
                continue;
            };
            let Some(Memory { last, original, .. }) = self.history[slot].memory else {
                continue;
            };
            let back = looked.values[0] == original;
            if last == original || back || looked.reason != Reason::Done {
                continue;
            }
            let command = Command::Set {
                limit: original,
                expected: Expected::Just(last),
            };
            match (self.predict(state, module, command), &mut writes) {
                (Some(prediction), Some(writes)) => writes.extend(prediction.write),
                _ => writes = None,
            }
        }
        writes
    }
}
