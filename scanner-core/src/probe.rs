//! The loop that every byte of code passes under.
//!
//! What is looked for is some bytes long. So only one byte of every few is
//! looked at: wherever it begins, one of its own is among them. A table says
//! of each byte in which of its places that byte may stand, and so where it
//! would begin. No SIMD: a driver could not use it.

use core::ops::ControlFlow;

use crate::effort::Effort;

/// Bytes that are looked at before the loop branches.
const AT_ONCE: usize = 4;
/// Places in what is looked for that a byte may tell.
const PLACES: usize = 4;

/// Where in what is looked for each byte may stand.
///
/// For each of four bytes that are looked at together it is written down once
/// more, in bits of their own, so that what is found of all of them is in one
/// number: bit `4 * n + 3 - p` says that the n-th may be the one in place p, so
/// that what begins first has the lowest bit.
#[derive(Debug)]
pub(crate) struct Table([[u16; 256]; AT_ONCE]);

impl Table {
    /// Nothing is looked for.
    pub(crate) const EMPTY: Table = Table([[0; 256]; AT_ONCE]);

    pub(crate) fn clear(&mut self) {
        *self = Table::EMPTY;
    }

    /// The byte may stand in this place, one of 0 to 3.
    pub(crate) fn mark(&mut self, place: usize, byte: u8) {
        let Some(bit) = PLACES.checked_sub(place.saturating_add(1)) else {
            return;
        };
        let mut mark = 1_u16.unbounded_shl(u32::try_from(bit).unwrap_or(u32::MAX));
        for marks in &mut self.0 {
            if let Some(marks) = marks.get_mut(usize::from(byte)) {
                *marks |= mark;
            }
            mark <<= PLACES;
        }
    }

    /// As [`Table::mark`], for all bytes of a kind.
    pub(crate) fn mark_all(&mut self, place: usize, is_one: impl Fn(u8) -> bool) {
        for byte in u8::MIN..=u8::MAX {
            if is_one(byte) {
                self.mark(place, byte);
            }
        }
    }

    /// Shows the places in code where something may begin, each with the place
    /// in it that tells: one byte of every `STRIDE` tells, and the caller must
    /// look.
    ///
    /// A thing is shown wherever it begins, and once, if the table has as many
    /// places of it as the stride, and each has another remainder by it: 0 and
    /// 1, or 0 and 3, for a stride of 2. So where several things share a table,
    /// each must be looked for only where one of its own places tells.
    // With a closure, not as an iterator: what must be kept from one byte to
    // the next stays in registers.
    #[inline]
    pub(crate) fn probe<const STRIDE: usize>(
        &self,
        code: &[u8],
        effort: &mut Effort,
        mut look: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut looks = 0_usize;
        let ended = self.show::<STRIDE>(code, |start, place| {
            // In a register, where `effort` would not stay.
            looks = looks.wrapping_add(1);
            look(start, place)
        });
        effort.add(code.len());
        effort.add(looks);
        ended
    }

    #[inline]
    fn show<const STRIDE: usize>(
        &self,
        code: &[u8],
        mut look: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (strides, _) = code.as_chunks::<STRIDE>();
        let (blocks, _) = strides.as_chunks::<AT_ONCE>();
        let mut left = blocks.iter();
        loop {
            let mut marks = 0;
            while marks == 0
                && let Some([a, b, c, d]) = left.next()
            {
                marks = self.marks([a.first(), b.first(), c.first(), d.first()]);
            }
            let is_last = marks == 0;
            let done = blocks.len().wrapping_sub(left.len());
            let block = done.wrapping_sub(usize::from(!is_last));
            let block = block.wrapping_mul(STRIDE.wrapping_mul(AT_ONCE));
            if is_last {
                // What is left is no whole block.
                let rest = code.get(block..).unwrap_or_default();
                let byte = |n: usize| rest.get(n.wrapping_mul(STRIDE));
                marks = self.marks([byte(0), byte(1), byte(2), byte(3)]);
            }
            while marks != 0 {
                let bit = usize::try_from(marks.trailing_zeros()).unwrap_or(0);
                marks &= marks.wrapping_sub(1);
                let (stride, bit) = (bit / PLACES, bit % PLACES);
                let place = PLACES.wrapping_sub(1).wrapping_sub(bit);
                let told_at = block.wrapping_add(stride.wrapping_mul(STRIDE));
                if let Some(start) = told_at.checked_sub(place) {
                    look(start, place)?;
                }
            }
            if is_last {
                return ControlFlow::Continue(());
            }
        }
    }

