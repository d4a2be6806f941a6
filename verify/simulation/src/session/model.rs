//! A small model of the driver: it predicts answers from the driver's history
//! and the true state of the system.

use tcplimit_protocol::{Reason, Status};

use super::module_history::{Identity, Location, Memory, ModuleHistory};
use super::request::{Command, Expected};
use crate::kernel::{Fault, Instance, ListWitness, State, slot};
use specimen::{Arch, Module};

/// The state that a driver should have.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) arch: Arch,
    /// For tcpip.sys and tcpip6.sys.
    pub(super) history: [ModuleHistory; 2],
    /// The stored record of each, which outlives the driver: `None` where a
    /// fault may have prevented the write.
    pub(super) remembered: [Option<Option<Memory>>; 2],
    pub(super) accepts: bool,
    pub(super) restores: bool,
    /// The driver knows of the start mark and removes it after a successful
    /// set. `None` where unknown.
    pub(super) guarded: Option<bool>,
}

/// The required answer about a module, and the required write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prediction {
    /// Absent, not located, located.
    pub(super) state: u32,
    pub(super) reason: Reason,
    /// `None` where only the locator knows.
    pub(super) detail: Option<[u32; 2]>,
    /// Limit, half-open, queued.
    pub(super) values: [u32; 3],
    /// Their RVAs, in the same order.
    pub(super) rvas: [u32; 3],
    pub(super) identity: Option<Identity>,
    pub(super) unlisted: bool,
    /// The value that the driver overwrites, and the new one.
    pub(super) write: Option<(u32, u32)>,
}

/// Progress of the search.
const ABSENT: u32 = 0;
const NOT_LOCATED: u32 = 1;
pub(super) const LOCATED: u32 = 2;
impl Model {
    /// The model of an unloaded driver in a system just started.
    pub(super) fn new(arch: Arch) -> Model {
        Model {
            arch,
            history: [ModuleHistory::nothing(), ModuleHistory::nothing()],
            remembered: [Some(None); 2],
            accepts: false,
            restores: false,
            guarded: Some(false),
        }
    }

    /// Resets all state except the stored records.
    pub(super) fn forget(&mut self) {
        *self = Model {
            remembered: self.remembered,
            ..Model::new(self.arch)
        };
    }

    /// A fault happened during a call: the driver's state is uncertain.
    pub(super) fn mark_uncertain(&mut self) {
        for history in &mut self.history {
            history.certain = false;
        }
        self.guarded = None;
    }

    /// The stored records are uncertain.
    pub(super) fn forget_records(&mut self, really: bool) {
        if really {
            self.remembered = [None; 2];
        }
    }

    /// A fault happened between requests.
    pub(super) fn apply_fault(&mut self, fault: Fault) {
        self.forget_records(matches!(fault, Fault::RecordCorrupted(..)));
    }

    /// Predicts the answer to a request. `None` where the answer is uncertain;
    /// then so is the module's history.
    pub(super) fn predict(
        &mut self,
        state: &State,
        module: Module,
        command: Command,
    ) -> Option<Prediction> {
        let slot = slot(module);
        if !self.history[slot].certain {
            return None;
        }
        let prediction = self.predict_certain(state, module, command);
        self.history[slot].certain = prediction.is_some();
        prediction
    }

    fn predict_certain(
        &mut self,
        state: &State,
        module: Module,
        command: Command,
    ) -> Option<Prediction> {
        let mut prediction = Prediction {
            state: ABSENT,
            reason: Reason::Done,
            detail: Some([0; 2]),
            values: [0; 3],
            rvas: [0; 3],
            identity: None,
            unlisted: false,
            write: None,
        };
        if !state.is_usable(module) {
            return Some(prediction.status(Reason::Unusable, Status::ACCESS_DENIED));
        }
        let Some(loaded) = state.loaded(module) else {
            return Some(prediction.refused(Reason::NotLoaded, [0; 2]));
        };
        match state.list.state.witness() {
            ListWitness::Confirms => {}
            ListWitness::Silent => prediction.unlisted = true,
            ListWitness::Contradicts => {
                return Some(prediction.refused(Reason::ListDiffers, [0; 2]));
            }
            ListWitness::Fails(status) => {
                return Some(prediction.status(Reason::ListUnavailable, status));
            }
        }
        prediction.state = NOT_LOCATED;
        if !loaded.page(0).valid {
            return Some(prediction.refused(Reason::HeadersUnreadable, [0; 2]));
        }
        let verdict = loaded.verdict()?;
        match (verdict, loaded.unreadable_code()) {
            (Err(reason @ (Reason::NotAnImage | Reason::WrongMachine)), _) => {
                return Some(prediction.refused(reason, [0; 2]));
            }
            (Err(reason @ Reason::Inconsistent), _) => {
                prediction.detail = None;
                return Some(prediction.with_reason(reason));
            }
            (_, Some(section)) => {
                let section = u32::try_from(section).expect("few sections");
                return Some(prediction.refused(Reason::CodeUnreadable, [section, 0]));
            }
            (Err(reason), _) => {
                prediction.detail = None;
                return Some(prediction.with_reason(reason));
            }
            (Ok(()), None) => {}
        }
        prediction.identity = Some(loaded.identity());
        if !self.is_known_module(state, loaded)? {
            return Some(prediction.refused(Reason::Changed, [0; 2]));
        }
        prediction.state = LOCATED;
        self.predict_located(state, loaded, command, prediction)
    }

