//! A search for patterns of four bytes that reads two bytes in three.
//!
//! Wherever a pattern lies, one of its three pairs of adjacent bytes begins at a
//! multiple of three. For each byte, a table has the pairs that can have it as
//! first or second byte. Without SIMD, as in a driver, this is faster than a
//! search by words, for which a 32-bit processor also has too few registers.

use core::ops::ControlFlow;

use crate::step_count::StepCount;

/// Bytes from one probe to the next.
const STRIDE: usize = 3;
/// Bytes between two tests for the end: twelve probes.
const BLOCK: usize = 12 * STRIDE;
/// Parts of a pattern that a probe can match: first, middle and last two bytes.
const PARTS: usize = 3;
/// The bit of each pattern's first part.
const FIRST_PARTS: u8 = 1 | 1 << PARTS;
/// The bits of parts that are followed by another part of the same pattern.
const TWO_PARTS: u8 = 3 | 3 << PARTS;

/// A byte compared under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaskedByte {
    pub(crate) mask: u8,
    pub(crate) value: u8,
}

impl MaskedByte {
    pub(crate) const ANY: MaskedByte = MaskedByte::new(0, 0);

    pub(crate) const fn new(mask: u8, value: u8) -> MaskedByte {
        MaskedByte {
            mask,
            value: value & mask,
        }
    }

    pub(crate) const fn exactly(byte: u8) -> MaskedByte {
        MaskedByte::new(0xFF, byte)
    }

    const fn has(self, byte: u8) -> bool {
        byte & self.mask == self.value
    }
}

/// The tables for two patterns, or for a set. For a set, a match may mix bytes of
/// different patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteScan {
    /// For each byte value, a bit for each part that can begin with it.
    first: [u8; 256],
    second: [u8; 256],
}

impl ByteScan {
    pub(crate) const NOTHING: ByteScan = ByteScan {
        first: [0; 256],
        second: [0; 256],
    };

