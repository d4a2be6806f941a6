//! Structures of the PE headers.
//!
//! Source: the PE format, "COFF File Header", "Optional Header", "Section Table".

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `IMAGE_DOS_HEADER`: only the first and the last field matter.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DosHeader {
    pub(crate) magic: [u8; 2],
    _unused: [u8; 58],
    pub(crate) e_lfanew: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileHeader {
    pub(crate) signature: [u8; 4],
    pub(crate) machine: U16,
    pub(crate) number_of_sections: U16,
    pub(crate) time_date_stamp: U32,
    _symbols: [u8; 8],
    pub(crate) size_of_optional_header: U16,
    _characteristics: U16,
}

/// The common part of PE32 and PE32+ after the image base.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Common {
    pub(crate) section_alignment: U32,
    pub(crate) file_alignment: U32,
    _versions: [u8; 16],
    pub(crate) size_of_image: U32,
    pub(crate) size_of_headers: U32,
    pub(crate) checksum: U32,
    pub(crate) subsystem: U16,
    _dll_characteristics: U16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Optional32 {
    pub(crate) magic: U16,
    _linker_and_sizes: [u8; 26],
    pub(crate) image_base: U32,
    pub(crate) common: Common,
    _stack_and_heap: [u8; 20],
    pub(crate) number_of_directories: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Optional64 {
    pub(crate) magic: U16,
    _linker_and_sizes: [u8; 22],
    pub(crate) image_base: U64,
    pub(crate) common: Common,
    _stack_and_heap: [u8; 36],
    pub(crate) number_of_directories: U32,
}

/// An entry of the data directory: an RVA and a length in bytes.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DataDirectory {
    pub(crate) rva: U32,
    pub(crate) size: U32,
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
