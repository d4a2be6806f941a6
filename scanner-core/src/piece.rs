//! Where in code a distance to nearby variables looks how.
//!
//! On x64 an operand is the distance from the next instruction to a variable.
//! For one variable that is another number at every place, but from a piece of
//! code of a kibibyte all these numbers share their upper 22 bits. So each
//! piece is scanned for ModRM bytes whose distance has the right upper bits in
//! its second byte, which few others have.

use crate::rva::Rva;

/// Distances in one piece agree in all but so many low bits.
const BITS: u32 = 10;
/// From a ModRM byte to the end of its instruction, without an immediate.
const REST: i64 = 5;
/// The longest immediate behind an operand, in bytes.
const IMMEDIATE: i64 = 4;

/// A piece of code, and how distances in it look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins in the code.
    pub(crate) from: usize,
    /// Where it ends; the last bytes are the next piece's as well.
    pub(crate) to: usize,
    /// What the second byte of a distance is in the bits of [`Piece::MASK`].
    pub(crate) second: u8,
}

impl Piece {
    /// The second byte comes so far behind the ModRM byte.
    pub(crate) const SECOND: usize = 2;
    /// The bits of the second byte that are the same in the whole piece.
    pub(crate) const MASK: u8 = 0xFC;
}

/// The pieces of some code, each distance in just one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    length: i64,
    /// The smallest distance to a variable that an instruction can have whose
    /// ModRM byte is the first byte of the code.
    nearest: i64,
    /// How much greater the greatest is.
    spread: i64,
    /// Upper bits of the distances in the next piece.
    upper: i64,
}

impl Pieces {
    /// The pieces of `length` bytes of code at `start`, for the variables in
    /// the `span` bytes from `low` on.
    pub(crate) fn of(start: Rva, length: usize, low: u32, span: u32) -> Pieces {
        let nearest = i64::from(low)
            .wrapping_sub(i64::from(start.0))
            .wrapping_sub(REST)
            .wrapping_sub(IMMEDIATE);
        let spread = i64::from(span).wrapping_add(IMMEDIATE);
        Pieces {
            length: i64::try_from(length).unwrap_or(i64::MAX),
            nearest,
            spread,
            upper: nearest.wrapping_add(spread) >> BITS,
        }
    }

    /// The offset that an instruction has whose smallest distance is this.
    fn offset(&self, distance: i64) -> i64 {
        self.nearest.wrapping_sub(distance)
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let least = self.upper << BITS;
        let greatest = self.upper.wrapping_add(1) << BITS;
        self.upper = self.upper.wrapping_sub(1);
        // Distances shrink as offsets grow.
        let first = self.offset(greatest).wrapping_add(1).max(0);
        let last = self.offset(least).wrapping_add(self.spread);
        if first >= self.length {
            return None;
        }
        // The second byte of the last distance belongs to the piece.
        let ahead = i64::try_from(Piece::SECOND).unwrap_or(0);
        let end = last.wrapping_add(1).wrapping_add(ahead).min(self.length);
        let [_, second, ..] = least.to_le_bytes();
        Some(Piece {
            from: usize::try_from(first).ok()?,
            to: usize::try_from(end).ok()?,
            second,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_is_in_one_piece_and_looks_as_the_piece_says() {
        const LENGTH: usize = 0x3000;
        let holders = |start: u32, low: u32, offset: usize, distance: u32| {
            let [_, second, ..] = distance.to_le_bytes();
            Pieces::of(Rva(start), LENGTH, low, 8)
                .filter(|piece| {
                    let whole = piece.from <= offset && offset + Piece::SECOND < piece.to;
                    whole && second & Piece::MASK == piece.second
                })
                .count()
        };
        for (start, low) in [
            (0x1000_u32, 0x8_8000_u32),
            (0x9_0000, 0x300),
            (0x1000, 0x2004),
        ] {
            for (offset, place) in (0..LENGTH - Piece::SECOND).zip(start..).step_by(3) {
                for aim in 0..=8 {
                    for immediate in 0..=4_u32 {
                        let distance = (low + aim).wrapping_sub(place + 5 + immediate);
                        assert_eq!(holders(start, low, offset, distance), 1);
                    }
                }
            }
        }
    }
}
