//! Whether others can read what was compressed.
//!
//! RFC 1951 lets the tree of distances be incomplete where it has just one code
//! (3.2.7), and the packer makes such trees: of a block of zeros, for one.
//! cabextract refuses them, and what Windows does is not known. Such a block is
//! stored as it is instead.

/// The signature of a block that is compressed by MSZIP ([MS-MCI], 2.1).
const SIGNATURE: &[u8] = b"CK";
/// Lengths of codes of lengths come in this order (RFC 1951, 3.2.7).
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
/// The longest code, in bits.
const LONGEST: usize = 15;

/// A data block that holds these bytes as they are.
pub(super) fn stored(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).unwrap_or(u16::MAX);
    let mut block = SIGNATURE.to_vec();
    // The last part, and stored (RFC 1951, 3.2.4).
    block.push(1);
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(plain);
    block
}

/// Whether every tree in a data block is complete, or has no code at all.
pub(super) fn has_whole_trees(block: &[u8]) -> bool {
    let data = block.strip_prefix(SIGNATURE);
    data.is_some_and(|data| Bits { data, at: 0 }.parts().is_some())
}

/// Bits, the lowest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for bit in 0..count {
            let byte = *self.data.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    /// Reads all parts; `None` where a tree is incomplete.
    fn parts(&mut self) -> Option<()> {
        loop {
            let is_last = self.take(1)? == 1;
            match self.take(2)? {
                0 => {
                    self.at = self.at.next_multiple_of(8);
                    let length = self.take(16)?;
                    self.at += 16 + 8 * length;
                }
                1 => {
                    let lengths = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
                    self.symbols(&Tree::of(&lengths)?, &Tree::of(&[5; 32])?)?;
                }
                2 => {
                    let (literals, distances) = self.trees()?;
                    self.symbols(&literals, &distances)?;
                }
                _ => return None,
            }
            if is_last {
                return Some(());
            }
        }
    }

    fn trees(&mut self) -> Option<(Tree, Tree)> {
        let literals = self.take(5)? + 257;
        let distances = self.take(5)? + 1;
        let mut of_lengths = [0; 19];
        for place in ORDER.iter().take(self.take(4)? + 4) {
            *of_lengths.get_mut(*place)? = self.take(3)?;
        }
        let of_lengths = Tree::of(&of_lengths)?;
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, count) = match of_lengths.symbol(self)? {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, count));
        }
        let (literals, distances) = lengths.split_at_checked(literals)?;
        Some((Tree::of(literals)?, Tree::of(distances)?))
    }

    /// Passes over literals and matches, up to the end of the part.
    fn symbols(&mut self, literals: &Tree, distances: &Tree) -> Option<()> {
        loop {
            match literals.symbol(self)? {
                0..256 => continue,
                256 => return Some(()),
                length @ 265..285 => self.take((length - 261) / 4)?,
                _ => 0,
            };
            let distance = distances.symbol(self)?;
            self.take((distance / 2).saturating_sub(1))?;
        }
    }
}

/// A code: how many symbols have each length, and the symbols in order.
struct Tree {
    counts: [usize; LONGEST + 1],
    symbols: Vec<usize>,
}

impl Tree {
    /// `None` where it is neither complete nor empty.
    fn of(lengths: &[usize]) -> Option<Tree> {
        let mut counts = [0; LONGEST + 1];
        let mut symbols: Vec<usize> = (0..lengths.len()).collect();
        symbols.retain(|&symbol| lengths.get(symbol) != Some(&0));
        symbols.sort_by_key(|&symbol| lengths.get(symbol));
        for &symbol in &symbols {
            *counts.get_mut(*lengths.get(symbol)?)? += 1;
        }
        let used = counts.iter().enumerate();
        let used: usize = used
            .map(|(length, count)| count << LONGEST.saturating_sub(length))
            .sum();
        (symbols.is_empty() || used == 1 << LONGEST).then_some(Tree { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for &count in self.counts.get(1..)? {
            code |= bits.take(1)?;
            if code < first + count {
                return self.symbols.get(index + code.checked_sub(first)?).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use verify::cabinet::mszip;

    use super::*;

    #[test]
    fn a_block_with_one_distance_is_found_and_others_are_passed() {
        let zeros = vec![0; 100_000];
        let blocks = mszip(&zeros);
        assert!(blocks.iter().any(|block| !has_whole_trees(block)));
        // Literals, matches of many distances, and what can't be compressed.
        let mut state = 1_u32;
        let mut noise = |mask: u32| -> Vec<u8> {
            let bytes = (0..100_000).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24 & mask).unwrap()
            });
            bytes.collect()
        };
        for mask in [3, 0x3F, 0xFF] {
            for block in mszip(&noise(mask)) {
                assert!(has_whole_trees(&block), "{mask:X}");
            }
        }
        assert!(has_whole_trees(&stored(&noise(0xFF)[..0x8000])));
        assert!(has_whole_trees(&stored(b"")));
    }

    #[test]
    fn any_bytes_have_an_answer() {
        let blocks = mszip(&(0..=250).cycle().take(70_000).collect::<Vec<u8>>());
        for block in &blocks {
            for length in 0..block.len() {
                assert!(!has_whole_trees(&block[..length]));
                for bit in 0..8 {
                    let mut block = block.clone();
                    block[length] ^= 1 << bit;
                    has_whole_trees(&block);
                }
            }
        }
    }
}
