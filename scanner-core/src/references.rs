//! The second pass: every use of a candidate's three variables in live code.

use core::ops::ControlFlow;

use crate::arch::Arch;
use crate::byte_scan::ByteScan;
use crate::candidate::Pair;
use crate::displacement_window::DisplacementWindow;
use crate::gate::Gate;
use crate::image::Image;
use crate::nearby_calls::Tally;
use crate::operand::{self, Access, Use};
use crate::pair_scan::{BytePair, PairScan, SIMD};
use crate::read::dword;
use crate::relocation::Relocations;
use crate::rva::Rva;
use crate::step_count::StepCount;

/// The most tests of the queue length kept.
const MAX_TESTS: usize = 4;
/// The greatest distance of a queue test from a gate or its jump's target, in
/// bytes. Seen: 13h, 10h, 52h.
const NEAR: u32 = 0x200;
/// The greatest distance of an update through a register from the instruction
/// that loads the address, in bytes. Seen: up to 3.
const SOON: usize = 16;

/// The greatest range of variables, in bytes, for a combined search.
const NARROW: u32 = 16;

/// The uses of a candidate's variables in live code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct References {
    /// Places that update the count by a locked instruction.
    pub(crate) atomic_updates: u32,
    /// The first of them.
    pub(crate) first_atomic: Option<Rva>,
    /// The first tests of the queue length near gates.
    queue_tests: [Option<Rva>; MAX_TESTS],
    /// A read of the limit outside the gates.
    pub(crate) reader: Option<Rva>,
    /// A load of the count outside the gates.
    pub(crate) loader: Option<Rva>,
    /// A write of the limit.
    pub(crate) writer: Option<Rva>,
    /// A locked update of the limit.
    pub(crate) locked: Option<Rva>,
    /// Operands that the answer depends on, in a file for x86; hits are relocated.
    pub(crate) relocated: Tally,
}

/// One of the three variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variable {
    Queue,
    Threshold,
    Count,
}

struct Search<'a> {
    image: &'a Image<'a>,
    simd: bool,
    pair: &'a Pair,
    gates: &'a [Option<Gate>],
    code: &'a [u8],
    start: Rva,
}

/// The addresses or RVAs from the first to the last of the three variables.
#[derive(Clone, Copy)]
struct Range {
    low: u32,
    span: u32,
}

impl Range {
    /// The two rarest bytes common to every address in the range, and the index of
    /// the first of them.
    ///
    /// The lowest byte differs for each variable, and the two highest are the same
    /// in most operands of the driver, so the two in the middle are the rarest.
    /// Variables on both sides of a multiple of 256 differ in some bits of the
    /// second byte; if in many, the two highest are used.
    fn rarest_pair(self) -> (BytePair, usize) {
        /// The least number of common bits of the second byte.
        const ENOUGH: u32 = 4;
        let low = self.low.to_le_bytes();
        let same = self.low ^ self.low.wrapping_add(self.span);
        // All above the highest bit that differs.
        let same = u32::MAX.checked_shl(u32::BITS.wrapping_sub(same.leading_zeros()));
        let [_, same, third_same, _] = same.unwrap_or(0).to_le_bytes();
        let [_, second, third, fourth] = low;
        if same.count_ones() >= ENOUGH {
            (BytePair::new(second, third, same), 1)
        } else {
            (BytePair::new(third, fourth, third_same), 2)
        }
    }

    /// Visits every place in code where one of the addresses may lie, in order.
    #[inline]
    fn for_each_match(
        self,
        simd: bool,
        code: &[u8],
        scan: &mut ByteScan,
        steps: &mut StepCount,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if SIMD && simd {
            let (two, place) = self.rarest_pair();
            return two.for_each_match(code, steps, |at| visit(at.wrapping_sub(place)));
        }
        *scan = ByteScan::NOTHING;
        for beyond in 0..=self.span {
            scan.add(self.low.wrapping_add(beyond).to_le_bytes());
        }
        scan.for_each_match(code, steps, visit)
    }
}

