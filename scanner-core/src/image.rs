//! A PE image whose sections can be read, from a file or from memory.

use core::fmt;

use crate::error::ImageError;
use crate::pe::{Directory, Headers};
use crate::rva::Rva;
use crate::section::Section;

/// Bytes of a page on both processors.
pub(crate) const PAGE_SIZE: u32 = 0x1000;

/// The processors that ran Windows XP and Server 2003 and are handled here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32-bit: operands are absolute addresses.
    X86,
    /// 64-bit: operands are relative to the next instruction.
    X64,
}

impl Arch {
    /// Bytes of a pointer.
    #[must_use]
    pub fn pointer_size(self) -> u32 {
        match self {
            Arch::X86 => 4,
            Arch::X64 => 8,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::X86 => "x86",
            Arch::X64 => "x64",
        })
    }
}

/// How the bytes lie that an [`Image`] was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As in the file: sections at their file offsets.
    File,
    /// As loaded: sections at base + RVA.
    Memory,
}

/// A code section of a loaded image that may be read, or its exception table.
#[derive(Clone, Copy, Debug)]
pub struct MappedSection<'a> {
    /// Where it begins.
    pub rva: Rva,
    /// All its bytes in memory: as many as [`Section::extent`], or as
    /// [`Headers::exception_table`] says.
    pub bytes: &'a [u8],
}

#[derive(Clone, Copy)]
enum Contents<'a> {
    File(&'a [u8]),
    Memory(&'a [MappedSection<'a>]),
}

/// An image that holds together: headers of x86 or x64, sections that tile,
/// and every code section that matters readable.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    headers: Headers<'a>,
    base: u64,
    contents: Contents<'a>,
    /// The exception table, where it is sound and at hand.
    exceptions: Option<&'a [u8]>,
}

impl<'a> Image<'a> {
    /// An image from a whole file.
    ///
    /// # Errors
    /// When the headers are not those of an x86 or x64 image, or the sections
    /// don't tile the file and the address space.
    pub fn from_file(file: &'a [u8]) -> Result<Image<'a>, ImageError> {
        let headers = Headers::parse(file)?;
        if headers.sections().all(|section| section.extent() == 0) {
            return Err(match raw_data_ends_within(&headers, file.len()) {
                true => ImageError::NoVirtualSizes,
                false => ImageError::Truncated,
            });
        }
        // The PE format: "must be a multiple of 64 K".
        let base = headers.image_base();
        if base & 0xFFFF != 0 {
            return Err(ImageError::BadBase);
        }
        check_span(&headers, base)?;
        check_memory_tiling(&headers)?;
        check_file_tiling(&headers, file.len())?;
        let mut image = Image {
            headers,
            base,
            contents: Contents::File(file),
            exceptions: None,
        };
        image.exceptions = headers
            .exception_table()
            .and_then(|table| image.read(table.rva, table.size));
        Ok(image)
    }

    /// An image from memory. `headers` are its first bytes, `base` and `size`
    /// where the system says that it lies and how long it is, and `code` the
    /// sections for which [`Section::is_live_code`] holds, and the table that
    /// [`Headers::exception_table`] names, in any order. Nothing else is ever
    /// read, so nothing else need be readable.
    ///
    /// # Errors
    /// When the headers are not those of an x86 or x64 image, sections don't
    /// tile, `size` contradicts the headers, or a code section or the exception
    /// table is missing.
    // Its temporaries would else lie below a whole search on a kernel's stack.
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

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &Headers<'a> {
        &self.headers
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.headers.arch()
    }

    /// The base that absolute operands are taken relative to: from the header
    /// in a file, from the caller in memory.
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

    /// The section that holds `length` bytes from `rva`, if one does.
    #[must_use]
    pub fn section_at(&self, rva: Rva, length: u32) -> Option<Section<'a>> {
        self.headers
            .sections()
            .find(|section| section.holds(rva, length))
    }

    /// The section's bytes that are there: in a file those of the raw data
    /// (beyond them it is zero), in memory all of a code section that was
    /// handed over, and none of any other.
    #[must_use]
    pub fn bytes(&self, section: &Section<'a>) -> &'a [u8] {
        match self.contents {
            Contents::File(file) => raw_bytes(file, section),
            Contents::Memory(code) => {
                mapped(code, section.rva(), section.extent()).unwrap_or_default()
            }
        }
    }

    /// `length` bytes from `rva`, where the image has them at hand.
    #[must_use]
    pub fn read(&self, rva: Rva, length: u32) -> Option<&'a [u8]> {
        let section = self.section_at(rva, length)?;
        let start = usize::try_from(rva.minus(section.rva().0)?.0).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.bytes(&section).get(start..end)
    }

    /// The sections that the locator reads, each with its bytes.
    pub(crate) fn live_code(&self) -> impl Iterator<Item = (Rva, &'a [u8])> + Clone + '_ {
        self.headers
            .sections()
            .filter(Section::is_live_code)
            .map(|section| (section.rva(), self.bytes(&section)))
    }

    /// The bytes of [`Headers::exception_table`], where they are at hand.
    pub(crate) fn exception_table(&self) -> Option<&'a [u8]> {
        self.exceptions
    }

    /// Whether operands must be relocated, and whether they are can be told: in
    /// a file for x86. (On x64 they are relative; in memory the table is gone.)
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

