//! Base relocations: which dwords of an x86 image the loader adjusts.

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::image::Image;
use crate::pe::Directory;
use crate::rva::Rva;

/// `IMAGE_BASE_RELOCATION` (the PE format, "Base Relocation Block").
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BlockHeader {
    page: U32,
    size: U32,
}

const BLOCK_HEADER: u32 = 8;

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
    pub fn of(image: &Image<'a>) -> Relocations<'a> {
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
    pub fn is_cut(&self) -> bool {
        !self.entries.is_empty() || self.rest.iter().any(|&byte| byte != 0)
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

impl Iterator for Relocations<'_> {
    type Item = (Rva, Kind);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((entry, rest)) = self.entries.split_first() {
                self.entries = rest;
                let entry = entry.get();
                let kind = match entry >> 12 {
                    3 => Kind::HighLow,
                    10 => Kind::Dir64,
                    _ => Kind::Other,
                };
                let place = self.page.plus(u32::from(entry & 0xFFF))?;
                return Some((place, kind));
            }
            // A block is at least its header long: this ends.
            self.next_block()?;
        }
    }
}