    /// For two patterns.
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, which would report it"
    )]
    pub(crate) const fn new(patterns: [[MaskedByte; 4]; 2]) -> ByteScan {
        let mut scan = ByteScan::NOTHING;
        let mut byte = u8::MIN;
        loop {
            let mut bit = 0;
            while bit < 2 * PARTS {
                let (pattern, part) = (patterns[bit / PARTS], bit % PARTS);
                scan.first[byte as usize] |= (pattern[part].has(byte) as u8) << bit;
                scan.second[byte as usize] |= (pattern[part + 1].has(byte) as u8) << bit;
                bit += 1;
            }
            if byte == u8::MAX {
                return scan;
            }
            byte += 1;
        }
    }

    /// Adds a pattern of four bytes.
    pub(crate) fn add(&mut self, pattern: [u8; 4]) {
        let [a, b, c, d] = pattern.map(usize::from);
        for (bit, (first, second)) in [(a, b), (b, c), (c, d)].into_iter().enumerate() {
            if let (Some(first), Some(second)) =
                (self.first.get_mut(first), self.second.get_mut(second))
            {
                *first |= 1 << bit;
                *second |= 1 << bit;
            }
        }
    }

    /// The parts of patterns that two adjacent bytes match.
    #[inline(always)]
    fn parts(&self, first: u8, second: u8) -> u8 {
        let first = self.first.get(usize::from(first));
        let second = self.second.get(usize::from(second));
        first
            .zip(second)
            .map_or(0, |(first, second)| first & second)
    }

    /// Visits every place in code where a pattern lies, in order.
    #[inline]
    pub(crate) fn for_each_match(
        &self,
        code: &[u8],
        steps: &mut StepCount,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        steps.add(code.len());
        let mut from = 0_usize;
        while let Some(place) = self.first_match(code.get(from..).unwrap_or_default()) {
            steps.add(STRIDE);
            let place = from.wrapping_add(place);
            visit(place)?;
            from = place.wrapping_add(1);
        }
        ControlFlow::Continue(())
    }

    /// The place of the first match.
    // Not inlined, so that the loop's variables stay in registers.
    #[inline(never)]
    fn first_match(&self, code: &[u8]) -> Option<usize> {
        let mut rest = code;
        loop {
            let (found, is_candidate) = self.next_candidate(rest);
            let place = code.len().wrapping_sub(found.len()).saturating_sub(1);
            let end = match is_candidate {
                true => place.wrapping_add(PARTS),
                false => code.len(),
            };
            let found_at = (place..end).find(|&place| self.matches_at(code, place));
            if found_at.is_some() || !is_candidate {
                return found_at;
            }
            rest = found.get(STRIDE..)?;
        }
    }

    /// The code from one byte before the first probe that matches two successive
    /// parts of a pattern. Or the unprobed rest, which is less than a block.
    // Probes are written out: at the driver's optimisation level a loop over them
    // is not unrolled.
    #[inline(always)]
    fn next_candidate<'c>(&self, code: &'c [u8]) -> (&'c [u8], bool) {
        let mut rest = code;
        while let Some(block) = rest.first_chunk::<{ BLOCK + 1 }>() {
            macro_rules! check {
                ($($at:literal)*) => {
                    $(
                        let parts = self.parts(block[$at + 1], block[$at + 2]);
                        if parts != 0
                            && let Some(around) = block[$at..].first_chunk()
                            && self.two_parts_match(around, parts)
                        {
                            return (rest.get($at..).unwrap_or_default(), true);
                        }
                    )*
                };
            }
            check!(0 3 6 9 12 15 18 21 24 27 30 33);
            rest = rest.get(BLOCK..).unwrap_or_default();
        }
        (rest, false)
    }

    /// Whether the middle two bytes, which match these parts, and the next byte on
    /// one side match two successive parts.
    #[inline(always)]
    fn two_parts_match(&self, bytes: &[u8; 4], parts: u8) -> bool {
        let &[a, b, c, d] = bytes;
        self.parts(a, b) & parts >> 1 & TWO_PARTS != 0
            || parts & self.parts(c, d) >> 1 & TWO_PARTS != 0
    }

    /// Whether a whole pattern lies at `place`.
    fn matches_at(&self, code: &[u8], place: usize) -> bool {
        let Some(&[a, b, c, d]) = code.get(place..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        let [first, middle, last] = [self.parts(a, b), self.parts(b, c), self.parts(c, d)];
        first & middle >> 1 & last >> 2 & FIRST_PARTS != 0
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use crate::step_count::testing::matches;
    use std::vec::Vec;

    const COMPARE: [MaskedByte; 4] = [
        MaskedByte::ANY,
        MaskedByte::new(0xFD, 0x39),
        MaskedByte::new(0xC7, 0x05),
        MaskedByte::ANY,
    ];
    const EVENT: [u8; 4] = [0x82, 0x10, 0x00, 0x80];

    fn both() -> ByteScan {
        ByteScan::new([COMPARE, EVENT.map(MaskedByte::exactly)])
    }

    fn places(scan: &ByteScan, code: &[u8]) -> Vec<usize> {
        matches(|steps, visit| scan.for_each_match(code, steps, visit))
    }

    /// The places of the patterns, by definition.
    fn expected(patterns: &[[MaskedByte; 4]], code: &[u8]) -> Vec<usize> {
        let is_there = |bytes: &[u8], pattern: &[MaskedByte; 4]| {
            let mut each = pattern.iter().zip(bytes);
            each.all(|(bits, &byte)| bits.has(byte))
        };
        let places = code.windows(4).enumerate();
        let there =
            places.filter(|(_, bytes)| patterns.iter().any(|pattern| is_there(bytes, pattern)));
        there.map(|(place, _)| place).collect()
    }

    /// Bytes of the patterns, some with a bit flipped.
    fn near(length: usize, seed: u32) -> Vec<u8> {
        const OF: [u8; 10] = [0x39, 0x3B, 0x05, 0x3D, 0x82, 0x10, 0x00, 0x80, 0x04, 0x90];
        let mut random = seed;
        let next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, bit, which, choice] = random.to_le_bytes();
            let flip = if bit < 64 { 1 << (bit & 7) } else { 0 };
            OF[usize::from(which ^ choice) % 10] ^ flip
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn only_bits_of_the_mask_count() {
        let compare = MaskedByte::new(0xFD, 0x39);
        let has: Vec<u8> = (0..=u8::MAX).filter(|&byte| compare.has(byte)).collect();
        assert_eq!(has, [0x39, 0x3B]);
        let high = MaskedByte::new(0xF0, 0x35);
        assert!(high.has(0x3F) && !high.has(0x45));
        assert!(MaskedByte::exactly(7).has(7) && !MaskedByte::exactly(7).has(6));
        assert!(MaskedByte::ANY.has(0) && MaskedByte::ANY.has(0xFF));
    }

    #[test]
    fn exactly_the_defined_places_match() {
        let patterns = [COMPARE, EVENT.map(MaskedByte::exactly)];
        let scan = both();
        for (length, seed) in (0..400).chain([5000, 5001, 5002]).zip(1..) {
            let code = near(length, seed);
            assert_eq!(places(&scan, &code), expected(&patterns, &code));
        }
    }

    #[test]
    fn a_pattern_matches_wherever_it_lies() {
        let mut added = ByteScan::NOTHING;
        added.add(EVENT);
        for length in 4..=3 * BLOCK {
            for place in 0..=length - 4 {
                let mut code = std::vec![0x90; length];
                code[place..][..4].copy_from_slice(&EVENT);
                assert_eq!(places(&both(), &code), [place], "{place} of {length}");
                assert_eq!(places(&added, &code), [place], "{place} of {length}");
            }
        }
    }

    /// Two bytes then match more than one part of each.
    #[test]
    fn two_similar_patterns_match_wherever_they_lie() {
        let (a, q) = (MaskedByte::exactly(0x10), MaskedByte::exactly(0x11));
        let scan = ByteScan::new([[a, a, MaskedByte::new(0xFE, 0x10), q]; 2]);
        for bytes in [[0x10, 0x10, 0x10, 0x11], [0x10, 0x10, 0x11, 0x11]] {
            for place in 0..BLOCK {
                let mut code = [0x90; 2 * BLOCK];
                code[place..][..4].copy_from_slice(&bytes);
                assert_eq!(places(&scan, &code), [place], "{bytes:X?}");
            }
        }
    }

    #[test]
    fn added_patterns_join_earlier_ones() {
        let patterns = [[0x98, 0x04, 0x05, 0x00], [0xA0, 0xFF, 0x04, 0x00]];
        let mut scan = ByteScan::NOTHING;
        for pattern in patterns {
            scan.add(pattern);
        }
        for pattern in patterns {
            for place in 0..3 {
                let mut code = [0x90; 8];
                code[place..][..4].copy_from_slice(&pattern);
                assert_eq!(places(&scan, &code), [place]);
            }
        }
        // No byte matches at another byte's place.
        assert_eq!(places(&scan, &[0x98, 0x05, 0x04, 0x00, 0xA0, 0x98]), []);
    }

    #[test]
    fn a_scan_counts_bytes_and_matches_and_stops_on_break() {
        let mut scan = ByteScan::NOTHING;
        scan.add([0x82; 4]);
        let code = [0x82; 100];
        let mut steps = StepCount::default();
        let ended = scan.for_each_match(&code, &mut steps, |at| match at {
            49 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(ended.is_break());
        assert_eq!(steps.get(), 100 + 50 * 3);
    }
}
