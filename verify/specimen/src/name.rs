//! The names and rights of sections.

/// The sections of a driver of this family, in image order.
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

    /// The section's characteristics, the same in every measured build.
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
