//! Pairs of variables that gates compare, and the findings about them.

use crate::evidence::{Evidence, EvidenceSet};
use crate::gate::Gate;
use crate::image::Image;
use crate::nearby_calls::{NearbyCalls, Tally};
use crate::rva::Rva;

/// The most gates of a limit's pair.
pub const MAX_GATES: usize = 4;

/// The most candidates in one image; genuine drivers have one.
const MAX_CANDIDATES: usize = 12;
/// The number of other pairs kept for a report.
const MAX_OTHERS: usize = 2;

/// Two variables that gates compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) count: Rva,
    pub(crate) threshold: Rva,
    /// All gates, including those that don't fit into `gates`.
    gate_count: u32,
    /// The first bytes of the first gates.
    gates: [Rva; MAX_GATES],
}

impl Pair {
    fn new(gate: &Gate) -> Pair {
        Pair {
            count: gate.count(),
            threshold: gate.threshold(),
            gate_count: 1,
            gates: [gate.at(); MAX_GATES],
        }
    }

    fn add(&mut self, gate: &Gate) {
        let next = usize::try_from(self.gate_count).ok();
        if let Some(place) = next.and_then(|next| self.gates.get_mut(next)) {
            *place = gate.at();
        }
        self.gate_count = self.gate_count.saturating_add(1);
    }

    /// The number of gates.
    #[cfg(test)]
    pub(crate) fn gate_count(&self) -> u32 {
        self.gate_count
    }

    /// Reads the gates again.
    pub(crate) fn read_gates(&self, image: &Image<'_>, gates: &mut [Option<Gate>; MAX_GATES]) {
        for ((gate, &at), place) in gates.iter_mut().zip(&self.gates).zip(0..) {
            *gate = if place < self.gate_count {
                Gate::at_rva(image, at)
            } else {
                None
            };
        }
    }

    /// The dword before the limit.
    pub(crate) fn queue(&self) -> Option<Rva> {
        self.threshold.minus(4)
    }

    fn is_adjacent(&self) -> bool {
        self.threshold.plus(4) == Some(self.count) && self.threshold.0 & 3 == 0
    }

    /// Whether both variables and the dword before the first lie in one section
    /// of live data.
    fn is_in_live_data(&self, image: &Image<'_>) -> bool {
        let (first, last) = (
            self.threshold.min(self.count),
            self.threshold.max(self.count),
        );
        let length = last.distance(first).checked_add(8);
        first
            .minus(4)
            .zip(length)
            .and_then(|(first, length)| image.section_at(first, length))
            .is_some_and(|section| section.is_live_data())
    }

    /// The evidence from the pair alone, without reading code.
    pub(crate) fn evidence(&self, image: &Image<'_>) -> EvidenceSet {
        let few = usize::try_from(self.gate_count).is_ok_and(|count| count <= MAX_GATES);
        EvidenceSet::EMPTY
            .with_if(Evidence::TwoGates, self.gate_count >= 2 && few)
            .with_if(Evidence::Adjacent, self.is_adjacent())
            .with_if(Evidence::SameDataSection, self.is_in_live_data(image))
    }

    /// Whether all of that holds.
    pub(crate) fn is_candidate(&self, image: &Image<'_>) -> bool {
        self.evidence(image).len() == 3
    }
}

/// The pairs of an image.
#[derive(Debug)]
pub(crate) struct Pairs {
    /// Pairs laid out as the limiter's variables, then others.
    places: [Option<Pair>; MAX_CANDIDATES + MAX_OTHERS],
    overflow: bool,
}

impl Pairs {
    pub(crate) const NONE: Pairs = Pairs {
        places: [None; MAX_CANDIDATES + MAX_OTHERS],
        overflow: false,
    };

    pub(crate) fn add(&mut self, image: &Image<'_>, gate: &Gate) {
        let pair = Pair::new(gate);
        let in_place = pair.is_adjacent() && pair.is_in_live_data(image);
        let (candidates, others) = self.places.split_at_mut(MAX_CANDIDATES);
        for place in if in_place { candidates } else { others } {
            match place {
                Some(known) if known.count == pair.count && known.threshold == pair.threshold => {
                    return known.add(gate);
                }
                Some(_) => {}
                None => {
                    *place = Some(pair);
                    return;
                }
            }
        }
        self.overflow |= in_place;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.places.iter().flatten()
    }

    /// Whether the image has more candidates than fit.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflow
    }
}

/// The findings about one pair of variables: evidence that holds, evidence that
/// is missing, and the places of both. For reports; nothing here permits a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    pub(crate) threshold: Rva,
    pub(crate) count: Rva,
    pub(crate) gates: [Option<Gate>; MAX_GATES],
    pub(crate) held: EvidenceSet,
    pub(crate) missing: EvidenceSet,
    pub(crate) atomic_updates: u32,
    pub(crate) first_atomic: Option<Rva>,
    pub(crate) queue_test: Option<Rva>,
    pub(crate) event: Option<Rva>,
    pub(crate) import_calls: u32,
    pub(crate) offender: Option<Rva>,
    pub(crate) nearby_calls: [NearbyCalls; MAX_GATES],
    pub(crate) relocated: Tally,
}