    /// Whether the driver takes the module for the one in its history.
    fn is_known_module(&mut self, state: &State, loaded: &Instance) -> Option<bool> {
        let slot = slot(loaded.module);
        let (history, now) = (&mut self.history[slot], Location::new(loaded));
        match history.located {
            Some(before) if before.identity == now.identity => {
                let same_place = before.threshold == now.threshold;
                if !same_place || (before.base == now.base && before != now) {
                    return Some(false);
                }
            }
            _ => {
                let recalled = match state.failing.read_record || state.failing.boot_id {
                    true => None,
                    false => self.remembered[slot]?.or_else(|| {
                        let former = Memory::read(state.v0_1_records[slot].as_ref()?);
                        let right = former.identity == now.identity
                            && is_limit(former.last)
                            && is_limit(former.original);
                        if right && !state.failing.write_record {
                            self.remembered[slot] = Some(Some(former));
                        }
                        right.then_some(former)
                    }),
                };
                history.memory = recalled.filter(|memory| memory.identity == now.identity);
                history.earlier = history.memory.is_some();
            }
        }
        history.located = Some(now);
        Some(true)
    }

    /// Predicts the answer once the limit is located.
    fn predict_located(
        &mut self,
        state: &State,
        loaded: &Instance,
        command: Command,
        mut prediction: Prediction,
    ) -> Option<Prediction> {
        let truth = &loaded.build().specimen.truth;
        prediction.rvas = [truth.threshold, truth.count, truth.queue];
        let page = loaded.page(truth.threshold);
        // A fault takes the limit's page away; the others may lie beside it.
        if prediction
            .rvas
            .iter()
            .any(|&rva| loaded.page(rva).valid != page.valid)
        {
            return None;
        }
        if !page.valid {
            return Some(prediction.refused(Reason::PageInvalid, [0; 2]));
        }
        prediction.values = prediction.rvas.map(|rva| loaded.dword(rva));
        let history = &mut self.history[slot(loaded.module)];
        let [current, half_open, _] = prediction.values;
        if half_open < 0x8000_0000 {
            history.peak = history.peak.max(half_open);
        }
        let Command::Set { limit, expected } = command else {
            return Some(prediction);
        };

        // Something hides it, or the list is fake.
        if prediction.unlisted && !self.accepts {
            return Some(prediction.refused(Reason::ListDiffers, [0; 2]));
        }
        if current == limit && is_limit(limit) {
            return Some(match expected {
                Expected::Just(named) if named != current => {
                    prediction.refused(Reason::NotAsNamed, [current, named])
                }
                // There is nothing to write, and nothing to record.
                _ => prediction,
            });
        }
        let wrote = history.memory.is_some_and(|memory| memory.last == current);
        let own = if wrote { current } else { 10 };
        let unexpected = match expected {
            Expected::Just(_) => Reason::NotAsNamed,
            Expected::Own | Expected::OwnOr(_) => Reason::UnexpectedValue,
        };
        let expected = match expected {
            Expected::Own => own,
            Expected::Just(expected) => expected,
            Expected::OwnOr(_) if current == own => own,
            Expected::OwnOr(expected) => expected,
        };
        let rights = page.writable.filter(|_| state.rights_known);
        let refusal = if !is_limit(limit) {
            Some((Reason::LimitOutOfRange, [limit, 0]))
        } else if rights == Some(false) {
            Some((Reason::PageReadOnly, [0; 2]))
        } else if rights.is_none() && !self.accepts {
            Some((Reason::PageUnknown, [0; 2]))
        } else if !is_limit(current) {
            Some((Reason::ImplausibleValue, [current, 0]))
        } else if current != expected {
            Some((unexpected, [current, expected]))
        } else if state.failing.exchange {
            Some((Reason::NotPermitted, [0; 2]))
        } else {
            None
        };
        if let Some((reason, detail)) = refusal {
            return Some(prediction.refused(reason, detail));
        }
        prediction.write = Some((current, limit));
        prediction.values[0] = limit;
        let memory = Memory {
            identity: loaded.identity(),
            last: limit,
            original: history.memory.map_or(current, |memory| memory.original),
        };
        history.memory = Some(memory);
        history.earlier = false;
        if !state.failing.write_record && !state.failing.boot_id {
            self.remembered[slot(loaded.module)] = Some(Some(memory));
        }
        Some(prediction)
    }
}

impl Prediction {
    fn with_reason(mut self, reason: Reason) -> Prediction {
        self.reason = reason;
        self
    }

    fn refused(mut self, reason: Reason, detail: [u32; 2]) -> Prediction {
        self.detail = Some(detail);
        self.with_reason(reason)
    }

    fn status(self, reason: Reason, status: Status) -> Prediction {
        self.refused(reason, [status.0, 0])
    }
}

fn is_limit(value: u32) -> bool {
    (1..=16_777_215).contains(&value)
}