impl<'a> Headers<'a> {
    /// Reads the headers of a loaded image and checks them against where the
    /// system says that it lies and how long it is. Only after that may a
    /// caller make slices of the sections that they name.
    ///
    /// # Errors
    /// When they are not those of an x86 or x64 image, sections don't tile,
    /// or base or size contradict them.
    pub fn parse_loaded(bytes: &'a [u8], base: u64, size: u32) -> Result<Headers<'a>, ImageError> {
        let headers = Headers::parse(bytes)?;
        if base & 0xFFF != 0 {
            return Err(ImageError::BadBase);
        }
        check_span(&headers, base)?;
        // The system may state the size in whole pages.
        let pages = |size| align_up(size, PAGE_SIZE);
        if pages(size).is_none() || pages(size) != pages(headers.size_of_image()) {
            return Err(ImageError::BadImageSize);
        }
        check_memory_tiling(&headers)?;
        Ok(headers)
    }

    /// The exception table of an x64 image: what a loaded one may be read of
    /// besides headers and code. `None` where it does not lie in one section
    /// that is there as long as the driver is loaded, and is never written.
    #[must_use]
    pub fn exception_table(&self) -> Option<ExceptionTable> {
        let (rva, size) = self.directory(Directory::Exception)?;
        let is_aligned = rva.0 & 3 == 0 && size.checked_rem(EXCEPTION_ENTRY) == Some(0);
        let section = self.sections().find(|section| section.holds(rva, size))?;
        let is_sound = is_aligned && section.is_live_constants();
        (self.arch() == Arch::X64 && is_sound).then_some(ExceptionTable {
            rva,
            size,
            section: section.index(),
        })
    }
}

/// Bytes of an entry of the exception table.
const EXCEPTION_ENTRY: u32 = 12;

/// Where the exception table lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionTable {
    /// Its first byte.
    pub rva: Rva,
    /// Its length in bytes.
    pub size: u32,
    /// The index of the section that it lies in.
    pub section: u16,
}

/// The whole image must fit below the end of the address space.
fn check_span(headers: &Headers<'_>, base: u64) -> Result<(), ImageError> {
    let end = base.checked_add(u64::from(headers.size_of_image()));
    match (headers.arch(), end) {
        (Arch::X86, Some(end)) if end <= 1 << 32 => Ok(()),
        (Arch::X64, Some(_)) => Ok(()),
        _ => Err(ImageError::BadBase),
    }
}

/// Whether the file is long enough for the raw data of all sections.
fn raw_data_ends_within(headers: &Headers<'_>, length: usize) -> bool {
    headers.sections().all(|section| {
        let end = section.file_offset().checked_add(section.raw_size());
        end.and_then(|end| usize::try_from(end).ok())
            .is_some_and(|end| end <= length)
    })
}

/// In memory each section begins where the one before it ends, rounded up to
/// the section alignment, the first after the headers, and the image ends
/// where the last one does. One shifted VirtualAddress breaks it. And code has
/// neither a zero tail nor bytes that are not loaded, so a changed VirtualSize
/// can't hide much of it.
///
/// An image whose sections are aligned to less than a page is mapped as one
/// piece, the file as it is. There Windows allows gaps between sections, and
/// each must lie at the same place in the file as in memory, without a zero
/// tail.
fn check_memory_tiling(headers: &Headers<'_>) -> Result<(), ImageError> {
    let alignment = headers.section_alignment();
    let one_piece = alignment < PAGE_SIZE;
    let mut next = align_up(headers.size_of_headers(), alignment);
    for section in headers.sections() {
        let start = section.rva().0;
        let in_place = match one_piece {
            true => {
                section.file_offset() == start
                    && section.extent() <= section.raw_size()
                    && align_up(start, alignment) == Some(start)
                    && next.is_some_and(|next| next <= start)
            }
            false => next == Some(start),
        };
        let in_file = align_up(section.extent(), headers.file_alignment());
        let whole = !section.flags().executable() || in_file == Some(section.raw_size());
        if !in_place || section.extent() == 0 || !whole {
            return Err(ImageError::SectionsDontTile(section.index()));
        }
        next = section
            .rva()
            .plus(section.extent())
            .and_then(|end| align_up(end.0, alignment));
    }
    match next {
        Some(end) if end == headers.size_of_image() => Ok(()),
        _ => Err(ImageError::BadImageSize),
    }
}

/// In the file the raw data of each section follows that of the one before,
/// the first follows the headers, and all lies inside the file. One shifted
/// PointerToRawData breaks it. (Where [`check_memory_tiling`] allows gaps, it
/// ties each section's place in the file to that in memory.)
fn check_file_tiling(headers: &Headers<'_>, length: usize) -> Result<(), ImageError> {
    let one_piece = headers.section_alignment() < PAGE_SIZE;
    let mut next = headers.size_of_headers();
    for section in headers.sections().filter(|section| section.raw_size() != 0) {
        let start = section.file_offset();
        if start < next || (start != next && !one_piece) {
            return Err(ImageError::SectionsDontTile(section.index()));
        }
        next = start
            .checked_add(section.raw_size())
            .ok_or(ImageError::SectionsDontTile(section.index()))?;
    }
    match usize::try_from(next) {
        Ok(end) if end <= length => Ok(()),
        _ => Err(ImageError::Truncated),
    }
}

/// `value` rounded up to a multiple of `alignment`, a power of two; `None`
/// past 4 GiB.
fn align_up(value: u32, alignment: u32) -> Option<u32> {
    let mask = alignment.checked_sub(1)?;
    value.checked_add(mask).map(|sum| sum & !mask)
}
