//! How the distance to nearby variables looks in a piece of code.
//!
//! On x64 an operand is the distance from the next instruction to a variable.
//! For one variable that is another number at every place, but in a piece of
//! code of 32 KiB its third byte has only two or three values.

use crate::rva::Rva;

/// The length of a piece, in bytes.
pub(crate) const PIECE: u32 = 0x8000;
/// The third byte of a distance comes so far behind the ModRM byte.
pub(crate) const THIRD: usize = 3;

/// From a ModRM byte to the end of its instruction, without an immediate.
const REST: u32 = 5;
/// The longest immediate behind an operand, in bytes.
const IMMEDIATE: u32 = 4;

/// Values of the third byte of every distance from an instruction whose ModRM
/// byte lies in the piece at `piece` to a variable in the `span` bytes from
/// `low` on; some more than once.
pub(crate) fn third_bytes(piece: Rva, low: u32, span: u32) -> impl Iterator<Item = u8> {
    let greatest = low
        .wrapping_add(span)
        .wrapping_sub(piece.0)
        .wrapping_sub(REST);
    let spread = span.wrapping_add(PIECE).wrapping_add(IMMEDIATE);
    let smallest = greatest.wrapping_sub(spread);
    // Whatever has another third byte is a multiple of 10000h further.
    (0..=spread)
        .step_by(0x1_0000)
        .chain([spread])
        .map(move |further| {
            let [_, _, third, _] = smallest.wrapping_add(further).to_le_bytes();
            third
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_in_a_piece_has_one_of_the_bytes() {
        for (piece, low, span) in [
            (0x1000_u32, 0x8_8000_u32, 8),
            (0x1000, 0x1_8000, 8),
            (0x9_0000, 0x300, 8),
            (0x1000, 0x2004, 16),
            (0x3_7FF1, 0x3_F0F7, 12),
        ] {
            let bytes = || third_bytes(Rva(piece), low, span);
            for place in (piece..piece + PIECE).step_by(3) {
                for aim in 0..=span {
                    for immediate in 0..=4_u32 {
                        let distance = (low + aim).wrapping_sub(place + 5 + immediate);
                        let [_, _, third, _] = distance.to_le_bytes();
                        assert!(bytes().any(|byte| byte == third), "{distance:X}");
                    }
                }
            }
            assert!(bytes().count() <= 3, "a piece has few of them");
        }
    }
}