impl Search<'_> {
    /// On x86 an operand is the variable's address, four bytes anywhere in code.
    fn absolute(&self, scan: &mut ByteScan, steps: &mut StepCount, found: &mut References) {
        let (threshold, count) = (self.pair.threshold, self.pair.count);
        let Some(lowest) = threshold.min(count).0.checked_sub(4) else {
            return;
        };
        let base = self.image.base();
        let addresses = (address(base, lowest), address(base, threshold.max(count).0));
        let (Some(low), Some(high)) = addresses else {
            return;
        };
        let range = Range {
            low,
            span: high.wrapping_sub(low),
        };
        if range.span > NARROW {
            self.absolute_anywhere(range, steps, found);
        } else {
            self.absolute_narrow(range, scan, steps, found);
        }
    }

    // One scan per function, to save stack: two would take twice as much.
    #[inline(never)]
    fn absolute_anywhere(&self, range: Range, steps: &mut StepCount, found: &mut References) {
        steps.add(self.code.len());
        for offset in 0..self.code.len() {
            self.try_absolute(offset, range, found);
        }
    }

    #[inline(never)]
    fn absolute_narrow(
        &self,
        range: Range,
        scan: &mut ByteScan,
        steps: &mut StepCount,
        found: &mut References,
    ) {
        let ended = range.for_each_match(self.simd, self.code, scan, steps, |at| {
            self.try_absolute(at, range, found);
            ControlFlow::Continue(())
        });
        debug_assert!(ended.is_continue());
    }

    /// Rejects nearly every place.
    #[inline]
    fn try_absolute(&self, offset: usize, range: Range, found: &mut References) {
        let Some(value) = dword(self.code, offset) else {
            return;
        };
        if value.wrapping_sub(range.low) <= range.span {
            self.examine_absolute(offset, value, found);
        }
    }

    #[inline(never)]
    fn examine_absolute(&self, offset: usize, value: u32, found: &mut References) {
        if let Some(named) = self.image.rva_of(u64::from(value)) {
            let used = operand::classify(Arch::X86, self.code, offset);
            self.record(named, offset, &used, found);
        }
    }

    /// On x64 an operand is the variable's distance from the next instruction,
    /// after a ModRM byte that selects this form.
    fn relative(&self, steps: &mut StepCount, found: &mut References) {
        let (threshold, count) = (self.pair.threshold, self.pair.count);
        let range = Range {
            low: threshold.min(count).0.wrapping_sub(4),
            span: threshold.distance(count).saturating_add(4),
        };
        if range.span > NARROW {
            self.relative_anywhere(range, steps, found);
        } else {
            self.relative_by_windows(range, steps, found);
        }
    }

    #[inline(never)]
    fn relative_anywhere(&self, range: Range, steps: &mut StepCount, found: &mut References) {
        steps.add(self.code.len());
        for modrm in 0..self.code.len() {
            self.try_relative(modrm, range, found);
        }
    }

    #[inline(never)]
    fn relative_by_windows(&self, range: Range, steps: &mut StepCount, found: &mut References) {
        for window in DisplacementWindow::all(self.start, self.code.len(), range.low, range.span) {
            window.for_each_match(self.code, steps, |place| {
                self.try_relative(place, range, found);
            });
        }
    }

    /// Rejects nearly every place.
    #[inline]
    fn try_relative(&self, place: usize, range: Range, found: &mut References) {
        if let Some(&[modrm, a, b, c, d]) = self.code.get(place..).and_then(<[u8]>::first_chunk)
            && operand::is_direct(modrm)
            && let Some(at) = self.rva(place)
        {
            // An immediate of up to 4 bytes may follow the operand.
            let end = at.0.wrapping_add(5);
            let nearest = end.wrapping_add(u32::from_le_bytes([a, b, c, d]));
            if nearest.wrapping_sub(range.low).wrapping_add(4) <= range.span.saturating_add(4) {
                self.examine_relative(place.wrapping_add(1), nearest, found);
            }
        }
    }

    #[inline(never)]
    fn examine_relative(&self, offset: usize, nearest: u32, found: &mut References) {
        let used = operand::classify(Arch::X64, self.code, offset);
        let with = |immediate| Rva(nearest.wrapping_add(immediate));
        let named = with(used.immediate);
        let is_limit = |&named: &Rva| self.variable(named) == Some(Variable::Threshold);
        let limit = used.others.map(with).into_iter().find(is_limit);
        // Another reading counts if it names the limit.
        let unsure = used.doubtful || self.variable(named).is_none();
        let named = limit.filter(|_| unsure).unwrap_or(named);
        self.record(named, offset, &used, found);
    }

    fn rva(&self, offset: usize) -> Option<Rva> {
        self.start.plus(u32::try_from(offset).ok()?)
    }

    fn variable(&self, named: Rva) -> Option<Variable> {
        // A byte or word of the limit counts as well.
        if named
            .minus(self.pair.threshold.0)
            .is_some_and(|part| part.0 < 4)
        {
            Some(Variable::Threshold)
        } else if named == self.pair.count {
            Some(Variable::Count)
        } else if Some(named) == self.pair.queue() {
            Some(Variable::Queue)
        } else {
            None
        }
    }

    /// Records an operand that names one of the variables and belongs to no gate.
    fn record(&self, named: Rva, offset: usize, used: &Use, found: &mut References) {
        let (Some(variable), Some(at)) = (self.variable(named), self.rva(offset)) else {
            return;
        };
        let mut gates = self.gates.iter().flatten();
        if gates.any(|gate| gate.operands().contains(&at)) {
            return;
        }
        match variable {
            Variable::Queue => {
                let free = found.queue_tests.iter_mut().find(|test| test.is_none());
                if let Some(free) = free
                    && self.is_test(offset, used)
                    && is_near(self.gates, at)
                {
                    *free = Some(at);
                }
            }
            Variable::Count => {
                if self.is_locked(offset, used) {
                    found.atomic_updates = found.atomic_updates.saturating_add(1);
                    found.first_atomic.get_or_insert(at);
                    found.count_relocated(self.image, at);
                } else if matches!(used.access, Access::Load(_)) {
                    found.loader.get_or_insert(at);
                }
            }
            Variable::Threshold => {
                let place = if self.is_locked(offset, used) {
                    &mut found.locked
                } else if matches!(used.access, Access::Write | Access::Update) {
                    &mut found.writer
                } else {
                    &mut found.reader
                };
                place.get_or_insert(at);
            }
        }
    }

    /// Whether a locked instruction updates the operand at `offset`, directly or
    /// through a register just loaded with its address.
    fn is_locked(&self, offset: usize, used: &Use) -> bool {
        match used.access {
            Access::Locked => true,
            // A loop, to save stack: `any` would be a separate function.
            Access::Address(register) => {
                let next = next(offset, used);
                for at in next..next.wrapping_add(SOON).wrapping_add(1) {
                    if operand::is_locked_through(self.image.arch(), self.code, at, register) {
                        return true;
                    }
                }
                false
            }
            _ => false,
        }
    }

    /// Whether it is compared or tested, directly or by the instruction after its
    /// load.
    fn is_test(&self, offset: usize, used: &Use) -> bool {
        match used.access {
            Access::Compare => true,
            // The prefix that selects an upper register may also be the last byte
            // of the previous instruction.
            Access::Load(register) => [register, register & 7].into_iter().any(|register| {
                let next = next(offset, used);
                operand::is_register_test(self.image.arch(), self.code, next, register)
            }),
            _ => false,
        }
    }
}

