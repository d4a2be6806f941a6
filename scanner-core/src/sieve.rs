//! A search for one byte of code, a word at a time.
//!
//! Integer arithmetic only: a driver could not use SIMD. For programs the
//! compiler makes SIMD of it.

use core::hint::black_box;

use crate::effort::Effort;

/// Bytes that are looked at together.
pub(crate) const WORD: usize = size_of::<usize>();
/// In each byte of a word its highest bit.
pub(crate) const HIGHEST: usize = usize::from_ne_bytes([0x80; WORD]);
/// In each byte of a word all others. Added to a byte without its highest bit,
/// they set that bit if any was set, and no byte carries into the next.
pub(crate) const OTHERS: usize = !HIGHEST;

/// What a byte must be, as far as single bits tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    /// In each byte of a word the same.
    pub(crate) mask: usize,
    pub(crate) value: usize,
}

impl Bits {
    /// A byte with these bits among those of the mask.
    pub(crate) const fn new(mask: u8, value: u8) -> Bits {
        Bits {
            mask: usize::from_ne_bytes([mask; WORD]),
            value: usize::from_ne_bytes([value & mask; WORD]),
        }
    }

    /// This byte alone.
    pub(crate) const fn exactly(byte: u8) -> Bits {
        Bits::new(0xFF, byte)
    }

    /// A byte as this or as the other: and some more, for only the bits that
    /// both agree in are left.
    pub(crate) const fn or(self, other: Bits) -> Bits {
        let mask = self.mask & other.mask & !(self.value ^ other.value);
        let value = self.value & mask;
        Bits { mask, value }
    }

    /// Only these bits of each word.
    pub(crate) const fn only(self, bits: usize) -> Bits {
        Bits {
            mask: self.mask & bits,
            value: self.value & bits,
        }
    }

    fn has(self, byte: u8) -> bool {
        self.differences(usize::from(byte)) & 0xFF == 0
    }

    /// For each byte of a word the bits that it differs in.
    #[inline]
    fn differences(self, word: usize) -> usize {
        (word & self.mask) ^ self.value
    }
}

/// One byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct One(pub(crate) Bits);

impl One {
    /// Shows every place in code where it is, in order.
    #[inline]
    pub(crate) fn sift(self, code: &[u8], effort: &mut Effort, mut look: impl FnMut(usize)) {
        let mut looks = 0_usize;
        let mut from = 0_usize;
        while let Some(found) = self.find(code.get(from..).unwrap_or_default()) {
            let at = from.wrapping_add(found);
            looks = looks.wrapping_add(1);
            look(at);
            from = at.wrapping_add(1);
        }
        effort.add(code.len());
        effort.add(looks);
    }

    /// The first place.
    // Words are spelt out: at the driver's level of optimisation loops would stay
    // loops. And this is apart from what is done at a place, so that all it needs
    // stays in registers; even constants, which would otherwise be loaded again
    // for each word.
    #[inline(never)]
    fn find(self, code: &[u8]) -> Option<usize> {
        /// Words before the loop branches.
        const AT_ONCE: usize = 8;
        let One(bits) = self;
        // Without the highest bit there is room for the sum's: what differs only
        // in that one is sorted out below.
        let (some, others) = black_box((bits.only(OTHERS), OTHERS));
        let differ = |word: &[u8; WORD]| {
            some.differences(usize::from_le_bytes(*word))
                .wrapping_add(others)
        };
        let (words, _) = code.as_chunks::<WORD>();
        let (blocks, _) = words.as_chunks::<AT_ONCE>();
        let mut left = blocks.iter();
        while let Some(block) = left.next() {
            let [a, b, c, d, e, f, g, h] = block;
            let low = differ(a) & differ(b) & differ(c) & differ(d);
            let high = differ(e) & differ(f) & differ(g) & differ(h);
            if low & high & HIGHEST == HIGHEST {
                continue;
            }
            let before = blocks.len().wrapping_sub(left.len()).wrapping_sub(1);
            let mut at = before.wrapping_mul(AT_ONCE * WORD);
            for word in block {
                let differences = bits.differences(usize::from_le_bytes(*word));
                let differ = (differences & OTHERS).wrapping_add(OTHERS) | differences;
                if let Some(place) = first_without(differ) {
                    return Some(at.wrapping_add(place));
                }
                at = at.wrapping_add(WORD);
            }
        }
        let at = blocks.len().wrapping_mul(AT_ONCE * WORD);
        let last = code.get(at..).unwrap_or_default();
        let place = last.iter().position(|&byte| bits.has(byte))?;
        Some(at.wrapping_add(place))
    }
}

/// The first byte of a word without its highest bit.
fn first_without(word: usize) -> Option<usize> {
    let without = !word & HIGHEST;
    let bit = usize::try_from(without.trailing_zeros()).unwrap_or(0);
    (without != 0).then_some(bit / 8)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
pub(crate) mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn places(one: One, code: &[u8]) -> Vec<usize> {
        let mut places = Vec::new();
        one.sift(code, &mut Effort::default(), |at| places.push(at));
        places
    }

    /// Bytes that differ in few bits, so that there is much to be taken for
    /// something else.
    fn near(byte: u8, length: usize) -> Vec<u8> {
        let mut random = 0x9E37_79B9_u32;
        let flips = [0, 0, 1, 2, 0x40, 0x80, 0x81, 0xFF];
        let next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            byte ^ flips[usize::try_from(random >> 29).unwrap_or(0)]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    /// Code of many lengths, full of bytes near one of several, and for each of
    /// them what that byte and its mask are.
    pub(crate) fn codes(mut check: impl FnMut(&[u8], u8, u8)) {
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

    #[test]
    fn one_byte_is_found_wherever_it_is_and_no_other() {
        codes(|code, byte, mask| {
            let there = |&at: &usize| code[at] & mask == byte & mask;
            let expected: Vec<_> = (0..code.len()).filter(there).collect();
            let one = One(Bits::new(mask, byte));
            assert_eq!(places(one, code), expected, "{byte:X} {mask:X}");
        });
    }

    #[test]
    fn of_two_bytes_either_is_taken_and_what_both_agree_in() {
        let both = Bits::exactly(0x39).or(Bits::exactly(0x3B));
        for byte in u8::MIN..=u8::MAX {
            assert_eq!(both.has(byte), matches!(byte, 0x39 | 0x3B), "{byte:X}");
        }
        let more = both.or(Bits::exactly(0x10));
        assert!(
            [0x39, 0x3B, 0x10, 0x11, 0x12]
                .iter()
                .all(|&byte| more.has(byte))
        );
        assert!([0x90, 0x00, 0x14, 0x50].iter().all(|&byte| !more.has(byte)));
        let direct = Bits::new(0xC7, 0x05);
        assert!(direct.or(Bits::exactly(0)).has(0x3D));
        assert!(!direct.or(Bits::exactly(0)).has(0x80));
    }

    #[test]
    fn a_search_counts_the_bytes_and_the_places() {
        let mut effort = Effort::default();
        One(Bits::exactly(0x82)).sift(&[0x82, 0, 0x82], &mut effort, |_| {});
        assert_eq!(effort.steps(), 3 + 2);
    }
}
