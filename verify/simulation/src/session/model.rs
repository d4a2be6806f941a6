//! What the driver must answer, by a small model of it: what it should know,
//! and the truth about the system that it runs in.

use tcplimit_protocol::{Reason, Status};

use super::known::{Identity, Known, Location, Memory};
use super::request::{Expected, Wish};
use crate::kernel::{Fault, Instance, ListWitness, State, slot};
use specimen::{Arch, Module};

/// What a driver knows from its load on.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) arch: Arch,
    /// Of tcpip.sys and tcpip6.sys.
    pub(super) known: [Known; 2],
    /// What outlives the driver, of each: `None` where a fault may have kept it
    /// from being written.
    pub(super) remembered: [Option<Option<Memory>>; 2],
    pub(super) accepts: bool,
    pub(super) restores: bool,
    /// It knows of the mark: a set that works takes it away. `None` where that
    /// can't be told.
    pub(super) guarded: Option<bool>,
}

/// What the driver must say of a module, and do to it.
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
    /// The driver writes: over what, and what.
    pub(super) write: Option<(u32, u32)>,
}

/// How far the search gets.
const ABSENT: u32 = 0;
const NOT_LOCATED: u32 = 1;
pub(super) const LOCATED: u32 = 2;
impl Model {
    /// Of a driver that is not loaded, in a system that was just started.
    pub(super) fn new(arch: Arch) -> Model {
        Model {
            arch,
            known: [Known::nothing(), Known::nothing()],
            remembered: [Some(None); 2],
            accepts: false,
            restores: false,
            guarded: Some(false),
        }
    }

    /// The driver forgets all but what is remembered for it.
    pub(super) fn forget(&mut self) {
        *self = Model {
            remembered: self.remembered,
            ..Model::new(self.arch)
        };
    }

    /// A fault happened while the driver was at work: all that it knows may be
    /// otherwise.
    pub(super) fn doubt(&mut self) {
        for known in &mut self.known {
            known.certain = false;
        }
        self.guarded = None;
    }

    /// What is remembered may be something else.
    pub(super) fn unlearn(&mut self, really: bool) {
        if really {
            self.remembered = [None; 2];
        }
    }

    /// Something happened while nobody asked anything.
    pub(super) fn notice(&mut self, fault: Fault) {
        self.unlearn(matches!(fault, Fault::RecordCorrupted(..)));
    }

    /// Serves a request in thought. `None` where the outcome can't be told;
    /// then the module's knowledge is in doubt.
    pub(super) fn serve(
        &mut self,
        state: &State,
        module: Module,
        wish: Wish,
    ) -> Option<Prediction> {
        let slot = slot(module);
        if !self.known[slot].certain {
            return None;
        }
        let prediction = self.predict(state, module, wish);
        self.known[slot].certain = prediction.is_some();
        prediction
    }

    fn predict(&mut self, state: &State, module: Module, wish: Wish) -> Option<Prediction> {
        let mut said = Prediction {
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
            return Some(said.status(Reason::Unusable, Status::ACCESS_DENIED));
        }
        let Some(loaded) = state.loaded(module) else {
            return Some(said.refused(Reason::NotLoaded, [0; 2]));
        };
        match state.list.state.witness() {
            ListWitness::Confirms => {}
            ListWitness::Silent => said.unlisted = true,
            ListWitness::Contradicts => return Some(said.refused(Reason::ListDiffers, [0; 2])),
            ListWitness::Fails(status) => {
                return Some(said.status(Reason::ListUnavailable, status));
            }
        }
        said.state = NOT_LOCATED;
        if !loaded.page(0).valid {
            return Some(said.refused(Reason::HeadersUnreadable, [0; 2]));
        }
        let verdict = loaded.verdict()?;
        match (verdict, loaded.unreadable_code()) {
            (Err(reason @ (Reason::NotAnImage | Reason::WrongMachine)), _) => {
                return Some(said.refused(reason, [0; 2]));
            }
            (Err(reason @ Reason::Inconsistent), _) => {
                said.detail = None;
                return Some(said.because(reason));
            }
            (_, Some(section)) => {
                let section = u32::try_from(section).expect("few sections");
                return Some(said.refused(Reason::CodeUnreadable, [section, 0]));
            }
            (Err(reason), _) => {
                said.detail = None;
                return Some(said.because(reason));
            }
            (Ok(()), None) => {}
        }
        said.identity = Some(loaded.identity());
        if !self.meets(state, loaded)? {
            return Some(said.refused(Reason::Changed, [0; 2]));
        }
        said.state = LOCATED;
        self.look_and_change(state, loaded, wish, said)
    }

    /// Whether the driver takes the module for the one that it knows.
    fn meets(&mut self, state: &State, loaded: &Instance) -> Option<bool> {
        let slot = slot(loaded.module);
        let (known, now) = (&mut self.known[slot], Location::of(loaded));
        match known.located {
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
                known.memory = recalled.filter(|memory| memory.identity == now.identity);
                known.earlier = known.memory.is_some();
            }
        }
        known.located = Some(now);
        Some(true)
    }

    /// What follows once the limit is located and the module known.
    fn look_and_change(
        &mut self,
        state: &State,
        loaded: &Instance,
        wish: Wish,
        mut said: Prediction,
    ) -> Option<Prediction> {
        let truth = &loaded.build().specimen.truth;
        said.rvas = [truth.threshold, truth.count, truth.queue];
        let page = loaded.page(truth.threshold);
        // A fault takes the limit's page away; the others may lie beside it.
        if said
            .rvas
            .iter()
            .any(|&rva| loaded.page(rva).valid != page.valid)
        {
            return None;
        }
        if !page.valid {
            return Some(said.refused(Reason::PageInvalid, [0; 2]));
        }
        said.values = said.rvas.map(|rva| loaded.dword(rva));
        let known = &mut self.known[slot(loaded.module)];
        let [current, half_open, _] = said.values;
        if half_open < 0x8000_0000 {
            known.peak = known.peak.max(half_open);
        }
        let Wish::Set { limit, expected } = wish else {
            return Some(said);
        };

        // Something hides it, or the list is made up.
        if said.unlisted && !self.accepts {
            return Some(said.refused(Reason::ListDiffers, [0; 2]));
        }
        if current == limit && is_limit(limit) {
            return Some(match expected {
                Expected::Just(named) if named != current => {
                    said.refused(Reason::NotAsNamed, [current, named])
                }
                // There is nothing to write, and it does not become ours.
                _ => said,
            });
        }
        let wrote = known.memory.is_some_and(|memory| memory.last == current);
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
            return Some(said.refused(reason, detail));
        }
        said.write = Some((current, limit));
        said.values[0] = limit;
        let memory = Memory {
            identity: loaded.identity(),
            last: limit,
            original: known.memory.map_or(current, |memory| memory.original),
        };
        known.memory = Some(memory);
        known.earlier = false;
        if !state.failing.write_record && !state.failing.boot_id {
            self.remembered[slot(loaded.module)] = Some(Some(memory));
        }
        Some(said)
    }
}

impl Prediction {
    fn because(mut self, reason: Reason) -> Prediction {
        self.reason = reason;
        self
    }

    fn refused(mut self, reason: Reason, detail: [u32; 2]) -> Prediction {
        self.detail = Some(detail);
        self.because(reason)
    }

    fn status(self, reason: Reason, status: Status) -> Prediction {
        self.refused(reason, [status.0, 0])
    }
}

fn is_limit(value: u32) -> bool {
    (1..=16_777_215).contains(&value)
}