/// Whether an operand is relocated, if operands must be.
#[inline(never)]
fn is_relocated(image: &Image<'_>, operand: Rva) -> bool {
    !image.names_relocations() || Relocations::new(image).covers(operand)
}

impl References {
    pub(crate) const NONE: References = References {
        atomic_updates: 0,
        first_atomic: None,
        queue_tests: [None; MAX_TESTS],
        reader: None,
        loader: None,
        writer: None,
        locked: None,
        relocated: Tally { hits: 0, total: 0 },
    };

    /// The test of the queue length for the answer: if operands must be relocated,
    /// one that is, if any.
    pub(crate) fn queue_test(&self, image: &Image<'_>) -> Option<Rva> {
        let mut tests = self.queue_tests.iter().flatten().copied();
        let first = tests.clone().next();
        tests.find(|&test| is_relocated(image, test)).or(first)
    }

    /// Counts an operand that the answer depends on.
    #[inline(never)]
    pub(crate) fn count_relocated(&mut self, image: &Image<'_>, operand: Rva) {
        if image.names_relocations() {
            self.relocated.count(is_relocated(image, operand));
        }
    }

    /// Searches all live code.
    pub(crate) fn collect(
        &mut self,
        image: &Image<'_>,
        simd: bool,
        pair: &Pair,
        gates: &[Option<Gate>],
        scan: &mut ByteScan,
        steps: &mut StepCount,
    ) {
        for (start, code) in image.live_code() {
            let search = Search {
                image,
                simd,
                pair,
                gates,
                code,
                start,
            };
            match image.arch() {
                Arch::X86 => search.absolute(scan, steps, self),
                Arch::X64 => search.relative(steps, self),
            }
        }
    }
}

