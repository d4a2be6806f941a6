//! The calls around a gate, which confirm its place.
//!
//! On x64 operands are relative. If code is shifted, gates, updates and tests
//! shift together with the variables that they name, and the other evidence
//! agrees on a wrong place. Two tables outside the code don't shift: the import
//! address table, where calls through pointers land, and the exception table,
//! which has the first byte of each called function.

use core::fmt;
use core::ops::ControlFlow;

use crate::base_check::{CALL, ImportTable, called_through};
use crate::byte_scan::MaskedByte;
use crate::exception::Functions;
use crate::image::Image;
use crate::pair_scan::{BytePair, MaskedPair, PairScan};
use crate::read::dword;
use crate::relocation::Relocations;
use crate::rva::Rva;
use crate::step_count::StepCount;

/// The greatest distance of a counted call from a gate, in bytes.
const REACH: usize = 0x1000;
/// The least number of hits.
const ENOUGH: u16 = 8;

/// The opcode of a direct call; the distance from the next instruction follows.
const DIRECT_CALL: u8 = 0xE8;

/// A number of hits among a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The hits.
    pub hits: u16,
    /// The total.
    pub total: u16,
}

impl Tally {
    pub(crate) fn count(&mut self, hit: bool) {
        self.hits = self.hits.saturating_add(u16::from(hit));
        self.total = self.total.saturating_add(1);
    }

    pub(crate) fn is_whole(self) -> bool {
        self.hits == self.total
    }

    /// Whether the hits are enough, and at least `part` in `whole`.
    fn is_at_least(self, part: u32, whole: u32) -> bool {
        let [hits, total] = [self.hits, self.total].map(u32::from);
        self.hits >= ENOUGH && hits.saturating_mul(whole) >= total.saturating_mul(part)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.hits, self.total)
    }
}

/// The calls within 1000h bytes of a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearbyCalls {
    /// Calls through pointers; hits land on an entry of the import address
    /// table. In a file for x86 their operands are relocated as well.
    pub imports: Tally,
    /// On x64, direct calls into the section; hits reach a function's first
    /// byte.
    pub functions: Tally,
}

impl NearbyCalls {
    pub(crate) const NONE: NearbyCalls = NearbyCalls {
        imports: Tally { hits: 0, total: 0 },
        functions: Tally { hits: 0, total: 0 },
    };

    /// Two in three. Genuine: 81 in 100 or more. If a cluster of the file is of
    /// another build or place, the half of the calls in it does not land: 50 in 100
    /// or less, and almost none after most shifts.
    pub(crate) fn imports_hold(self) -> bool {
        self.imports.is_at_least(2, 3)
    }

    /// One in two. Genuine: 69 in 100 or more; after any shift 30 or less.
    pub(crate) fn functions_hold(self) -> bool {
        self.functions.is_at_least(1, 2)
    }

    /// Counts the calls around a gate.
    #[inline(never)]
    pub(crate) fn survey(
        &mut self,
        image: &Image<'_>,
        functions: Option<Functions<'_>>,
        gate: Rva,
        steps: &mut StepCount,
    ) {
        *self = NearbyCalls::NONE;
        let Some(window) = Window::around(image, gate) else {
            return;
        };
        window.through_pointers(&mut self.imports, steps);
        if let Some(functions) = functions {
            window.direct(functions, &mut self.functions, steps);
        }
    }
}

/// The code in which calls are counted.
struct Window<'a> {
    image: &'a Image<'a>,
    /// The gate's section.
    section: Rva,
    code: &'a [u8],
    /// The offset of its first byte in the section.
    first: usize,
    /// The offset behind the last first byte of a call.
    end: usize,
}

impl<'a> Window<'a> {
    fn around(image: &'a Image<'a>, gate: Rva) -> Option<Window<'a>> {
        let (section, code) = image.live_code().find(|(start, code)| {
            usize::try_from(gate.distance(*start))
                .is_ok_and(|offset| *start <= gate && offset < code.len())
        })?;
        let offset = usize::try_from(gate.minus(section.0)?.0).ok()?;
        Some(Window {
            image,
            section,
            code,
            first: offset.saturating_sub(REACH),
            end: offset
                .saturating_add(REACH)
                .saturating_add(1)
                .min(code.len()),
        })
    }

    /// The window and `more` bytes behind it.
    fn bytes(&self, more: usize) -> &'a [u8] {
        let end = self.end.saturating_add(more).min(self.code.len());
        self.code.get(self.first..end).unwrap_or_default()
    }

    fn through_pointers(&self, tally: &mut Tally, steps: &mut StepCount) {
        let table = ImportTable::new(self.image);
        let relocations = self.relocations();
        let [first, second] = CALL;
        let ended =
            BytePair::new(first, second, 0xFF).for_each_match(self.bytes(1), steps, |place| {
                let at = self.first.wrapping_add(place);
                if let Some(slot) = called_through(self.image, self.code, self.section, at) {
                    let lands = slot
                        .zip(table.as_ref())
                        .is_some_and(|(slot, table)| table.contains(slot));
                    tally.count(lands && self.is_relocated(relocations.as_ref(), at));
                }
                ControlFlow::Continue(())
            });
        debug_assert!(ended.is_continue());
    }

    /// In a file for x86, the relocations from the window on.
    fn relocations(&self) -> Option<Relocations<'a>> {
        let first = self.section.plus(u32::try_from(self.first).ok()?)?;
        self.image
            .names_relocations()
            .then(|| Relocations::new(self.image).skip_to(first))
    }

    /// Whether the operand of the call at `at` is relocated, if it must be.
    fn is_relocated(&self, relocations: Option<&Relocations<'_>>, at: usize) -> bool {
        let Some(relocations) = relocations else {
            return true;
        };
        u32::try_from(at)
            .ok()
            .and_then(|at| self.section.plus(at)?.plus(2))
            .is_some_and(|operand| relocations.covers(operand))
    }

    fn direct(&self, functions: Functions<'_>, tally: &mut Tally, steps: &mut StepCount) {
        let call = MaskedPair::new(MaskedByte::exactly(DIRECT_CALL), MaskedByte::ANY);
        let ended = call.for_each_match(self.bytes(1), steps, |place| {
            if let Some(called) = self.called(self.first.wrapping_add(place)) {
                tally.count(functions.begin_at(called));
            }
            ControlFlow::Continue(())
        });
        debug_assert!(ended.is_continue());
    }

    /// The target of the direct call at `at`, if it lies in the section.
    fn called(&self, at: usize) -> Option<Rva> {
        let operand = at.checked_add(1)?;
        // The search matches 68h too.
        self.code.get(at).filter(|&&byte| byte == DIRECT_CALL)?;
        let next = u32::try_from(operand.checked_add(4)?).ok()?;
        let offset = next.wrapping_add(dword(self.code, operand)?);
        let inside = usize::try_from(offset).is_ok_and(|offset| offset < self.code.len());
        self.section.plus(offset).filter(|_| inside)
    }
}
