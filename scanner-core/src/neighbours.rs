//! A search for two neighbours in code: one byte, and another directly behind
//! it. A block of words at a time, by integer arithmetic, as in `sieve`.

use core::ops::ControlFlow;

use crate::effort::Effort;
use crate::sieve::{Bits, HIGHEST, OTHERS, WORD};

/// Bytes that are looked at before the loop branches: four words.
pub(crate) const BLOCK: usize = 4 * WORD;

/// What is looked for.
pub(crate) trait Neighbours: Copy {
    /// For each byte of a word, in its highest bit, whether the first of the two
    /// does not lie there. The other word begins a byte later.
    fn differ(self, word: usize, next: usize) -> usize;

    /// Shows every place in code where the first of the two lies, in order.
    #[inline]
    fn sift(
        self,
        code: &[u8],
        effort: &mut Effort,
        mut look: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        effort.add(code.len());
        let mut from = 0_usize;
        loop {
            let left = code.get(from..).unwrap_or_default();
            let (before, mut places) = next_block(self, left);
            if places == 0 {
                return ControlFlow::Continue(());
            }
            effort.add(BLOCK);
            let block = from.wrapping_add(before);
            while places != 0 {
                let place = usize::try_from(places.trailing_zeros()).unwrap_or(0);
                places &= places.wrapping_sub(1);
                look(block.wrapping_add(place))?;
            }
            from = block.wrapping_add(BLOCK);
        }
    }
}

/// How many bytes of code lie before the next block with a place in it, and a
/// bit for each place, the lowest for the block's first byte. Where there is no
/// place, there is no bit.
// Apart from what is done at a place, so that all that the loop needs stays in
// registers. Words are spelt out: at the driver's level of optimisation a loop
// over them would stay one.
#[inline(never)]
fn next_block(two: impl Neighbours, code: &[u8]) -> (usize, usize) {
    let differ = |word: &[u8; WORD], next: &[u8; WORD]| {
        two.differ(usize::from_le_bytes(*word), usize::from_le_bytes(*next))
    };
    let (words, _) = code.as_chunks::<WORD>();
    let (nexts, _) = code.get(1..).unwrap_or_default().as_chunks::<WORD>();
    let (blocks, _) = words.as_chunks();
    let mut before = 0_usize;
    for ([a, b, c, d], [e, f, g, h]) in blocks.iter().zip(nexts.as_chunks().0) {
        let [a, b, c, d] = [differ(a, e), differ(b, f), differ(c, g), differ(d, h)];
        if a & b & c & d & HIGHEST != HIGHEST {
            let low = places(a) | places(b) << WORD;
            let high = places(c) | places(d) << WORD;
            return (before, low | high << (2 * WORD));
        }
        before = before.wrapping_add(BLOCK);
    }
    // What is left is no whole block.
    let last = code.get(before..).unwrap_or_default();
    let pairs = last.iter().zip(last.get(1..).unwrap_or_default());
    let places = pairs.rev().fold(0, |later, (&byte, &next)| {
        let differ = two.differ(usize::from(byte), usize::from(next));
        later << 1 | places(differ) & 1
    });
    (before, places)
}

/// A bit for each byte of a word that is without its highest bit.
fn places(differ: usize) -> usize {
    /// Times this, the lowest bits of all bytes are in the highest byte, the
    /// first byte's lowest, and no two meet elsewhere.
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

/// These two, as far as all but the lowest and the highest bit of each tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Two {
    /// In each byte of a word the same.
    first: usize,
    second: usize,
}

impl Two {
    pub(crate) const fn new(first: u8, second: u8) -> Two {
        Two {
            first: usize::from_ne_bytes([first; WORD]),
            second: usize::from_ne_bytes([second; WORD]),
        }
    }
}

impl Neighbours for Two {
    #[inline]
    fn differ(self, word: usize, next: usize) -> usize {
        /// Added to any of these bits, they set the highest, and no byte carries
        /// into the next.
        const MIDDLE: usize = usize::from_ne_bytes([0x7E; WORD]);
        let differences = (word ^ self.first) | (next ^ self.second);
        (differences & MIDDLE).wrapping_add(MIDDLE)
    }
}

/// Two with some bits as said, the lowest bits aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    /// In each byte of a word the same.
    first: usize,
    second: usize,
    /// What both have, moved down by a bit.
    value: usize,
}

impl Alike {
    /// A bit that both must have as said can only be one that is to be 0.
    pub(crate) const fn new(first: Bits, second: Bits) -> Alike {
        const BUT_LOWEST: usize = OTHERS << 1;
        let (first, second) = (first.only(BUT_LOWEST), second.only(BUT_LOWEST));
        let value = first.value | second.value;
        assert!(first.mask & second.mask & value == 0, "one would do");
        Alike {
            first: first.mask,
            second: second.mask,
            value: value >> 1,
        }
    }
}

impl Neighbours for Alike {
    #[inline]
    fn differ(self, word: usize, next: usize) -> usize {
        let bits = (word & self.first) | (next & self.second);
        // Moved to where the lowest bits would be, there is room for the sum's.
        ((bits >> 1) ^ self.value).wrapping_add(OTHERS)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use crate::sieve::tests::codes;
    use std::vec::Vec;

    fn places(two: impl Neighbours, code: &[u8]) -> Vec<usize> {
        let mut places = Vec::new();
        let ended = two.sift(code, &mut Effort::default(), |at| {
            places.push(at);
            ControlFlow::Continue(())
        });
        assert!(ended.is_continue());
        places
    }

    /// Where the two lie, as they are defined.
    fn expected(code: &[u8], is_there: impl Fn(u8, u8) -> bool) -> Vec<usize> {
        let pairs = code.windows(2).enumerate();
        let there = pairs.filter(|(_, pair)| is_there(pair[0], pair[1]));
        there.map(|(at, _)| at).collect()
    }

    #[test]
    fn two_bytes_are_found_wherever_they_are_and_no_others() {
        codes(|code, byte, _| {
            for second in [byte, byte ^ 2, byte ^ 0x40] {
                let there = |one, next| (one ^ byte) & 0x7E == 0 && (next ^ second) & 0x7E == 0;
                let found = places(Two::new(byte, second), code);
                assert_eq!(found, expected(code, there), "{byte:X} {second:X}");
            }
        });
    }

    #[test]
    fn two_alike_are_found_wherever_they_are_and_no_others() {
        codes(|code, byte, mask| {
            // The second has its bits where the first has none, or zeros.
            let (second, value) = (!mask | 0x42, byte & !mask);
            let both = second & mask & (byte | value) & 0xFE;
            let second = second & !both;
            let there =
                |one, next| (one ^ byte) & mask & 0xFE == 0 && (next ^ value) & second & 0xFE == 0;
            let two = Alike::new(Bits::new(mask, byte), Bits::new(second, value));
            assert_eq!(
                places(two, code),
                expected(code, there),
                "{byte:X} {mask:X}"
            );
        });
    }

    #[test]
    fn every_place_of_a_block_can_be_the_only_one() {
        let two = Two::new(0x38, 0x04);
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
    fn a_search_counts_the_bytes_and_the_blocks_and_ends_when_told() {
        let code = [0x82; 2 * BLOCK + 1];
        let mut effort = Effort::default();
        let mut left = BLOCK + 5;
        let ended = Two::new(0x82, 0x82).sift(&code, &mut effort, |at| {
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
        let steps = u64::try_from(code.len() + 2 * BLOCK);
        assert_eq!(Ok(effort.steps()), steps);
    }
}
