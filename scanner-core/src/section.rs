//! Sections, their flags and names.

use core::fmt;

use crate::raw::SectionHeader;
use crate::rva::Rva;

/// The flags of a section: its `Characteristics` field (the PE format, "Section
/// Flags").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionFlags(pub u32);

impl SectionFlags {
    const DISCARDABLE: u32 = 0x0200_0000;
    const NOT_PAGED: u32 = 0x0800_0000;
    const EXECUTE: u32 = 0x2000_0000;
    const READ: u32 = 0x4000_0000;
    const WRITE: u32 = 0x8000_0000;

    /// The system frees it after start-up (`INIT`, `.reloc`).
    #[must_use]
    pub fn discardable(self) -> bool {
        self.0 & Self::DISCARDABLE != 0
    }

    /// It is never paged out.
    #[must_use]
    pub fn not_paged(self) -> bool {
        self.0 & Self::NOT_PAGED != 0
    }

    /// It is executable.
    #[must_use]
    pub fn executable(self) -> bool {
        self.0 & Self::EXECUTE != 0
    }

    /// It is readable.
    #[must_use]
    pub fn readable(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// It is writable.
    #[must_use]
    pub fn writable(self) -> bool {
        self.0 & Self::WRITE != 0
    }
}

/// A section of an image, by its header.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    header: &'a SectionHeader,
    index: u16,
}

impl<'a> Section<'a> {
    pub(crate) fn new(header: &'a SectionHeader, index: u16) -> Self {
        Section { header, index }
    }

    /// Its index in the section table, from 0.
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

    /// The RVA of its first byte.
    #[must_use]
    pub fn rva(&self) -> Rva {
        Rva(self.header.virtual_address.get())
    }

    /// Its length in memory, in bytes. (Windows uses the raw size if this is 0. No
    /// driver of the time has such a section, and an image with one is refused.)
    #[must_use]
    pub fn extent(&self) -> u32 {
        self.header.virtual_size.get()
    }

    /// The file offset of its first byte.
    #[must_use]
    pub fn file_offset(&self) -> u32 {
        self.header.pointer_to_raw_data.get()
    }

    /// The number of its bytes in the file; the rest of [`Self::extent`] is zero.
    #[must_use]
    pub fn raw_size(&self) -> u32 {
        self.header.size_of_raw_data.get()
    }

    /// Its flags.
    #[must_use]
    pub fn flags(&self) -> SectionFlags {
        SectionFlags(self.header.characteristics.get())
    }

    /// Whether `length` bytes from `rva` lie in it, including its zero tail.
    #[must_use]
    pub fn contains(&self, rva: Rva, length: u32) -> bool {
        rva.minus(self.rva().0)
            .and_then(|offset| offset.plus(length))
            .is_some_and(|end| end.0 <= self.extent())
    }

    /// Whether it may be paged out, by its flags or its name (`PAGE…`, and
    /// `.edata`, which the system pages regardless of its flags).
    #[must_use]
    pub fn pageable(&self) -> bool {
        !self.flags().not_paged()
            || self.name().starts_with(b"PAGE")
            || self.name().starts_with(b".eda")
    }

    /// Whether it is gone after start-up, by its flags or its name (`INIT…`).
    #[must_use]
    pub fn discardable(&self) -> bool {
        self.flags().discardable() || self.name().starts_with(b"INIT")
    }

    /// Whether it is code that stays in memory, the only code that the locator
    /// reads.
    #[must_use]
    pub fn is_live_code(&self) -> bool {
        self.flags().executable() && !self.discardable() && !self.pageable()
    }

    /// Whether it is read-only data that stays in memory, where the exception table
    /// may lie.
    #[must_use]
    pub fn is_live_constants(&self) -> bool {
        let flags = self.flags();
        flags.readable() && !flags.writable() && !self.discardable() && !self.pageable()
    }

    /// Whether it is writable data that stays in memory, the only place where the
    /// limit may lie.
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
