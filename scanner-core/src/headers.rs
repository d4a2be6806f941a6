//! The PE headers, and the checks that make them safe to follow.

use core::mem::{offset_of, size_of};

use zerocopy::FromBytes;

use crate::arch::{Arch, PAGE_SIZE};
use crate::error::ImageError;
use crate::raw::{
    Common, DataDirectory, DosHeader, FileHeader, Optional32, Optional64, SectionHeader,
};
use crate::rva::Rva;
use crate::section::Section;

/// The data directories in use, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Exported names and functions.
    Export,
    /// Resources, among them the version.
    Resource,
    /// The functions, on x64.
    Exception,
    /// Base relocations.
    Relocation,
    /// The import address table.
    ImportAddressTable,
}

impl Directory {
    fn index(self) -> usize {
        match self {
            Directory::Export => 0,
            Directory::Resource => 2,
            Directory::Exception => 3,
            Directory::Relocation => 5,
            Directory::ImportAddressTable => 12,
        }
    }
}

/// The most sections that Windows accepts.
const MAX_SECTIONS: u16 = 96;
const MAX_DIRECTORIES: u32 = 16;
const NATIVE: u16 = 1;

/// Bytes of an entry of the exception table.
const EXCEPTION_ENTRY: u32 = 12;

/// The location of the exception table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionTable {
    /// Its first byte.
    pub rva: Rva,
    /// Its length in bytes.
    pub size: u32,
    /// The index of the section that it lies in.
    pub section: u16,
}

/// Parsed headers, safe to follow. [`Image`](crate::Image) checks whether the
/// sections fit together.
///
/// A driver parses the header page first, to learn which sections it can provide
/// to [`Image::from_memory`](crate::Image::from_memory).
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    arch: Arch,
    image_base: u64,
    time_date_stamp: u32,
    common: &'a Common,
    checksum_offset: usize,
    directories: &'a [DataDirectory],
    sections: &'a [SectionHeader],
}

impl<'a> Headers<'a> {
    /// Reads the headers at the beginning of `bytes`: a whole file, or at
    /// least the headers of a loaded image.
    ///
    /// # Errors
    /// If these are not headers of an x86 or x64 image.
    pub fn parse(bytes: &'a [u8]) -> Result<Headers<'a>, ImageError> {
        let (dos, _) = DosHeader::ref_from_prefix(bytes).map_err(|_| ImageError::NotPe)?;
        if dos.magic != *b"MZ" {
            return Err(ImageError::NotPe);
        }
        let at = usize::try_from(dos.e_lfanew.get()).map_err(|_| ImageError::NotPe)?;
        let nt = bytes.get(at..).ok_or(ImageError::NotPe)?;
        let (file, rest) = FileHeader::ref_from_prefix(nt).map_err(|_| ImageError::NotPe)?;
        if file.signature != *b"PE\0\0" {
            return Err(ImageError::NotPe);
        }
        let optional_size = usize::from(file.size_of_optional_header.get());
        let (optional, tail) = rest
            .split_at_checked(optional_size)
            .ok_or(ImageError::Truncated)?;
        let parts = match file.machine.get() {
            0x014C => Parts::of_pe32(optional)?,
            0x8664 => Parts::of_pe32_plus(optional)?,
            other => return Err(ImageError::UnsupportedMachine(other)),
        };

        let count = file.number_of_sections.get();
        if count == 0 || count > MAX_SECTIONS {
            return Err(ImageError::BadSectionCount(count));
        }
        let (sections, _) = <[SectionHeader]>::ref_from_prefix_with_elems(tail, usize::from(count))
            .map_err(|_| ImageError::Truncated)?;

        let headers = Headers {
            arch: parts.arch,
            image_base: parts.image_base,
            time_date_stamp: file.time_date_stamp.get(),
            common: parts.common,
            checksum_offset: at
                .saturating_add(size_of::<FileHeader>())
                .saturating_add(parts.common_offset)
                .saturating_add(offset_of!(Common, checksum)),
            directories: parts.directories,
            sections,
        };
        headers.check(bytes.len().saturating_sub(tail.len()))?;
        Ok(headers)
    }

    /// Reads the headers of a whole file and checks that the sections tile it
    /// and the address space.
    pub(crate) fn parse_file(file: &'a [u8]) -> Result<Headers<'a>, ImageError> {
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
        Ok(headers)
    }

    /// Reads the headers of a loaded image and checks them against the system's
    /// base and size. Only after that may a caller make slices of their sections.
    ///
    /// # Errors
    /// If they are not those of an x86 or x64 image, sections don't tile, or base
    /// or size contradict them.
    pub fn parse_loaded(bytes: &'a [u8], base: u64, size: u32) -> Result<Headers<'a>, ImageError> {
        let headers = Headers::parse(bytes)?;
        if base & 0xFFF != 0 {
            return Err(ImageError::BadBase);
        }
        check_span(&headers, base)?;
        // The system may round the size to pages.
        let pages = |size| align_up(size, PAGE_SIZE);
        if pages(size).is_none() || pages(size) != pages(headers.size_of_image()) {
            return Err(ImageError::BadImageSize);
        }
        check_memory_tiling(&headers)?;
        Ok(headers)
    }

    /// Checks the fields against each other; `table` is the offset of the section
    /// table.
    fn check(&self, table: usize) -> Result<(), ImageError> {
        let (section, file) = (self.section_alignment(), self.file_alignment());
        let sub_page = section < PAGE_SIZE;
        if !section.is_power_of_two()
            || !file.is_power_of_two()
            || file > section
            || section < 0x10
            || (sub_page && section != file)
        {
            return Err(ImageError::BadAlignment);
        }
        let table_end = size_of::<SectionHeader>()
            .saturating_mul(self.sections.len())
            .saturating_add(table);
        if usize::try_from(self.size_of_headers()).is_ok_and(|size| size < table_end) {
            return Err(ImageError::Truncated);
        }
        Ok(())
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The address that the image was linked for. In memory the actual base may
    /// have replaced it, so don't rely on it there.
    #[must_use]
    pub fn image_base(&self) -> u64 {
        self.image_base
    }

    /// The link time in seconds since 1970.
    #[must_use]
    pub fn time_date_stamp(&self) -> u32 {
        self.time_date_stamp
    }

    /// The alignment of sections in memory, in bytes.
    #[must_use]
    pub fn section_alignment(&self) -> u32 {
        self.common.section_alignment.get()
    }

    /// The alignment of sections in the file, in bytes.
    #[must_use]
    pub fn file_alignment(&self) -> u32 {
        self.common.file_alignment.get()
    }

    /// Bytes from the base to the end of the last section.
    #[must_use]
    pub fn size_of_image(&self) -> u32 {
        self.common.size_of_image.get()
    }

    /// Bytes of all headers, rounded up to the file alignment.
    #[must_use]
    pub fn size_of_headers(&self) -> u32 {
        self.common.size_of_headers.get()
    }

    /// Whether the subsystem is native: drivers, and a few programs that run before
    /// Windows has started.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.common.subsystem.get() == NATIVE
    }

    /// The checksum in the header, 0 for none.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.common.checksum.get()
    }

    /// The file offset of the checksum.
    #[must_use]
    pub fn checksum_offset(&self) -> usize {
        self.checksum_offset
    }

    /// The RVA and length in bytes of a data directory, if present.
    #[must_use]
    pub fn directory(&self, which: Directory) -> Option<(Rva, u32)> {
        let entry = self.directories.get(which.index())?;
        let size = entry.size.get();
        (size != 0).then_some((Rva(entry.rva.get()), size))
    }

    /// The exception table of an x64 image, the only part of a loaded image that
    /// is read besides headers and code. `None` unless it lies in one section that
    /// stays in memory and is never written.
    #[must_use]
    pub fn exception_table(&self) -> Option<ExceptionTable> {
        let (rva, size) = self.directory(Directory::Exception)?;
        let is_aligned = rva.0 & 3 == 0 && size.checked_rem(EXCEPTION_ENTRY) == Some(0);
        let section = self
            .sections()
            .find(|section| section.contains(rva, size))?;
        let is_sound = is_aligned && section.is_live_constants();
        (self.arch() == Arch::X64 && is_sound).then_some(ExceptionTable {
            rva,
            size,
            section: section.index(),
        })
    }

    /// The sections in table order.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = Section<'a>> + Clone + use<'a> {
        let sections = self.sections;
        // At most MAX_SECTIONS: the index always fits.
        sections
            .iter()
            .enumerate()
            .map(|(index, header)| Section::new(header, u16::try_from(index).unwrap_or(u16::MAX)))
    }
}

impl core::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Headers")
            .field("arch", &self.arch)
            .field("image_base", &self.image_base)
            .field("sections", &self.sections.len())
            .finish_non_exhaustive()
    }
}

