//! Sections, and their positions in file and memory.

use super::code::Code;
use super::name::Name;
use super::spec::Alignment;

/// A section before it has an address.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: Name,
    pub(super) flags: u32,
    pub(super) code: Code,
    /// Bytes in memory: more than in the file where there is a zero tail.
    pub(super) virtual_size: u32,
}

impl Section {
    pub(super) fn new(name: Name, code: Code) -> Self {
        let virtual_size = code.here();
        Self {
            name,
            flags: name.flags(),
            code,
            virtual_size,
        }
    }
}

/// A section's position, as in the section table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedSection {
    /// The name, padded with zeros.
    pub name: [u8; 8],
    /// The characteristics.
    pub flags: u32,
    /// VirtualAddress.
    pub rva: u32,
    /// VirtualSize, unrounded.
    pub virtual_size: u32,
    /// PointerToRawData.
    pub offset: u32,
    /// SizeOfRawData: a multiple of FileAlignment.
    pub raw_size: u32,
}

impl PlacedSection {
    /// The file offset of an RVA in the section's raw data.
    pub fn file_offset(&self, rva: u32) -> Option<u32> {
        let inside = rva.checked_sub(self.rva)?;
        (inside < self.raw_size).then(|| self.offset + inside)
    }

    /// Places a section behind `headers` bytes of headers and the sections in
    /// `before`, without gaps in file or memory.
    pub(super) fn after(
        before: &[Self],
        headers: u32,
        alignment: Alignment,
        section: &Section,
    ) -> Self {
        let (rva, offset) = match before.last() {
            Some(last) => (last.rva + last.virtual_size, last.offset + last.raw_size),
            None => (headers, headers),
        };
        Self {
            name: section.name.bytes(),
            flags: section.flags,
            rva: rva.next_multiple_of(alignment.memory()),
            virtual_size: section.virtual_size,
            offset,
            raw_size: section.code.here().next_multiple_of(alignment.file()),
        }
    }
}
