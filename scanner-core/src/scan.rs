//! The one loop that every byte of code passes through.
//!
//! It looks at a machine word of code at a time and asks, with a handful of
//! integer operations, whether any byte in it may be of interest; only then is
//! it looked at closely. No SIMD: a driver could not use it.

/// A word of code, one byte a lane.
type Word = usize;

const LANES: usize = size_of::<Word>();
/// Words tested at once before the loop branches.
const WORDS: usize = 4;
const BLOCK: usize = LANES * WORDS;
const LOW: Word = Word::from_ne_bytes([0x01; LANES]);
const HIGH: Word = Word::from_ne_bytes([0x80; LANES]);

/// How much work a search did: one step for each byte passed over by a scan
/// and one for each place looked at closely. Tests bound it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort(u64);

impl Effort {
    /// Steps so far.
    #[must_use]
    pub fn steps(self) -> u64 {
        self.0
    }

    pub(crate) fn add(&mut self, steps: usize) {
        self.0 = self
            .0
            .saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
    }
}

/// What a scan stops at: a byte and, for some, another a few bytes further.
pub(crate) trait Pattern: Copy {
    /// The second byte comes so far behind the first.
    const APART: usize = 0;

    /// Leaves zero just those lanes where `word` holds the first byte and
    /// `ahead` the second.
    fn differ(self, word: Word, ahead: Word) -> Word;

    /// Whether these are the two bytes.
    fn holds(self, byte: u8, ahead: u8) -> bool;
}

/// One certain byte.
#[derive(Clone, Copy)]
pub(crate) struct Byte(pub(crate) u8);

/// The bytes that have these bits where `MASK` has ones.
#[derive(Clone, Copy)]
pub(crate) struct Masked<const MASK: u8>(pub(crate) u8);

/// The one, and `APART` bytes further the other.
#[derive(Clone, Copy)]
pub(crate) struct Then<A, const APART: usize, B>(pub(crate) A, pub(crate) B);

/// Sets the top bit of every zero lane, and perhaps of lanes above one, so that
/// each is looked at again; the lower bits mean nothing. A lane that is zero
/// borrows from its top bit ("Hacker's Delight", 6-1).
#[inline]
fn zero_lanes(word: Word) -> Word {
    word.wrapping_sub(LOW) & !word
}

impl Pattern for Byte {
    #[inline]
    fn differ(self, word: Word, _: Word) -> Word {
        word ^ Word::from_ne_bytes([self.0; LANES])
    }

    #[inline]
    fn holds(self, byte: u8, _: u8) -> bool {
        byte == self.0
    }
}

impl<const MASK: u8> Pattern for Masked<MASK> {
    #[inline]
    fn differ(self, word: Word, _: Word) -> Word {
        let mask = const { Word::from_ne_bytes([MASK; LANES]) };
        (word & mask) ^ Word::from_ne_bytes([self.0; LANES])
    }

    #[inline]
    fn holds(self, byte: u8, _: u8) -> bool {
        byte & MASK == self.0
    }
}

impl<A: Pattern, const APART: usize, B: Pattern> Pattern for Then<A, APART, B> {
    const APART: usize = APART;

    #[inline]
    fn differ(self, word: Word, ahead: Word) -> Word {
        self.0.differ(word, 0) | self.1.differ(ahead, 0)
    }

    #[inline]
    fn holds(self, byte: u8, ahead: u8) -> bool {
        self.0.holds(byte, 0) && self.1.holds(ahead, 0)
    }
}

/// The places in code where a pattern stands, in order.
pub(crate) struct Matches<'a, P> {
    code: &'a [u8],
    /// `code` from where the second byte of the first place would be.
    ahead: &'a [u8],
    pattern: P,
    /// The current block, by its offset.
    block: usize,
    /// Its marked lanes that were not handed out yet.
    marks: [Word; WORDS],
    /// The first of its words that may still have some.
    word: usize,
    effort: &'a mut Effort,
}

impl<'a, P: Pattern> Matches<'a, P> {
    #[inline]
    pub(crate) fn of(code: &'a [u8], pattern: P, effort: &'a mut Effort) -> Self {
        effort.add(code.len());
        let mut matches = Matches {
            code,
            ahead: code.get(P::APART..).unwrap_or_default(),
            pattern,
            block: 0,
            marks: [0; WORDS],
            word: WORDS,
            effort,
        };
        matches.seek(0);
        matches
    }

