//! Base relocations: the dwords of an x86 image that the loader adjusts.

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::headers::Directory;
use crate::image::Image;
use crate::read::dword;
use crate::rva::Rva;

/// `IMAGE_BASE_RELOCATION` (the PE format, "Base Relocation Block").
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BlockHeader {
    page: U32,
    size: U32,
}

const BLOCK_HEADER: u32 = 8;
/// The page size of a block.
const PAGE: u32 = 0x1000;
/// `IMAGE_REL_BASED_HIGHLOW`.
const HIGH_LOW: u32 = 3;
/// `IMAGE_REL_BASED_DIR64`.
const DIR_64: u32 = 10;
/// The number of entries of each block examined to see whether the table fits.
const SAMPLE: usize = 2;

/// The kinds of relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A dword: `IMAGE_REL_BASED_HIGHLOW`.
    HighLow,
    /// A qword: `IMAGE_REL_BASED_DIR64`.
    Dir64,
    /// Padding, or a kind that no driver of the time has.
    Other,
}

/// The relocations of an image in table order. A damaged table ends early.
#[derive(Clone, Debug)]
pub struct Relocations<'a> {
    rest: &'a [u8],
    page: Rva,
    entries: &'a [U16],
}

impl<'a> Relocations<'a> {
    /// The relocations of an image; none if the table is absent or unavailable.
    #[must_use]
    pub fn new(image: &Image<'a>) -> Relocations<'a> {
        let rest = image
            .headers()
            .directory(Directory::Relocation)
            .and_then(|(rva, size)| image.read(rva, size))
            .unwrap_or_default();
        Relocations {
            rest,
            page: Rva(0),
            entries: &[],
        }
    }

    /// Whether the rest of the table is unreadable. After the last entry: whether
    /// the table is damaged.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        !self.entries.is_empty() || self.rest.iter().any(|&byte| byte != 0)
    }

    /// Skips the leading blocks whose places are all more than a page before `at`.
    #[must_use]
    pub(crate) fn skip_to(mut self, at: Rva) -> Relocations<'a> {
        loop {
            let here = self.clone();
            let far = |page: Rva| page.plus(PAGE).is_some_and(|end| end <= at);
            if self.next_block().is_none() || !far(self.page) {
                return here;
            }
        }
    }

    /// Whether the dword at `at` is relocated. Blocks must be in the order of their
    /// pages, as linkers write them.
    #[must_use]
    pub fn covers(&self, at: Rva) -> bool {
        let mut blocks = self.clone();
        while blocks.next_block().is_some() && blocks.page <= at {
            let Some(offset) = at.minus(blocks.page.0).filter(|offset| offset.0 < PAGE) else {
                continue;
            };
            let wanted = HIGH_LOW << 12 | offset.0;
            if blocks
                .entries
                .iter()
                .any(|entry| u32::from(entry.get()) == wanted)
            {
                return true;
            }
        }
        false
    }

    /// Whether the dwords in the table, by a sample of each block, are addresses in
    /// the image. If code and table are of different builds, they are not.
    pub(crate) fn fit(mut self, image: &Image<'_>) -> bool {
        let (mut all, mut inside) = (0_u32, 0_u32);
        while self.next_block().is_some() {
            for entry in self.entries.iter().take(SAMPLE) {
                let Some((place, Kind::HighLow)) = place(self.page, entry) else {
                    continue;
                };
                all = all.saturating_add(1);
                let value = image.read(place, 4).and_then(|bytes| dword(bytes, 0));
                if value.is_some_and(|value| image.rva_of(value.into()).is_some()) {
                    inside = inside.saturating_add(1);
                }
            }
        }
        inside.saturating_mul(16) >= all.saturating_mul(15)
    }

    /// Advances to the next block.
    fn next_block(&mut self) -> Option<()> {
        let (header, body) = BlockHeader::ref_from_prefix(self.rest).ok()?;
        let length = header.size.get().checked_sub(BLOCK_HEADER)?;
        let (entries, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
        self.page = Rva(header.page.get());
        self.entries = <[U16]>::ref_from_bytes(entries).ok()?;
        self.rest = rest;
        Some(())
    }
}

/// Decodes an entry in the block of a page.
fn place(page: Rva, entry: &U16) -> Option<(Rva, Kind)> {
    let entry = u32::from(entry.get());
    let kind = match entry >> 12 {
        HIGH_LOW => Kind::HighLow,
        DIR_64 => Kind::Dir64,
        _ => Kind::Other,
    };
    Some((page.plus(entry & 0xFFF)?, kind))
}

impl Iterator for Relocations<'_> {
    type Item = (Rva, Kind);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((entry, rest)) = self.entries.split_first() {
                self.entries = rest;
                return place(self.page, entry);
            }
            // A block is at least as long as its header, so this terminates.
            self.next_block()?;
        }
    }
}
