//! A search for a few dwords at once, wherever in code they lie.
//!
//! A dword is four bytes long. So only one byte of every four is looked at:
//! wherever it begins, one of its own is among them. A table says of each byte
//! which of a dword's four it may be, and so where that would begin. No SIMD: a
//! driver could not use it.

use crate::effort::Effort;

/// Bytes of a dword.
const DWORD: usize = 4;
/// Bytes that are looked at before the loop branches.
const AT_ONCE: usize = 4;

/// Which of a dword's four each byte may be.
///
/// For each of four bytes that are looked at together it is written down once
/// more, in bits of their own, so that what is found of all of them is in one
/// number: bit `4 * n + 3 - p` says that the n-th may be the one in place p. Of
/// two that begin one after the other the first has the lower bit.
#[derive(Debug)]
pub(crate) struct Dwords([[u16; 256]; AT_ONCE]);

impl Dwords {
    /// Nothing is looked for.
    pub(crate) const NONE: Dwords = Dwords([[0; 256]; AT_ONCE]);

    pub(crate) fn clear(&mut self) {
        *self = Dwords::NONE;
    }

    /// Another one is looked for.
    pub(crate) fn add(&mut self, dword: u32) {
        let mut mark = 1_u16;
        for byte in dword.to_be_bytes() {
            let mut mark_of = mark;
            for marks in &mut self.0 {
                if let Some(marks) = marks.get_mut(usize::from(byte)) {
                    *marks |= mark_of;
                }
                mark_of <<= DWORD;
            }
            mark <<= 1;
        }
    }

    /// Shows every place in code where one of them begins, in order and once;
    /// some other places as well, even some outside, so the caller must look.
    // With a closure, not as an iterator: what must be kept from one byte to
    // the next stays in registers.
    #[inline]
    pub(crate) fn find(&self, code: &[u8], effort: &mut Effort, mut look: impl FnMut(usize)) {
        let (dwords, _) = code.as_chunks::<DWORD>();
        let (blocks, _) = dwords.as_chunks::<AT_ONCE>();
        let mut block = 0_usize;
        for [a, b, c, d] in blocks {
            let mut marks = self.marks([a, b, c, d]);
            while marks != 0 {
                let bit = usize::try_from(marks.trailing_zeros()).unwrap_or(0);
                marks &= marks.wrapping_sub(1);
                look(block.wrapping_add(bit).wrapping_sub(DWORD - 1));
            }
            block = block.wrapping_add(DWORD * AT_ONCE);
        }
        // What is left is no whole block; one may have begun before it.
        for place in block.saturating_sub(DWORD - 1)..code.len() {
            look(place);
        }
        effort.add(code.len());
    }

    /// What the first bytes of these tell.
    #[inline]
    fn marks(&self, bytes: [&[u8; DWORD]; AT_ONCE]) -> u16 {
        // Spelt out: at the driver's level of optimisation a loop stays one.
        let Dwords([first, second, third, fourth]) = self;
        let [[a, ..], [b, ..], [c, ..], [d, ..]] = bytes;
        let marks =
            |table: &[u16; 256], byte: &u8| table.get(usize::from(*byte)).copied().unwrap_or(0);
        marks(first, a) | marks(second, b) | marks(third, c) | marks(fourth, d)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;
    use crate::bytes::dword;
    use std::vec::Vec;

    /// Places that are shown and really hold one of them.
    fn found(code: &[u8], dwords: &[u32]) -> Vec<usize> {
        let mut table = Dwords::NONE;
        dwords.iter().for_each(|&dword| table.add(dword));
        let mut found = Vec::new();
        table.find(code, &mut Effort::default(), |at| {
            if dword(code, at).is_some_and(|dword| dwords.contains(&dword)) {
                found.push(at);
            }
        });
        found
    }

    #[test]
    fn a_dword_anywhere_in_code_of_any_length_is_found_once() {
        for (sought, also) in [(0xF7A4_049C_u32, 0x8000_1082_u32), (0x0707_0707, 7)] {
            for length in 0..70 {
                for start in 0..length {
                    let mut code = std::vec![0x90; length];
                    let end = length.min(start + DWORD);
                    code[start..end].copy_from_slice(&sought.to_le_bytes()[..end - start]);
                    let expected: Vec<_> = (start + DWORD == end)
                        .then_some(start)
                        .into_iter()
                        .collect();
                    assert_eq!(found(&code, &[also, sought]), expected, "{length} {start}");
                }
            }
        }
    }

    #[test]
    fn dwords_that_overlap_come_in_order() {
        let code = [7; 70];
        assert_eq!(found(&code, &[0x0707_0707]), Vec::from_iter(0..67));
    }

    #[test]
    fn where_nothing_speaks_for_one_nothing_is_shown() {
        let mut table = Dwords::NONE;
        table.add(0x8000_1082);
        let shown = |table: &Dwords, code: &[u8]| {
            let mut shown = 0;
            table.find(code, &mut Effort::default(), |_| shown += 1);
            shown
        };
        // In whole blocks; what is left behind them is shown in any case.
        assert_eq!(shown(&table, &[0x90; 64]), 3);
        assert_eq!(shown(&table, &[0x10; 64]), 3 + 16);
        table.clear();
        assert_eq!(shown(&table, &[0x10; 64]), 3);
    }

    #[test]
    fn a_search_counts_the_bytes() {
        let mut effort = Effort::default();
        Dwords::NONE.find(&[0; 77], &mut effort, |_| {});
        assert_eq!(effort.steps(), 77);
    }
}