/// The offset of the instruction behind the one with this operand.
fn next(offset: usize, used: &Use) -> usize {
    let immediate = usize::try_from(used.immediate).unwrap_or(0);
    offset.wrapping_add(4).wrapping_add(immediate)
}

/// Whether a place is near a gate or its jump's target: a profile-split driver may
/// have the queue test at either.
fn is_near(gates: &[Option<Gate>], at: Rva) -> bool {
    gates
        .iter()
        .flatten()
        .any(|gate| at.distance(gate.at()) <= NEAR || at.distance(gate.target()) <= NEAR)
}

fn address(base: u64, rva: u32) -> Option<u32> {
    u32::try_from(base.checked_add(u64::from(rva))?).ok()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::step_count::testing::matches;
    use std::vec::Vec;

    /// The places in `code` that the search examines, for variables from `low` on.
    fn examined(simd: bool, code: &[u8], low: u32, span: u32) -> Vec<usize> {
        let (range, mut scan) = (Range { low, span }, ByteScan::NOTHING);
        matches(|steps, visit| range.for_each_match(simd, code, &mut scan, steps, visit))
    }

    #[test]
    fn an_address_on_either_side_of_a_boundary_is_examined() {
        for boundary in [
            0x100_u32,
            0x200,
            0x8000,
            0x8100,
            0x1_0000,
            0xF7A8_0500,
            0xF7A8_8000,
            0xF7A9_0000,
            0xF800_0000,
            0x100_0000,
            0x8000_0000,
            0xFFFF_FF00,
            0,
        ] {
            for before in 0..40 {
                let low = boundary.wrapping_sub(before);
                // Wide ranges are slow, but tested as well.
                for span in [8, 11, NARROW, NARROW + 40] {
                    for part in 0..=span {
                        let mut code = [0x90; 40];
                        let address = low.wrapping_add(part).to_le_bytes();
                        if let Some(place) = code.get_mut(9..13) {
                            place.copy_from_slice(&address);
                        }
                        for simd in [false, true] {
                            assert!(
                                examined(simd, &code, low, span).contains(&9),
                                "{low:X} + {part:X} of {span:X}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn few_other_places_are_examined() {
        let others = [
            // Other variables of the driver, and its strings.
            0x5_0304_u32,
            0x5_0510,
            0x4_F280,
            0x6_049C,
            0x5_1400,
        ];
        for other in others {
            let mut code = [0x90; 64];
            if let Some(place) = code.get_mut(9..13) {
                place.copy_from_slice(&other.to_le_bytes());
            }
            for simd in [false, true] {
                assert_eq!(
                    examined(simd, &code, 0x5_0498, 8),
                    Vec::<usize>::new(),
                    "{other:X}"
                );
            }
        }
    }

    /// Otherwise comparing the answers of both would prove nothing.
    #[test]
    #[cfg(any(target_feature = "sse2", target_feature = "neon"))]
    fn only_simd_takes_two_bytes_for_four() {
        let mut code = [0x90; 64];
        if let Some(place) = code.get_mut(9..13) {
            place.copy_from_slice(&[0x77, 0x04, 0x05, 0x77]);
        }
        assert_eq!(examined(true, &code, 0x5_0498, 8), [9]);
        assert_eq!(examined(false, &code, 0x5_0498, 8), Vec::<usize>::new());
    }
}
