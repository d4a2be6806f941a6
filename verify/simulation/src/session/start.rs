//! What the driver must do when it is loaded and unloaded.

use tcplimit_protocol::Reason;

use super::known::{Known, Memory, Start};
use super::model::Model;
use super::request::{Expected, Wish};
use crate::kernel::{Number, State, Value};
use specimen::Module;

/// What becomes of a stored limit, where there is one.
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
    /// Loads the driver in thought, once its devices are there. `None` where
    /// what comes of it can't be told; the writes that it makes otherwise.
    pub(super) fn load(&mut self, state: &State) -> Option<Vec<(u32, u32)>> {
        let failing = state.failing;
        let settings = &state.settings;
        self.accepts = settings.accept_unknown_rights.is_on() && !failing.settings;
        self.restores = settings.restore.is_on() && !failing.settings;
        // What can't be read may be there.
        self.guarded = Some(state.guard || failing.guard_read);
        let mut wanted = Vec::new();
        for (slot, module) in MODULES {
            let start = &mut self.known[slot].start;
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
        let all = |known: &mut [Known; 2], outcome, reason| {
            for &(slot, ..) in &wanted {
                known[slot].start.outcome = outcome;
                known[slot].start.reason = reason;
            }
            Some(Vec::new())
        };
        if wanted.is_empty() {
            return Some(Vec::new());
        }
        if state.safe_mode {
            return all(&mut self.known, SAFE_MODE, Reason::Done);
        }
        if failing.guard_read {
            return all(&mut self.known, REFUSED, Reason::GuardFailed);
        }
        if state.guard {
            return all(&mut self.known, GUARDED, Reason::Done);
        }
        if failing.guard_write {
            self.guarded = Some(true);
            return all(&mut self.known, REFUSED, Reason::GuardFailed);
        }
        let mut writes = Some(Vec::new());
        for (slot, module, limit) in wanted {
            let expected = match settings.expect[slot] {
                Value::Unreadable => {
                    self.known[slot].start.refuse(Reason::SettingUnreadable);
                    continue;
                }
                Value::Absent => Expected::Own,
                Value::Number(Number(expected)) => Expected::OwnOr(expected),
            };
            match self.serve(state, module, Wish::Set { limit, expected }) {
                Some(said) if said.reason == Reason::Done => {
                    self.known[slot].start.outcome = APPLIED;
                    if let Some(writes) = &mut writes {
                        writes.extend(said.write);
                    }
                }
                Some(said) => self.known[slot].start.refuse(said.reason),
                None => writes = None,
            }
        }
        writes
    }

    /// Unloads the driver in thought; as [`Model::load`].
    pub(super) fn unload(&mut self, state: &State) -> Option<Vec<(u32, u32)>> {
        let mut writes = Some(Vec::new());
        if !self.restores {
            return writes;
        }
        for (slot, module) in MODULES {
            let Some(looked) = self.serve(state, module, Wish::Look) else {
                writes = None;
                continue;
            };
            let Some(Memory { last, original, .. }) = self.known[slot].memory else {
                continue;
            };
            let back = looked.values[0] == original;
            if last == original || back || looked.reason != Reason::Done {
                continue;
            }
            let wish = Wish::Set {
                limit: original,
                expected: Expected::Just(last),
            };
            match (self.serve(state, module, wish), &mut writes) {
                (Some(said), Some(writes)) => writes.extend(said.write),
                _ => writes = None,
            }
        }
        writes
    }
}
