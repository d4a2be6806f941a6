//! A search for two adjacent bytes in code. It compares a block of words at a time
//! by integer arithmetic, since a driver can't use SIMD. For programs the compiler
//! vectorises it.

use core::ops::ControlFlow;

use crate::byte_scan::MaskedByte;
use crate::step_count::StepCount;

/// Whether the compiler vectorises a search by words. If not, in a driver, a
/// [`ByteScan`](crate::byte_scan::ByteScan) is faster.
pub(crate) const SIMD: bool = cfg!(any(target_feature = "sse2", target_feature = "neon"));

/// Bytes compared at once.
const WORD: usize = size_of::<usize>();
/// The highest bit of each byte of a word.
const HIGHEST: usize = usize::from_ne_bytes([0x80; WORD]);
/// All other bits of each byte. Added to a byte without its highest bit, they set
/// that bit if any bit was set, and no byte carries into the next.
const OTHERS: usize = !HIGHEST;

/// Bytes compared before the loop branches: four words.
pub(crate) const BLOCK: usize = 4 * WORD;

/// A pair of bytes to search for.
pub(crate) trait PairScan: Copy {
    /// The highest bit of each byte is set where the pair does not begin. `next`
    /// is the word that begins one byte later.
    fn differ(self, word: usize, next: usize) -> usize;

    /// Visits every place in code where the pair begins, in order.
    #[inline]
    fn for_each_match(
        self,
        code: &[u8],
        steps: &mut StepCount,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        steps.add(code.len());
        let mut from = 0_usize;
        loop {
            let left = code.get(from..).unwrap_or_default();
            let (before, mut places) = next_block(self, left);
            if places == 0 {
                return ControlFlow::Continue(());
            }
            steps.add(BLOCK);
            let block = from.wrapping_add(before);
            while places != 0 {
                let place = usize::try_from(places.trailing_zeros()).unwrap_or(0);
                places &= places.wrapping_sub(1);
                visit(block.wrapping_add(place))?;
            }
            from = block.wrapping_add(BLOCK);
        }
    }
}

/// The number of bytes before the next block with a match, and one bit for each
/// match, the lowest for the block's first byte. Without a match no bit is set.
// Not inlined, so that the loop's variables stay in registers. Words are written
// out: at the driver's optimisation level a loop over them is not unrolled.
#[inline(never)]
fn next_block(two: impl PairScan, code: &[u8]) -> (usize, usize) {
    let mut rest = code;
    while let Some(block) = rest.first_chunk() {
        let [a, b, c, d] = differ_in(two, block);
        if a & b & c & d & HIGHEST != HIGHEST {
            let low = places(a) | places(b) << WORD;
            let high = places(c) | places(d) << WORD;
            return (distance(code, rest), low | high << (2 * WORD));
        }
        rest = rest.get(BLOCK..).unwrap_or_default();
    }
    // The rest is less than a block.
    let pairs = rest.iter().zip(rest.get(1..).unwrap_or_default());
    let places = pairs.rev().fold(0, |later, (&byte, &next)| {
        let differ = two.differ(usize::from(byte), usize::from(next));
        later << 1 | places(differ) & 1
    });
    (distance(code, rest), places)
}

/// The number of bytes before the rest.
fn distance(code: &[u8], rest: &[u8]) -> usize {
    code.len().wrapping_sub(rest.len())
}

/// [`PairScan::differ`] for each word of a block.
#[inline(always)]
fn differ_in(two: impl PairScan, block: &[u8; BLOCK + 1]) -> [usize; 4] {
    let (words, _) = block.as_chunks::<WORD>();
    let (nexts, _) = block.get(1..).unwrap_or_default().as_chunks::<WORD>();
    let (Some([a, b, c, d]), Some([e, f, g, h])) = (words.first_chunk(), nexts.first_chunk())
    else {
        return [0; 4];
    };
    let differ = |word: &[u8; WORD], next: &[u8; WORD]| {
        two.differ(usize::from_le_bytes(*word), usize::from_le_bytes(*next))
    };
    [differ(a, e), differ(b, f), differ(c, g), differ(d, h)]
}

/// One bit for each byte of a word whose highest bit is clear.
fn places(differ: usize) -> usize {
    /// Multiplication by this gathers the lowest bits of all bytes in the highest
    /// byte, the first byte's lowest, without carries.
    const GATHER: usize = {
        let mut gather = 0;
        let mut byte = 0;
        while byte < WORD {
            gather |= 1 << (8 * (WORD - 1) - 7 * byte);
            byte += 1;
        }
        gather
    };
    ((!differ & HIGHEST) >> 7).wrapping_mul(GATHER) >> (8 * (WORD - 1))
}

/// Two bytes, compared under one mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BytePair {
    /// Repeated in each byte of a word, as the next field.
    first: usize,
    second: usize,
    /// The compared bits of both: never the highest, which the sum needs.
    mask: usize,
}

impl BytePair {
    pub(crate) const fn new(first: u8, second: u8, mask: u8) -> BytePair {
        BytePair {
            first: usize::from_ne_bytes([first; WORD]),
            second: usize::from_ne_bytes([second; WORD]),
            mask: usize::from_ne_bytes([mask; WORD]) & OTHERS,
        }
    }
}

impl PairScan for BytePair {
    #[inline]
    fn differ(self, word: usize, next: usize) -> usize {
        let differences = (word ^ self.first) | (next ^ self.second);
        (differences & self.mask).wrapping_add(OTHERS)
    }
}

