//! Where distances to nearby variables have the same upper bits.
//!
//! On x64 an operand is the distance from the next instruction to a variable.
//! For one variable that is another number at every place, but over a stretch
//! of 512 bytes of code all but its lowest 9 bits stay the same.

use core::ops::Range;

use crate::rva::Rva;
use crate::sieve::{Bits, Two};

/// Bits that differ within a stretch: with more, other variables are near; with
/// fewer, there are many stretches.
const LOWER: u32 = 9;
/// The second byte of a distance comes so far behind the ModRM byte.
pub(crate) const SECOND: usize = 2;
/// From a ModRM byte to the end of its instruction, without an immediate.
const REST: i64 = 5;
/// The longest immediate behind an operand, in bytes.
const IMMEDIATE: i64 = 4;

/// Distances with the same upper bits, and the code that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where in the code a ModRM byte may lie that such a distance follows.
    pub(crate) places: Range<usize>,
    /// The first of the distances.
    distance: u32,
}

impl Stretch {
    /// All of them, for operands that name a variable in the `span` bytes from
    /// `low` on, in `length` bytes of code from `start` on. A place near an end
    /// may lie in the next stretch as well; every distance is one's alone.
    pub(crate) fn all(
        start: Rva,
        length: usize,
        low: u32,
        span: u32,
    ) -> impl Iterator<Item = Stretch> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        // The greatest distance and the smallest, each less the place.
        let nearest = i64::from(low)
            .wrapping_sub(i64::from(start.0))
            .wrapping_sub(REST);
        let greatest = nearest.wrapping_add(i64::from(span));
        let smallest = nearest.wrapping_sub(IMMEDIATE);
        let first = greatest >> LOWER;
        let last = smallest.wrapping_sub(length) >> LOWER;
        (last..=first).rev().map(move |upper| {
            let distance = upper << LOWER;
            let place = |place: i64| usize::try_from(place.clamp(0, length)).unwrap_or(0);
            let from = smallest.wrapping_sub(distance | ((1 << LOWER) - 1));
            let to = greatest.wrapping_sub(distance).wrapping_add(1);
            let [a, b, c, d, ..] = distance.to_le_bytes();
            Stretch {
                places: place(from)..place(to),
                distance: u32::from_le_bytes([a, b, c, d]),
            }
        })
    }

    /// How the second and the third byte of these distances look.
    pub(crate) fn sieve(&self) -> Two {
        let [_, second, third, _] = self.distance.to_le_bytes();
        Two::new(Bits::new(0xFF << (LOWER - 8), second), Bits::exactly(third))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use crate::sieve::Sieve;
    use std::vec::Vec;

    #[test]
    fn every_distance_is_found_in_one_stretch() {
        for (start, length, low, span) in [
            (0x1000_u32, 0x1234_usize, 0x8_8000_u32, 8),
            (0x1000, 0x3001, 0x1_8000, 8),
            (0x9_0000, 0x2FFF, 0x300, 16),
            (0x1000, 700, 0x2004, 16),
            (0x3_7FF1, 0x1000, 0x3_8417, 12),
            (0x1000, 0, 0x2000, 8),
        ] {
            let all: Vec<_> = Stretch::all(Rva(start), length, low, span).collect();
            let places = start..start + u32::try_from(length).unwrap();
            for (at, place) in places.enumerate() {
                for aim in 0..=span {
                    for immediate in [0, 1, 4_u32] {
                        let distance = (low + aim).wrapping_sub(place + 5 + immediate);
                        let [_, bytes @ .., _] = distance.to_le_bytes();
                        let has = |stretch: &&Stretch| {
                            stretch.places.contains(&at) && stretch.sieve().find(&bytes).is_some()
                        };
                        assert_eq!(all.iter().filter(has).count(), 1, "{at:X} {distance:X}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_lies_further_off_is_sifted_out() {
        let mut all = Stretch::all(Rva(0x1000), 0x4000, 0x4_0000, 8);
        let stretch = all.next().unwrap();
        let [_, second, third, _] = stretch.distance.to_le_bytes();
        assert_eq!(stretch.sieve().find(&[second ^ 2, third]), None);
        assert_eq!(stretch.sieve().find(&[second, third ^ 2]), None);
        assert_eq!(stretch.sieve().find(&[second ^ 1, third]), Some(0));
    }
}
