//! Sections: their names and rights, and where they stand in file and memory.

use super::code::Code;
use super::spec::Alignment;

/// The sections that a driver of this family has, in image order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Text,
    Rdata,
    Data,
    Pdata,
    Page,
    PageLk,
    PageIpmc,
    Edata,
    Init,
    Rsrc,
    Reloc,
}

impl Name {
    /// The name in the section table.
    pub(super) fn bytes(self) -> [u8; 8] {
        *match self {
            Self::Text => b".text\0\0\0",
            Self::Rdata => b".rdata\0\0",
            Self::Data => b".data\0\0\0",
            Self::Pdata => b".pdata\0\0",
            Self::Page => b"PAGE\0\0\0\0",
            Self::PageLk => b"PAGELK\0\0",
            Self::PageIpmc => b"PAGEIPMc",
            Self::Edata => b".edata\0\0",
            Self::Init => b"INIT\0\0\0\0",
            Self::Rsrc => b".rsrc\0\0\0",
            Self::Reloc => b".reloc\0\0",
        }
    }

    /// The characteristics that every measured build gives the section.
    pub(super) fn flags(self) -> u32 {
        match self {
            Self::Text => 0x6800_0020,
            Self::Rdata | Self::Pdata => 0x4800_0040,
            Self::Data => 0xC800_0040,
            Self::Page | Self::PageLk | Self::PageIpmc => 0x6000_0020,
            Self::Edata => 0x4000_0040,
            Self::Init => 0xE200_0020,
            Self::Rsrc | Self::Reloc => 0x4200_0040,
        }
    }

    /// Whether the kernel frees the section after start-up.
    pub(super) fn discardable(self) -> bool {
        self.flags() & 0x0200_0000 != 0
    }

    /// Whether the section holds code.
    pub(super) fn executable(self) -> bool {
        self.flags() & 0x2000_0000 != 0
    }
}

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

/// Where a section stands, as the section table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The name, padded with zeros.
    pub name: [u8; 8],
    /// The characteristics.
    pub flags: u32,
    /// VirtualAddress.
    pub rva: u32,
    /// VirtualSize: what the section really needs.
    pub virtual_size: u32,
    /// PointerToRawData.
    pub offset: u32,
    /// SizeOfRawData: a multiple of FileAlignment.
    pub raw_size: u32,
}

impl Placed {
    /// The file offset of an RVA in the section's raw data.
    pub fn file_offset(&self, rva: u32) -> Option<u32> {
        let inside = rva.checked_sub(self.rva)?;
        (inside < self.raw_size).then(|| self.offset + inside)
    }

    /// Where a section of `len` bytes in the file comes after `headers` bytes
    /// of headers and the sections in `before`: both file and memory tile.
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
