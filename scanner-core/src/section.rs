//! Sections and what their flags and names say of them.

use core::fmt;

use crate::raw::SectionHeader;
use crate::rva::Rva;

/// Rights and habits of a section: its `Characteristics` field (the PE format,
/// "Section Flags").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionFlags(pub u32);

impl SectionFlags {
    const DISCARDABLE: u32 = 0x0200_0000;
    const NOT_PAGED: u32 = 0x0800_0000;
    const EXECUTE: u32 = 0x2000_0000;
    const READ: u32 = 0x4000_0000;
    const WRITE: u32 = 0x8000_0000;

    /// The system frees it once the driver has started (`INIT`, `.reloc`).
    #[must_use]
    pub fn discardable(self) -> bool {
        self.0 & Self::DISCARDABLE != 0
    }

    /// It is marked as never paged out.
    #[must_use]
    pub fn not_paged(self) -> bool {
        self.0 & Self::NOT_PAGED != 0
    }

    /// It may be executed.
    #[must_use]
    pub fn executable(self) -> bool {
        self.0 & Self::EXECUTE != 0
    }

    /// It may be read.
    #[must_use]
    pub fn readable(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// It may be written.
    #[must_use]
    pub fn writable(self) -> bool {
        self.0 & Self::WRITE != 0
    }
}

/// One section of an image, as its header describes it.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    header: &'a SectionHeader,
    index: u16,
}

impl<'a> Section<'a> {
    pub(crate) fn new(header: &'a SectionHeader, index: u16) -> Self {
        Section { header, index }
    }

    /// Its place in the section table, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Its name without trailing zero bytes; not always text.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        let name = &self.header.name;
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        name.get(..end).unwrap_or_default()
    }

    /// Where it begins in memory.
    #[must_use]
    pub fn rva(&self) -> Rva {
        Rva(self.header.virtual_address.get())
    }

    /// Its length in memory, in bytes. (Windows takes the raw size where this
    /// is 0. No driver of the time has such a section, and an image with one is
    /// refused.)
    #[must_use]
    pub fn extent(&self) -> u32 {
        self.header.virtual_size.get()
    }

    /// Where its bytes begin in the file.
    #[must_use]
    pub fn file_offset(&self) -> u32 {
        self.header.pointer_to_raw_data.get()
    }

    /// How many of its bytes the file holds; the rest of [`Self::extent`] is
    /// zero.
    #[must_use]
    pub fn raw_size(&self) -> u32 {
        self.header.size_of_raw_data.get()
    }

    /// Its flags.
    #[must_use]
    pub fn flags(&self) -> SectionFlags {
        SectionFlags(self.header.characteristics.get())
    }

    /// Whether `length` bytes from `rva` lie in it, zero tail included.
    #[must_use]
    pub fn contains(&self, rva: Rva, length: u32) -> bool {
        rva.minus(self.rva().0)
            .and_then(|offset| offset.plus(length))
            .is_some_and(|end| end.0 <= self.extent())
    }

    /// May be paged out: so marked, or so named (`PAGE…`, and `.edata`, which
    /// the system pages whatever its flags say).
    #[must_use]
    pub fn pageable(&self) -> bool {
        !self.flags().not_paged()
            || self.name().starts_with(b"PAGE")
            || self.name().starts_with(b".eda")
    }

    /// Gone after start-up: so marked, or named `INIT…`.
    #[must_use]
    pub fn discardable(&self) -> bool {
        self.flags().discardable() || self.name().starts_with(b"INIT")
    }

    /// Code that is there and readable as long as the driver is loaded: the
    /// only bytes the locator ever reads.
    #[must_use]
    pub fn is_live_code(&self) -> bool {
        self.flags().executable() && !self.discardable() && !self.pageable()
    }

    /// Bytes that are there and never written as long as the driver is loaded:
    /// where the exception table may lie.
    #[must_use]
    pub fn is_live_constants(&self) -> bool {
        let flags = self.flags();
        flags.readable() && !flags.writable() && !self.discardable() && !self.pageable()
    }

    /// Data that is there and writable as long as the driver is loaded: the
    /// only place where the limit may lie.
    #[must_use]
    pub fn is_live_data(&self) -> bool {
        let flags = self.flags();
        flags.readable()
            && flags.writable()
            && !flags.executable()
            && !self.discardable()
            && !self.pageable()
    }
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("name", &format_args!("{}", self.name().escape_ascii()))
            .field("rva", &self.rva())
            .field("extent", &self.extent())
            .field("flags", &self.flags())
            .finish()
    }
}
