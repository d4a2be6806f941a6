//! The data blocks of a cabinet, and their checksums.

use std::ops::Range;

/// Size of the header of a data block, in bytes ([MS-CAB], CFDATA).
pub(super) const BLOCK_HEADER: usize = 8;

/// A data block ([MS-CAB], CFDATA).
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// Its reserved bytes.
    pub(super) reserved: &'a [u8],
    /// The compressed data.
    pub(super) data: &'a [u8],
    /// Its decompressed size in bytes.
    pub(super) size: u16,
    /// Offset of its end in the file.
    pub(super) end: usize,
}

impl<'a> Block<'a> {
    /// The block at an offset; `None` if the file ends before the block does.
    pub(super) fn at(file: &'a [u8], at: usize, reserve: usize) -> Option<Block<'a>> {
        let header: &[u8; BLOCK_HEADER] = file.get(at..)?.first_chunk()?;
        let [.., a, b, c, d] = *header;
        let (length, size) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let start = at.checked_add(BLOCK_HEADER)?.checked_add(reserve)?;
        let end = start.checked_add(length.into())?;
        Some(Block {
            reserved: file.get(start.checked_sub(reserve)?..start)?,
            data: file.get(start..end)?,
            size,
            end,
        })
    }

    /// A block of this data, with its decompressed size; `None` if either is too long.
    pub(super) fn of(data: &'a [u8], size: usize) -> Option<Block<'a>> {
        u16::try_from(data.len()).ok()?;
        Some(Block {
            reserved: &[],
            data,
            size: u16::try_from(size).ok()?,
            end: BLOCK_HEADER + data.len(),
        })
    }

    /// Appends the block with its checksum.
    pub(super) fn append_to(&self, blocks: &mut Vec<u8>, without_reserve: bool) {
        blocks.extend(self.checksum(without_reserve).to_le_bytes());
        blocks.extend(self.sizes());
        blocks.extend(self.reserved);
        blocks.extend(self.data);
    }

    /// Its two sizes, as in the header.
    fn sizes(&self) -> [u8; 4] {
        let length = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        let ([a, b], [c, d]) = (length.to_le_bytes(), self.size.to_le_bytes());
        [a, b, c, d]
    }

    /// The checksum of its data, then of its sizes and reserved bytes. [MS-CAB] includes the
    /// reserved bytes; some programs leave them out.
    pub(super) fn checksum(&self, without_reserve: bool) -> u32 {
        let reserved = match without_reserve {
            true => &[],
            false => self.reserved,
        };
        checksum(self.data) ^ checksum(&[&self.sizes(), reserved].concat())
    }
}

/// The checksum of these bytes ([MS-CAB], "Checksum method").
fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let sum = words
        .iter()
        .fold(0, |sum, &word| sum ^ u32::from_le_bytes(word));
    // The first leftover byte is the most significant.
    sum ^ rest
        .iter()
        .fold(0, |word, &byte| word << 8 | u32::from(byte))
}

/// A range of bytes; empty if it is out of bounds.
pub(super) fn bytes(file: &[u8], range: Range<usize>) -> &[u8] {
    file.get(range).unwrap_or_default()
}

pub(super) fn dword(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftover_bytes_count_in_reverse_order() {
        assert_eq!(checksum(&[1, 0, 0, 0, 2, 0, 0, 0x80]) ^ 4, 0x8000_0007);
        assert_eq!(checksum(&[0x12, 0x34, 0x56]), 0x0012_3456);
        assert_eq!(checksum(&[0, 0, 0, 0, 0x12]), 0x12);
        assert_eq!(checksum(&[]), 0);
    }

    /// The only block of the example cabinet in [MS-CAB].
    #[test]
    fn the_example_of_the_specification_has_the_checksum_that_it_states() {
        let data = b"#include <stdio.h>\r\n\r\nvoid main(void)\r\n{\r\n    \
            printf(\"Hello, world!\\n\");\r\n}\r\n\
            #include <stdio.h>\r\n\r\nvoid main(void)\r\n{\r\n    \
            printf(\"Welcome!\\n\");\r\n}\r\n\r\n";
        let mut file = vec![0, 0, 0, 0, 0x97, 0, 0x97, 0];
        file.extend(data);
        let block = Block::at(&file, 0, 0).unwrap();
        assert_eq!(block.checksum(false), 0x30A6_5ABD);
        assert_eq!((block.end, block.sizes()), (file.len(), [0x97, 0, 0x97, 0]));
        for cut in 0..file.len() {
            assert!(Block::at(&file[..cut], 0, 0).is_none(), "{cut}");
        }
    }

    #[test]
    fn reserved_bytes_count_unless_left_out() {
        let file = [0, 0, 0, 0, 1, 0, 1, 0, 0x10, 0x20, 0x30, 0x40, 0x50, 7];
        let block = Block::at(&file, 0, 5).unwrap();
        assert_eq!((block.reserved, block.data), (&file[8..13], &[7][..]));
        assert_eq!(block.checksum(true), 0x0001_0001 ^ 7);
        assert_eq!(block.checksum(false), 0x0001_0001 ^ 7 ^ 0x4030_2010 ^ 0x50);
    }
}