/// Two bytes, each compared under its own mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaskedPair {
    /// Repeated in each byte of a word, as the next field: never the highest bit,
    /// which the sum needs.
    masks: [usize; 2],
    values: [usize; 2],
}

impl MaskedPair {
    pub(crate) const fn new(first: MaskedByte, second: MaskedByte) -> MaskedPair {
        const fn all(byte: u8) -> usize {
            usize::from_ne_bytes([byte; WORD]) & OTHERS
        }
        MaskedPair {
            masks: [all(first.mask), all(second.mask)],
            values: [all(first.value), all(second.value)],
        }
    }
}

impl PairScan for MaskedPair {
    #[inline]
    fn differ(self, word: usize, next: usize) -> usize {
        let ([first, second], [one, other]) = (self.masks, self.values);
        let differences = (word & first ^ one) | (next & second ^ other);
        differences.wrapping_add(OTHERS)
    }
}

/// Either pair.
impl<A: PairScan, B: PairScan> PairScan for (A, B) {
    #[inline]
    fn differ(self, word: usize, next: usize) -> usize {
        self.0.differ(word, next) & self.1.differ(word, next)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use crate::step_count::testing::matches;
    use std::vec::Vec;

    /// Bytes that differ in few bits, for many near misses.
    fn near(byte: u8, length: usize) -> Vec<u8> {
        let mut random = 0x9E37_79B9_u32;
        let flips = [0, 0, 1, 2, 0x40, 0x80, 0x81, 0xFF];
        let next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            byte ^ flips[usize::try_from(random >> 29).unwrap_or(0)]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    /// Calls `check` with code of many lengths, full of bytes near one byte, with
    /// that byte and its mask.
    fn codes(mut check: impl FnMut(&[u8], u8, u8)) {
        for (byte, mask) in [
            (0x39, 0xFD),
            (0x00, 0xFF),
            (0x80, 0xFF),
            (0x7F, 0x7E),
            (1, 1),
        ] {
            let code = near(byte, 3000);
            for (start, end) in (0..200).zip((0..=code.len()).rev().step_by(7)) {
                check(&code[start..end], byte, mask);
            }
        }
    }

    fn places(two: impl PairScan, code: &[u8]) -> Vec<usize> {
        matches(|steps, visit| two.for_each_match(code, steps, visit))
    }

    /// The places of the pair, by definition.
    fn expected(code: &[u8], is_there: impl Fn(u8, u8) -> bool) -> Vec<usize> {
        let pairs = code.windows(2).enumerate();
        let there = pairs.filter(|(_, pair)| is_there(pair[0], pair[1]));
        there.map(|(at, _)| at).collect()
    }

    #[test]
    fn two_bytes_are_found_wherever_they_are_and_no_others() {
        codes(|code, byte, mask| {
            for second in [byte, byte ^ 2, byte ^ 0x40] {
                for bits in [0xFF, 0x7E, 0x71, mask, 0] {
                    let same = |one: u8, other| (one ^ other) & bits & 0x7F == 0;
                    let there = |one, next| same(one, byte) && same(next, second);
                    let found = places(BytePair::new(byte, second, bits), code);
                    assert_eq!(found, expected(code, there), "{byte:X} {second:X} {bits:X}");
                }
            }
        });
    }

    #[test]
    fn some_bits_of_each_or_other_two_are_found_wherever_they_are_and_no_others() {
        codes(|code, byte, mask| {
            let same = |one: u8, other: u8, bits: u8| (one ^ other) & bits & 0x7F == 0;
            let each = MaskedPair::new(
                MaskedByte::new(mask, byte),
                MaskedByte::new(!2, byte ^ 0x40),
            );
            let of_each = |one, next| same(one, byte, mask) && same(next, byte ^ 0x40, !2);
            assert_eq!(places(each, code), expected(code, of_each), "{byte:X}");
            let other = BytePair::new(byte ^ 1, byte, 0xFF);
            let either =
                |one, next| of_each(one, next) || same(one, byte ^ 1, !0) && same(next, byte, !0);
            assert_eq!(
                places((each, other), code),
                expected(code, either),
                "{byte:X}"
            );
        });
    }

    #[test]
    fn every_place_of_a_block_can_be_the_only_one() {
        let two = BytePair::new(0x38, 0x04, 0x7E);
        for length in 0..=3 * BLOCK {
            for place in 0..length {
                let mut code = std::vec![0x90; length];
                code[place] = 0x39;
                let seen = places(two, &code);
                assert_eq!(seen, Vec::new(), "alone at {place} of {length}");
                if let Some(next) = code.get_mut(place + 1) {
                    *next = 0x85;
                    assert_eq!(places(two, &code), [place], "of {length}");
                }
            }
        }
    }

    #[test]
    fn a_scan_counts_bytes_and_blocks_and_stops_on_break() {
        let code = [0x82; 2 * BLOCK + 1];
        let mut steps = StepCount::default();
        let mut left = BLOCK + 5;
        let ended = BytePair::new(0x82, 0x82, 0xFF).for_each_match(&code, &mut steps, |at| {
            left -= 1;
            match left {
                0 => {
                    assert_eq!(at, BLOCK + 4);
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(ended.is_break());
        let expected = u64::try_from(code.len() + 2 * BLOCK);
        assert_eq!(Ok(steps.get()), expected);
    }
}