    /// What four bytes tell.
    #[inline]
    fn marks(&self, bytes: [Option<&u8>; AT_ONCE]) -> u16 {
        // Spelt out: at the driver's level of optimisation a loop stays one.
        let [a, b, c, d] = bytes;
        let Table([first, second, third, fourth]) = self;
        let marks = |table: &[u16; 256], byte: Option<&u8>| {
            let marks = byte.and_then(|&byte| table.get(usize::from(byte)));
            marks.copied().unwrap_or(0)
        };
        marks(first, a) | marks(second, b) | marks(third, c) | marks(fourth, d)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn found<const STRIDE: usize>(code: &[u8], table: &Table) -> Vec<usize> {
        let mut found = Vec::new();
        let ended = table.probe::<STRIDE>(code, &mut Effort::default(), |start, _| {
            found.push(start);
            ControlFlow::Continue(())
        });
        assert!(ended.is_continue());
        found
    }

    /// A table for what has these bytes in these places.
    fn table(places: &[(usize, u8)]) -> Table {
        let mut table = Table::EMPTY;
        for &(place, byte) in places {
            table.mark(place, byte);
        }
        table
    }

    #[test]
    fn what_lies_anywhere_in_code_of_any_length_is_found_once() {
        fn check<const STRIDE: usize>(places: &[(usize, u8)]) {
            let table = table(places);
            let last = places.iter().map(|&(place, _)| place).max().unwrap_or(0);
            for length in 0..70 {
                for start in 0..length {
                    let mut code = std::vec![0x90; length];
                    for &(place, byte) in places {
                        if let Some(place) = code.get_mut(start + place) {
                            *place = byte;
                        }
                    }
                    let found = found::<STRIDE>(&code, &table);
                    let times = found.iter().filter(|&&at| at == start).count();
                    // What is cut off by the end may be found, or not.
                    let whole = start + last < length;
                    assert!(times == 1 || (!whole && times == 0), "{length} {start}");
                }
            }
        }
        check::<2>(&[(0, 0x3B), (1, 0x05)]);
        check::<2>(&[(0, 0x82), (3, 0x80)]);
        check::<4>(&[(0, 0x9C), (1, 0x04), (2, 0xA4), (3, 0xF7)]);
        check::<4>(&[(0, 7), (1, 7), (2, 7), (3, 7)]);
    }

    #[test]
    fn where_nothing_speaks_for_it_nothing_is_found() {
        let table = table(&[(0, 0x3B), (1, 0x05)]);
        assert_eq!(found::<2>(&[0x90; 100], &table), []);
        // What would have begun before the code is none.
        assert_eq!(found::<2>(&[5, 0x90, 0x90], &table), []);
        let mut cleared = table;
        cleared.clear();
        assert_eq!(found::<2>(&[0x3B, 5, 0x3B, 5], &cleared), []);
    }

    #[test]
    fn things_of_one_kind_come_in_order() {
        let mut table = Table::EMPTY;
        table.mark_all(0, |byte| byte >= 0x80);
        table.mark_all(1, |byte| byte >= 0x80);
        assert_eq!(found::<2>(&[0x80; 9], &table), Vec::from_iter(0..9));
    }

    #[test]
    fn a_search_counts_the_bytes_and_the_places() {
        let code = [0x82; 64];
        let table = table(&[(0, 0x82), (1, 0x82)]);
        let mut effort = Effort::default();
        let mut left = 5;
        let ended = table.probe::<2>(&code, &mut effort, |start, _| {
            left -= 1;
            match left {
                0 => {
                    assert_eq!(start, 4);
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(ended.is_break());
        assert_eq!(effort.steps(), 64 + 5);
    }
}