impl Findings {
    /// No findings.
    pub(crate) const NOTHING: Findings = Findings {
        threshold: Rva(0),
        count: Rva(0),
        gates: [None; MAX_GATES],
        held: EvidenceSet::EMPTY,
        missing: EvidenceSet::EMPTY,
        atomic_updates: 0,
        first_atomic: None,
        queue_test: None,
        event: None,
        import_calls: 0,
        offender: None,
        nearby_calls: [NearbyCalls::NONE; MAX_GATES],
        relocated: Tally { hits: 0, total: 0 },
    };

    /// Whether both are about the same place, found by the same code. The number
    /// of calls around it does not matter: other software may hook some.
    pub(crate) fn is_same_place(&self, other: &Findings) -> bool {
        let Findings {
            threshold,
            count,
            gates,
            held,
            missing,
            atomic_updates,
            first_atomic,
            queue_test,
            event,
            import_calls: _,
            offender,
            nearby_calls: _,
            relocated: _,
        } = self;
        *threshold == other.threshold
            && *count == other.count
            && *gates == other.gates
            && *held == other.held
            && *missing == other.missing
            && *atomic_updates == other.atomic_updates
            && *first_atomic == other.first_atomic
            && *queue_test == other.queue_test
            && *event == other.event
            && *offender == other.offender
    }

    /// The variable taken for the limit.
    #[must_use]
    pub fn threshold(&self) -> Rva {
        self.threshold
    }

    /// The variable taken for the count of half-open connections.
    #[must_use]
    pub fn count(&self) -> Rva {
        self.count
    }

    /// The variable taken for the queue length, directly before the limit.
    #[must_use]
    pub fn queue(&self) -> Option<Rva> {
        self.threshold.minus(4)
    }

    /// The gates, in the order of their addresses, at most [`MAX_GATES`].
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().flatten()
    }

    /// The required evidence that holds.
    #[must_use]
    pub fn held(&self) -> EvidenceSet {
        self.held
    }

    /// The required evidence that does not hold.
    #[must_use]
    pub fn missing(&self) -> EvidenceSet {
        self.missing
    }

    /// The number of places that update the count by a locked instruction.
    #[must_use]
    pub fn atomic_updates(&self) -> u32 {
        self.atomic_updates
    }

    /// The operand of the first of them.
    #[must_use]
    pub fn first_atomic(&self) -> Option<Rva> {
        self.first_atomic
    }

    /// The operand of the first test of the queue length near a gate.
    #[must_use]
    pub fn queue_test(&self) -> Option<Rva> {
        self.queue_test
    }

    /// The first place of event 4226's code.
    #[must_use]
    pub fn event(&self) -> Option<Rva> {
        self.event
    }

    /// The number of calls that land in the import table.
    #[must_use]
    pub fn import_calls(&self) -> u32 {
        self.import_calls
    }

    /// The calls around each gate, in the order of the gates.
    pub fn nearby_calls(&self) -> impl Iterator<Item = &NearbyCalls> {
        let gates = self.gates.iter().zip(&self.nearby_calls);
        gates.filter_map(|(gate, around)| gate.as_ref().map(|_| around))
    }

    /// Operands that the answer depends on; hits are relocated. Empty for an
    /// image without relocations of operands: in memory, or for x64.
    #[must_use]
    pub fn relocated(&self) -> Tally {
        self.relocated
    }

    /// The first operand that refutes the candidate: a reader outside the gates,
    /// a writer, a locked update of the limit.
    #[must_use]
    pub fn offender(&self) -> Option<Rva> {
        self.offender
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_of_the_same_place_if_all_but_the_calls_agree() {
        let same = |change: fn(&mut Findings)| {
            let mut other = Findings::NOTHING;
            change(&mut other);
            Findings::NOTHING.is_same_place(&other)
        };
        let calls: [fn(&mut Findings); 4] = [
            |_| {},
            |it| it.import_calls = 1,
            |it| it.relocated = Tally { hits: 1, total: 1 },
            |it| {
                for around in &mut it.nearby_calls {
                    around.imports.total = 1;
                }
            },
        ];
        let others: [fn(&mut Findings); 9] = [
            |it| it.threshold = Rva(1),
            |it| it.count = Rva(1),
            |it| it.held = EvidenceSet::EMPTY.with(Evidence::TwoGates),
            |it| it.missing = EvidenceSet::EMPTY.with(Evidence::TwoGates),
            |it| it.atomic_updates = 1,
            |it| it.first_atomic = Some(Rva(1)),
            |it| it.queue_test = Some(Rva(1)),
            |it| it.event = Some(Rva(1)),
            |it| it.offender = Some(Rva(1)),
        ];
        assert_eq!(calls.map(same), [true; 4]);
        assert_eq!(others.map(same), [false; 9]);
    }
}
