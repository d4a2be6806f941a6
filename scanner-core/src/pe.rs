//! The PE headers: fields as they lie in the file, and the checks that make
//! them safe to follow.
//!
//! Source of all layouts: the PE format, "COFF File Header", "Optional Header
//! Standard Fields", "Section Table".

use core::mem::{offset_of, size_of};

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::ImageError;
use crate::image::{Arch, PAGE_SIZE};
use crate::rva::Rva;
use crate::section::Section;

/// `IMAGE_DOS_HEADER`: only the first and the last field matter.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DosHeader {
    magic: [u8; 2],
    _unused: [u8; 58],
    e_lfanew: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FileHeader {
    signature: [u8; 4],
    machine: U16,
    number_of_sections: U16,
    time_date_stamp: U32,
    _symbols: [u8; 8],
    size_of_optional_header: U16,
    _characteristics: U16,
}

/// What PE32 and PE32+ have in common after the image base.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Common {
    section_alignment: U32,
    file_alignment: U32,
    _versions: [u8; 16],
    size_of_image: U32,
    size_of_headers: U32,
    checksum: U32,
    subsystem: U16,
    _dll_characteristics: U16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Optional32 {
    magic: U16,
    _linker_and_sizes: [u8; 26],
    image_base: U32,
    common: Common,
    _stack_and_heap: [u8; 20],
    number_of_directories: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Optional64 {
    magic: U16,
    _linker_and_sizes: [u8; 22],
    image_base: U64,
    common: Common,
    _stack_and_heap: [u8; 36],
    number_of_directories: U32,
}

/// An entry of the data directory: a place and its length in bytes.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DataDirectory {
    rva: U32,
    size: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SectionHeader {
    pub(crate) name: [u8; 8],
    pub(crate) virtual_size: U32,
    pub(crate) virtual_address: U32,
    pub(crate) size_of_raw_data: U32,
    pub(crate) pointer_to_raw_data: U32,
    _relocations_and_lines: [u8; 12],
    pub(crate) characteristics: U32,
}

/// The data directories that are read here, by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Names and functions that the image offers.
    Export,
    /// Version information, among others.
    Resource,
    /// Which functions there are, on x64.
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

/// Windows refuses an image with more.
const MAX_SECTIONS: u16 = 96;
const MAX_DIRECTORIES: u32 = 16;
const NATIVE: u16 = 1;

/// Parsed headers. Following what they say is safe; whether the sections fit
/// together is for [`Image`](crate::Image) to check.
///
/// A driver that has only the header page in hand makes this first, to learn
/// which sections it may hand over to
/// [`Image::from_memory`](crate::Image::from_memory).
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
    /// Anything that says that these are no headers of an x86 or x64 image.
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

    /// Checks what the fields say of each other; `table` is where the section
    /// table begins.
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

    /// The address that the image was linked for. In memory it may as well
    /// have been overwritten by the actual one: don't rely on it there.
    #[must_use]
    pub fn image_base(&self) -> u64 {
        self.image_base
    }

    /// When it was linked: seconds since 1970.
    #[must_use]
    pub fn time_date_stamp(&self) -> u32 {
        self.time_date_stamp
    }

    /// Sections begin at multiples of this in memory, in bytes.
    #[must_use]
    pub fn section_alignment(&self) -> u32 {
        self.common.section_alignment.get()
    }

    /// Sections begin at multiples of this in the file, in bytes.
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

    /// Drivers, and a few programs that run before Windows is up.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.common.subsystem.get() == NATIVE
    }

    /// The checksum that the header states, 0 for none.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.common.checksum.get()
    }

    /// Where the checksum lies in the file, in bytes from its beginning.
    #[must_use]
    pub fn checksum_offset(&self) -> usize {
        self.checksum_offset
    }

    /// Place and length in bytes of a data directory, where there is one.
    #[must_use]
    pub fn directory(&self, which: Directory) -> Option<(Rva, u32)> {
        let entry = self.directories.get(which.index())?;
        let size = entry.size.get();
        (size != 0).then_some((Rva(entry.rva.get()), size))
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