    /// The marks of a block, if there are any.
    #[inline]
    fn marks_of(&self, block: &[u8; BLOCK], ahead: &[u8; BLOCK]) -> Option<[Word; WORDS]> {
        let (block, _) = block.as_chunks::<LANES>();
        let (ahead, _) = ahead.as_chunks::<LANES>();
        let mut marks = [0; WORDS];
        for ((mark, word), ahead) in marks.iter_mut().zip(block).zip(ahead) {
            let (word, ahead) = (Word::from_le_bytes(*word), Word::from_le_bytes(*ahead));
            *mark = zero_lanes(self.pattern.differ(word, ahead)) & HIGH;
        }
        let any = marks.iter().fold(0, |any, mark| any | mark);
        (any != 0).then_some(marks)
    }

    /// Makes the first block from an offset on that has a mark the current
    /// one; none is left if the current one stays without.
    #[inline]
    fn seek(&mut self, from: usize) {
        let (Some(code), Some(ahead)) = (self.code.get(from..), self.ahead.get(from..)) else {
            return;
        };
        let (blocks, _) = code.as_chunks::<BLOCK>();
        let (ahead_blocks, rest) = ahead.as_chunks::<BLOCK>();
        let mut block = from;
        for (bytes, ahead) in blocks.iter().zip(ahead_blocks) {
            if let Some(marks) = self.marks_of(bytes, ahead) {
                (self.block, self.marks, self.word) = (block, marks, 0);
                return;
            }
            block = block.wrapping_add(BLOCK);
        }
        if let (false, Some(code)) = (rest.is_empty(), self.code.get(block..))
            && let Some(marks) = self.marks_of(&padded(code), &padded(rest))
        {
            (self.block, self.marks, self.word) = (block, marks, 0);
        }
    }
}

impl<P: Pattern> Iterator for Matches<'_, P> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while let Some(marks) = self.marks.get_mut(self.word) {
            if *marks == 0 {
                self.word = self.word.wrapping_add(1);
                if self.word == WORDS {
                    self.seek(self.block.wrapping_add(BLOCK));
                }
                continue;
            }
            let lane = usize::try_from(marks.trailing_zeros() / 8).unwrap_or(0);
            *marks &= marks.wrapping_sub(1);
            let at = self
                .block
                .wrapping_add(self.word.wrapping_mul(LANES))
                .wrapping_add(lane);
            if let (Some(&byte), Some(&ahead)) = (self.code.get(at), self.ahead.get(at))
                && self.pattern.holds(byte, ahead)
            {
                self.effort.add(1);
                return Some(at);
            }
        }
        None
    }
}

/// The first block of `bytes`, with zeros behind the end.
fn padded(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (lane, &byte) in block.iter_mut().zip(bytes) {
        *lane = byte;
    }
    block
}

/// The little-endian dword at `at`, where there are four bytes.
#[inline]
pub(crate) fn dword(code: &[u8], at: usize) -> Option<u32> {
    let bytes = code.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The byte `back` bytes before `at`.
#[inline]
pub(crate) fn before(code: &[u8], at: usize, back: usize) -> Option<u8> {
    code.get(at.checked_sub(back)?).copied()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn found(code: &[u8], pattern: impl Pattern) -> Vec<usize> {
        Matches::of(code, pattern, &mut Effort::default()).collect()
    }

    #[test]
    fn matches_are_what_a_plain_loop_finds_at_every_length_and_place() {
        // Bytes that differ by one from what is looked for, the classic trap
        // of the borrow trick, fill the gaps.
        let check = |pattern: fn(&[u8]) -> Vec<usize>, hit: u8, near: u8| {
            for length in 0..100 {
                for step in 1..9 {
                    let every = |i: &usize| i.is_multiple_of(step);
                    let code: Vec<u8> = (0..length)
                        .map(|i| if every(&i) { hit } else { near })
                        .collect();
                    let plain: Vec<usize> = (0..length).filter(every).collect();
                    assert_eq!(pattern(&code), plain);
                }
            }
        };
        check(|code| found(code, Byte(0x82)), 0x82, 0x83);
        check(|code| found(code, Masked::<0xFD>(0x39)), 0x3B, 0x38);
        check(|code| found(code, Masked::<0xC7>(0x05)), 0x3D, 0x04);
    }

    #[test]
    fn both_bytes_of_a_pair_must_be_there() {
        let pattern = Then::<_, 3, _>(Byte(1), Byte(2));
        for place in 0..90 {
            let mut code = [0; 100];
            code[place] = 1;
            assert_eq!(found(&code, pattern), []);
            code[place + 3] = 2;
            assert_eq!(found(&code, pattern), [place]);
            assert_eq!(found(&code[..place + 3], pattern), []);
        }
    }

    #[test]
    fn a_scan_counts_the_bytes_and_the_places() {
        let code = [0x82; 64];
        let mut effort = Effort::default();
        let all = Matches::of(&code, Byte(0x82), &mut effort);
        assert_eq!(all.take(5).last(), Some(4));
        assert_eq!(effort.steps(), 64 + 5);
    }
}
