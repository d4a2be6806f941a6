//! Windows of code in which distances to nearby variables share their upper bits.
//!
//! On x64 an operand is the distance from the next instruction to a variable.
//! For one variable it differs at every place, but in a window of 512 bytes of
//! code all but its lowest 9 bits are the same.

use core::ops::ControlFlow;

use crate::pair_scan::{BLOCK, BytePair, PairScan};
use crate::rva::Rva;
use crate::step_count::StepCount;

/// Bits that differ within a window: with more, other variables match too; with
/// fewer, there are many windows.
const LOWER: u32 = 9;
/// From the ModRM byte to the second byte of a distance.
const SECOND: usize = 2;
/// From a ModRM byte to the end of its instruction, without an immediate.
const REST: i64 = 5;
/// The longest immediate behind an operand, in bytes.
const IMMEDIATE: u32 = 4;

/// Distances with the same upper bits, and the code that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DisplacementWindow {
    /// The first place of a ModRM byte that such a distance may follow.
    place: usize,
    /// Bytes of code, counted from the first distance's second byte.
    length: usize,
    /// The first of the distances.
    distance: u32,
}

impl DisplacementWindow {
    /// All windows for operands that name a variable in the `span` bytes from
    /// `low` on, in `length` bytes of code from `start` on. A place near an end
    /// may lie in the next window as well; every distance is in exactly one.
    pub(crate) fn all(
        start: Rva,
        length: usize,
        low: u32,
        span: u32,
    ) -> impl Iterator<Item = DisplacementWindow> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        // The greatest distance and the smallest, each less the place.
        let nearest = i64::from(low)
            .wrapping_sub(i64::from(start.0))
            .wrapping_sub(REST);
        let greatest = nearest.wrapping_add(i64::from(span));
        let smallest = nearest.wrapping_sub(i64::from(IMMEDIATE));
        let first = greatest >> LOWER;
        let last = smallest.wrapping_sub(length) >> LOWER;
        let length = Self::length(span);
        (last..first.wrapping_add(1)).rev().map(move |upper| {
            let distance = upper << LOWER;
            let place = smallest.wrapping_sub(distance | ((1 << LOWER) - 1));
            let [a, b, c, d, ..] = distance.to_le_bytes();
            DisplacementWindow {
                // Clipped at the start of the code.
                place: usize::try_from(place).unwrap_or(0),
                length,
                distance: u32::from_le_bytes([a, b, c, d]),
            }
        })
    }

    /// The length that covers the second and third byte of every distance, in
    /// whole blocks, which are faster than parts. A place beyond the window has
    /// none of its distances.
    fn length(span: u32) -> usize {
        let places = span.saturating_add((1 << LOWER) + IMMEDIATE);
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        let blocks = places.checked_next_multiple_of(BLOCK).unwrap_or(places);
        blocks.saturating_add(1)
    }

    /// Visits every place of a ModRM byte that one of these distances may follow,
    /// by two of its bytes.
    #[inline]
    pub(crate) fn for_each_match(
        &self,
        code: &[u8],
        steps: &mut StepCount,
        mut visit: impl FnMut(usize),
    ) {
        let [_, second, third, _] = self.distance.to_le_bytes();
        let from = self.place.wrapping_add(SECOND);
        let code = code.get(from..).unwrap_or_default();
        let code = code.get(..self.length).unwrap_or(code);
        // The lowest bit of the second byte is one of those that differ.
        let ended = BytePair::new(second, third, !1).for_each_match(code, steps, |at| {
            visit(self.place.wrapping_add(at));
            ControlFlow::Continue(())
        });
        debug_assert!(ended.is_continue());
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// The number of matches at a place, and elsewhere.
    fn count_matches(windows: &[DisplacementWindow], code: &[u8], place: usize) -> (usize, usize) {
        let mut shown = Vec::new();
        for window in windows {
            window.for_each_match(code, &mut StepCount::default(), |at| shown.push(at));
        }
        let (there, elsewhere): (Vec<usize>, _) = shown.into_iter().partition(|&at| at == place);
        (there.len(), elsewhere.len())
    }

    #[test]
    fn every_distance_matches_one_window() {
        for (start, length, low, span) in [
            (0x1000_u32, 0x1234_usize, 0x8_8000_u32, 8),
            (0x1000, 0x3001, 0x1_8000, 8),
            (0x9_0000, 0x2FFF, 0x300, 16),
            (0x1000, 700, 0x2004, 16),
            (0x3_7FF1, 0x1000, 0x3_8417, 12),
            (0x1000, 5, 0x2000, 8),
            (0x1000, 1100, 0x2004, 4),
            (0x1000, 600, 0x2004, 700),
        ] {
            let all: Vec<_> = DisplacementWindow::all(Rva(start), length, low, span).collect();
            let mut code = std::vec![0x90; length];
            for (place, rva) in (0..=length - 5).zip(start..) {
                // Only some of a wide range, which has thousands.
                let step = if span > 16 { 50 } else { 1 };
                for aim in (0..=span).step_by(step) {
                    for immediate in [0, 1, 4] {
                        let distance = (low + aim).wrapping_sub(rva + 5 + immediate);
                        code[place + 1..][..4].copy_from_slice(&distance.to_le_bytes());
                        let (seen, _) = count_matches(&all, &code, place);
                        assert_eq!(seen, 1, "{place:X} {distance:X}");
                    }
                }
                code[place..][..5].fill(0x90);
            }
        }
    }

    #[test]
    fn distances_outside_the_window_do_not_match() {
        let all: Vec<_> = DisplacementWindow::all(Rva(0x1000), 0x4000, 0x4_0000, 8).collect();
        let mut code = std::vec![0x90; 0x4000];
        let distance = 0x4_0000_u32 - (0x1000 + 0x2000 + 5);
        let mut seen = |distance: u32| {
            code[0x2001..][..4].copy_from_slice(&distance.to_le_bytes());
            count_matches(&all, &code, 0x2000)
        };
        assert_eq!(seen(distance), (1, 0));
        assert_eq!(seen(distance ^ 0x200), (0, 0));
        assert_eq!(seen(distance ^ 0x4000), (0, 0));
        assert_eq!(seen(distance ^ 0x2_0000), (0, 0));
    }
}
