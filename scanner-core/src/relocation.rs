//! Base relocations: which dwords of an x86 image the loader adjusts.

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
/// A block is about a page.
const PAGE: u32 = 0x1000;
/// `IMAGE_REL_BASED_HIGHLOW`.
const HIGH_LOW: u32 = 3;
/// `IMAGE_REL_BASED_DIR64`.
const DIR_64: u32 = 10;
/// So many entries of each block are looked at to see whether the table fits.
const SAMPLE: usize = 2;

/// How the loader adjusts a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A dword: `IMAGE_REL_BASED_HIGHLOW`.
    HighLow,
    /// A qword: `IMAGE_REL_BASED_DIR64`.
    Dir64,
    /// Padding or something that no driver of the time has.
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
    /// Those of an image, none where the table is absent or not at hand.
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

    /// Whether what is left of the table can't be read: with all entries taken,
    /// whether the table is damaged.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        !self.entries.is_empty() || self.rest.iter().any(|&byte| byte != 0)
    }

    /// The same without the blocks in front that only name places more than a
    /// page before `at`.
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

    /// Whether the dword there is relocated. Blocks are in the order of their
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

    /// Whether the dwords that the table names hold addresses of the image: a
    /// sample of each block. Where code and table are of two builds, they don't.
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

    /// Makes the next block current.
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

/// What an entry in the block of a page names.
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
            // A block is at least its header long: this ends.
            self.next_block()?;
        }
    }
}
