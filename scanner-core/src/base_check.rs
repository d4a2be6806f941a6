//! A check of the image base.
//!
//! On x86 operands are absolute. If the base in the header were damaged, all
//! addresses would shift alike and all other evidence would stay consistent: the
//! answer would be a wrong place. So calls through the import address table must
//! confirm the base by landing in it.

use core::ops::ControlFlow;

use crate::headers::Directory;
use crate::image::Image;
use crate::operand;
use crate::pair_scan::{BytePair, PairScan};
use crate::read::dword;
use crate::rva::Rva;
use crate::step_count::StepCount;

/// The most calls examined; genuine drivers have hundreds.
const SAMPLE: u32 = 512;
/// The search ends once this many land in the table.
const PLENTY: u32 = 32;
/// A call through a pointer.
pub(crate) const CALL: [u8; 2] = [0xFF, 0x15];
/// The least number that must land in the table.
const ENOUGH: u32 = 8;

/// Calls through pointers (`FF 15`) examined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BaseCheck {
    /// All of them.
    pub(crate) calls: u32,
    /// Those that land on an entry of the import address table.
    pub(crate) imports: u32,
}

impl BaseCheck {
    /// Whether enough calls, and a large enough part of them, land in the table.
    /// (Drivers call through their own pointers too, some mostly; but with a
    /// wrong base no call would land.)
    pub(crate) fn passes(self) -> bool {
        self.imports >= ENOUGH && self.imports.saturating_mul(8) >= self.calls
    }
}

#[inline(never)]
pub(crate) fn check_base(image: &Image<'_>, steps: &mut StepCount) -> BaseCheck {
    let mut check = BaseCheck::default();
    let Some(imports) = ImportTable::new(image) else {
        return check;
    };
    let [first, second] = CALL;
    let calls = BytePair::new(first, second, 0xFF);
    for (start, code) in image.live_code() {
        let ended = calls.for_each_match(code, steps, |at| {
            if let Some(slot) = called_through(image, code, start, at) {
                check.calls = check.calls.saturating_add(1);
                if slot.is_some_and(|slot| imports.contains(slot)) {
                    check.imports = check.imports.saturating_add(1);
                }
            }
            match check.calls >= SAMPLE || check.imports >= PLENTY {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        if ended.is_break() {
            break;
        }
    }
    check
}

/// The pointer of the call at `at`: `None` if there is no such call, `Some(None)`
/// if the pointer lies outside the image.
pub(crate) fn called_through(
    image: &Image<'_>,
    code: &[u8],
    start: Rva,
    at: usize,
) -> Option<Option<Rva>> {
    if code.get(at..)?.first_chunk() != Some(&CALL) {
        return None;
    }
    let operand = at.checked_add(2)?;
    let value = dword(code, operand)?;
    let next = start.plus(u32::try_from(operand.checked_add(4)?).ok()?)?;
    Some(operand::resolve(image, value, next))
}

/// A sound import address table.
pub(crate) struct ImportTable {
    rva: Rva,
    size: u32,
    pointer: u32,
}

impl ImportTable {
    pub(crate) fn new(image: &Image<'_>) -> Option<ImportTable> {
        let (rva, size) = image.headers().directory(Directory::ImportAddressTable)?;
        let pointer = image.arch().pointer_size();
        let section = image.section_at(rva, size)?;
        (!section.discardable() && rva.0 & 3 == 0).then_some(ImportTable { rva, size, pointer })
    }

    pub(crate) fn contains(&self, slot: Rva) -> bool {
        slot.minus(self.rva.0).is_some_and(|offset| {
            offset
                .plus(self.pointer)
                .is_some_and(|end| end.0 <= self.size)
                && offset.0.checked_rem(self.pointer) == Some(0)
        })
    }
}
