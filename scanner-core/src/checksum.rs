//! The checksum of a PE file.

use crate::headers::Headers;

/// The stated and the computed checksum. Patchers of the time corrected it, so a
/// right checksum does not mean an unmodified file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The checksum in the header; 0 for none.
    pub stated: u32,
    /// The checksum of the file's bytes.
    pub computed: u32,
}

impl Checksum {
    /// Computes the checksum of `file` with these headers: the sum of its
    /// little-endian words with end-around carry, without the checksum field,
    /// plus its length in bytes.
    ///
    /// Source: the PE format, "CheckSum"; ImageHlp's `CheckSumMappedFile`.
    #[must_use]
    pub fn compute(headers: &Headers<'_>, file: &[u8]) -> Checksum {
        let field = headers.checksum_offset();
        let stated = file.get(field..).unwrap_or_default().iter().take(4);
        // Every byte counts by its place in its word, except the field's.
        let own = stated.zip(field & 1..).fold(0_u64, |sum, (&byte, place)| {
            sum.wrapping_add(u64::from(byte) << if place & 1 == 0 { 0 } else { 8 })
        });
        let sum = fold(sum(file).wrapping_sub(own));
        let length = u32::try_from(file.len()).unwrap_or(u32::MAX);
        Checksum {
            stated: headers.checksum(),
            computed: u32::try_from(sum).unwrap_or(0).wrapping_add(length),
        }
    }

    /// Whether the two agree.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.stated == self.computed
    }
}

/// The sum of all words; it would take 2^48 words to wrap.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words = words
        .iter()
        .map(|word| u64::from(u16::from_le_bytes(*word)));
    let last = rest.first().map(|&byte| u64::from(byte));
    words.chain(last).fold(0, u64::wrapping_add)
}

/// Folds the carry until 16 bits are left.
fn fold(sum: u64) -> u64 {
    let mut sum = sum;
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF).wrapping_add(sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carry_is_brought_round_until_sixteen_bits_are_left() {
        for (given, left) in [
            (0, 0),
            (0xFFFF, 0xFFFF),
            (0x1_0000, 1),
            (0x1_FFFE, 0xFFFF),
            (0x1_FFFF, 1),
            (0xFFFF_FFFF_FFFF, 0xFFFF),
        ] {
            assert_eq!(fold(given), left, "{given:X}");
        }
    }
}
