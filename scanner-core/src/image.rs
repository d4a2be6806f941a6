//! A PE image whose sections can be read, from a file or from memory.

use core::fmt;

use crate::arch::Arch;
use crate::error::ImageError;
use crate::headers::Headers;
use crate::rva::Rva;
use crate::section::Section;

/// The layout of an [`Image`]'s bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As in the file: sections at their file offsets.
    File,
    /// As loaded: sections at base + RVA.
    Memory,
}

/// A readable code section of a loaded image, or its exception table.
#[derive(Clone, Copy, Debug)]
pub struct MappedSection<'a> {
    /// Its first byte.
    pub rva: Rva,
    /// All its bytes in memory, by [`Section::extent`] or
    /// [`Headers::exception_table`].
    pub bytes: &'a [u8],
}

#[derive(Clone, Copy)]
enum Contents<'a> {
    File(&'a [u8]),
    Memory(&'a [MappedSection<'a>]),
}

/// A consistent image: headers of x86 or x64, sections that tile, and all live
/// code readable.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    headers: Headers<'a>,
    base: u64,
    contents: Contents<'a>,
    /// The exception table, if sound and provided.
    exceptions: Option<&'a [u8]>,
}

impl<'a> Image<'a> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// If the headers are not those of an x86 or x64 image, or the sections
    /// don't tile the file and the address space.
    pub fn from_file(file: &'a [u8]) -> Result<Image<'a>, ImageError> {
        let headers = Headers::parse_file(file)?;
        let mut image = Image {
            headers,
            base: headers.image_base(),
            contents: Contents::File(file),
            exceptions: None,
        };
        image.exceptions = headers
            .exception_table()
            .and_then(|table| image.read(table.rva, table.size));
        Ok(image)
    }

    /// Reads an image in memory. `headers` are its first bytes, `base` and `size`
    /// come from the system, and `code` has the sections with
    /// [`Section::is_live_code`] and the table of [`Headers::exception_table`], in
    /// any order. Nothing else is read, so nothing else need be readable.
    ///
    /// # Errors
    /// If the headers are not those of an x86 or x64 image, sections don't tile,
    /// `size` contradicts the headers, or a code section or the exception table
    /// is missing.
    // Not inlined: its temporaries would occupy a kernel's stack during a search.
    #[inline(never)]
    pub fn from_memory(
        headers: &'a [u8],
        base: u64,
        size: u32,
        code: &'a [MappedSection<'a>],
    ) -> Result<Image<'a>, ImageError> {
        let headers = Headers::parse_loaded(headers, base, size)?;
        for section in headers.sections().filter(Section::is_live_code) {
            if mapped(code, section.rva(), section.extent()).is_none() {
                return Err(ImageError::SectionNotMapped(section.index()));
            }
        }
        let exceptions = match headers.exception_table() {
            None => None,
            Some(table) => Some(
                mapped(code, table.rva, table.size)
                    .ok_or(ImageError::SectionNotMapped(table.section))?,
            ),
        };
        Ok(Image {
            headers,
            base,
            contents: Contents::Memory(code),
            exceptions,
        })
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &Headers<'a> {
        &self.headers
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.headers.arch()
    }

    /// The base for absolute operands: from the header of a file, from the caller
    /// in memory.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// File or memory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match self.contents {
            Contents::File(_) => Layout::File,
            Contents::Memory(_) => Layout::Memory,
        }
    }

    /// The section that contains `length` bytes from `rva`, if any.
    #[must_use]
    pub fn section_at(&self, rva: Rva, length: u32) -> Option<Section<'a>> {
        self.headers
            .sections()
            .find(|section| section.contains(rva, length))
    }

    /// The section's available bytes: in a file its raw data (the rest is zero),
    /// in memory all of a provided code section, and none of any other.
    #[must_use]
    pub fn bytes(&self, section: &Section<'a>) -> &'a [u8] {
        match self.contents {
            Contents::File(file) => raw_bytes(file, section),
            Contents::Memory(code) => {
                mapped(code, section.rva(), section.extent()).unwrap_or_default()
            }
        }
    }

    /// `length` bytes from `rva`, if available.
    #[must_use]
    pub fn read(&self, rva: Rva, length: u32) -> Option<&'a [u8]> {
        let section = self.section_at(rva, length)?;
        let start = usize::try_from(rva.minus(section.rva().0)?.0).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.bytes(&section).get(start..end)
    }

    /// The live code sections with their bytes.
    pub(crate) fn live_code(&self) -> impl Iterator<Item = (Rva, &'a [u8])> + Clone + '_ {
        self.headers
            .sections()
            .filter(Section::is_live_code)
            .map(|section| (section.rva(), self.bytes(&section)))
    }

    /// The bytes of [`Headers::exception_table`], if available.
    pub(crate) fn exception_table(&self) -> Option<&'a [u8]> {
        self.exceptions
    }

    /// Whether operands must be relocated and the table is available: in a file
    /// for x86. (On x64 they are relative; in memory the table is gone.)
    pub(crate) fn names_relocations(&self) -> bool {
        self.arch() == Arch::X86 && self.layout() == Layout::File
    }

    /// The RVA of an absolute address inside the image.
    pub(crate) fn rva_of(&self, address: u64) -> Option<Rva> {
        let offset = u32::try_from(address.checked_sub(self.base)?).ok()?;
        (offset < self.headers.size_of_image()).then_some(Rva(offset))
    }
}

impl fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("headers", &self.headers)
            .field("base", &self.base)
            .field("layout", &self.layout())
            .finish()
    }
}

fn raw_bytes<'a>(file: &'a [u8], section: &Section<'_>) -> &'a [u8] {
    let length = section.raw_size().min(section.extent());
    let (Ok(start), Ok(length)) = (
        usize::try_from(section.file_offset()),
        usize::try_from(length),
    ) else {
        return &[];
    };
    start
        .checked_add(length)
        .and_then(|end| file.get(start..end))
        .unwrap_or_default()
}

fn mapped<'a>(code: &'a [MappedSection<'a>], rva: Rva, length: u32) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok()?;
    code.iter()
        .find(|mapped| mapped.rva == rva && mapped.bytes.len() == length)
        .map(|mapped| mapped.bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    extern crate std;
    use super::*;

    const FILE: &[u8] = include_bytes!("../../corpus/specimens/tcpip-2003-sp2-x86.sys");

    #[test]
    fn an_address_is_of_the_image_from_its_first_byte_to_its_last() {
        let image = Image::from_file(FILE).unwrap();
        let (base, size) = (image.base(), image.headers().size_of_image());
        let end = base.wrapping_add(u64::from(size));
        assert_eq!(image.rva_of(base), Some(Rva(0)));
        assert_eq!(image.rva_of(base.wrapping_sub(1)), None);
        let last = size.checked_sub(1).map(Rva);
        assert_eq!(image.rva_of(end.wrapping_sub(1)), last);
        assert_eq!(image.rva_of(end), None);
    }

    #[test]
    fn an_image_shows_its_headers_and_a_section_its_name() {
        let image = Image::from_file(FILE).unwrap();
        assert!(std::format!("{image:?}").contains("headers"));
        let section = image.headers().sections().next().unwrap();
        assert!(std::format!("{section:?}").contains(".text"));
    }
}