/// The parts of an optional header of either kind.
struct Parts<'a> {
    arch: Arch,
    image_base: u64,
    common: &'a Common,
    common_offset: usize,
    directories: &'a [DataDirectory],
}

impl<'a> Parts<'a> {
    fn of_pe32(optional: &'a [u8]) -> Result<Self, ImageError> {
        let (header, rest) =
            Optional32::ref_from_prefix(optional).map_err(|_| ImageError::BadOptionalHeader)?;
        if header.magic.get() != 0x10B {
            return Err(ImageError::BadOptionalHeader);
        }
        Ok(Parts {
            arch: Arch::X86,
            image_base: u64::from(header.image_base.get()),
            common: &header.common,
            common_offset: offset_of!(Optional32, common),
            directories: directories(rest, header.number_of_directories.get())?,
        })
    }

    fn of_pe32_plus(optional: &'a [u8]) -> Result<Self, ImageError> {
        let (header, rest) =
            Optional64::ref_from_prefix(optional).map_err(|_| ImageError::BadOptionalHeader)?;
        if header.magic.get() != 0x20B {
            return Err(ImageError::BadOptionalHeader);
        }
        Ok(Parts {
            arch: Arch::X64,
            image_base: header.image_base.get(),
            common: &header.common,
            common_offset: offset_of!(Optional64, common),
            directories: directories(rest, header.number_of_directories.get())?,
        })
    }
}

fn directories(bytes: &[u8], count: u32) -> Result<&[DataDirectory], ImageError> {
    let count = usize::try_from(count.min(MAX_DIRECTORIES)).unwrap_or(0);
    <[DataDirectory]>::ref_from_prefix_with_elems(bytes, count)
        .map(|(directories, _)| directories)
        .map_err(|_| ImageError::BadOptionalHeader)
}

/// Checks that the image fits below the end of the address space.
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
/// the section alignment, the first after the headers, and the image ends with
/// the last one. One shifted VirtualAddress breaks this. And code has neither a
/// zero tail nor bytes that are not loaded, so a changed VirtualSize can't hide
/// much of it.
///
/// An image whose sections are aligned to less than a page is mapped as one
/// piece, unchanged from the file. There Windows allows gaps between sections,
/// and each must have the same offset in the file as in memory, without a zero
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
/// PointerToRawData breaks this. (Where [`check_memory_tiling`] allows gaps, it
/// ties each section's file offset to its RVA.)
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
