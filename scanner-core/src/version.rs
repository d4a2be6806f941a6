//! The version resource: the file's version and original name.

use core::fmt;

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::headers::Directory;
use crate::image::Image;
use crate::read::dword;
use crate::rva::Rva;

const RT_VERSION: u32 = 16;
const SUBDIRECTORY: u32 = 0x8000_0000;
/// `VS_FIXEDFILEINFO.dwSignature`.
const FIXED_FILE_INFO: u32 = 0xFEEF_04BD;

/// `IMAGE_RESOURCE_DIRECTORY` (the PE format, "Resource Directory Table").
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DirectoryTable {
    _stamps: [u8; 12],
    named: U16,
    numbered: U16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DirectoryEntry {
    id: U32,
    offset: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DataEntry {
    rva: U32,
    size: U32,
}

/// Four numbers: 5.1.2600.5512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileVersion(pub [u16; 4]);

impl fmt::Display for FileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}

/// Text of a version resource: UTF-16, little-endian.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(&'a [U16]);

impl Text<'_> {
    /// Its characters; invalid UTF-16 becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> {
        char::decode_utf16(self.0.iter().map(|unit| unit.get()))
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Whether it equals this ASCII text, in upper or lower case.
    #[must_use]
    pub fn eq_ignore_ascii_case(&self, text: &str) -> bool {
        self.chars()
            .map(|unit| unit.to_ascii_lowercase())
            .eq(text.chars().map(|unit| unit.to_ascii_lowercase()))
    }
}

/// The bytes of an image's version resource, if available.
pub(crate) fn resource<'a>(image: &Image<'a>) -> Option<&'a [u8]> {
    let (rva, size) = image.headers().directory(Directory::Resource)?;
    let tree = image.read(rva, size)?;
    // Type, name, language: three levels, regardless of the offsets.
    let name = entry(tree, 0, Some(RT_VERSION))?;
    let language = entry(tree, name & !SUBDIRECTORY, None)?;
    let data = entry(tree, language & !SUBDIRECTORY, None)?;
    let at = usize::try_from(data).ok()?;
    let (data, _) = DataEntry::ref_from_prefix(tree.get(at..)?).ok()?;
    image.read(Rva(data.rva.get()), data.size.get())
}

/// The offset in an entry of a directory table: the one with this id, or the
/// first.
fn entry(tree: &[u8], table: u32, id: Option<u32>) -> Option<u32> {
    let bytes = tree.get(usize::try_from(table).ok()?..)?;
    let (table, entries) = DirectoryTable::ref_from_prefix(bytes).ok()?;
    let count = usize::from(table.named.get()).saturating_add(usize::from(table.numbered.get()));
    let (entries, _) = <[DirectoryEntry]>::ref_from_prefix_with_elems(entries, count).ok()?;
    entries
        .iter()
        .find(|entry| id.is_none_or(|id| entry.id.get() == id))
        .map(|entry| entry.offset.get())
}

/// The file version in a version resource.
pub(crate) fn file_version(resource: &[u8]) -> Option<FileVersion> {
    // The fixed part follows the key "VS_VERSION_INFO", dword-aligned.
    let at = (0..64)
        .step_by(4)
        .find(|&at| dword(resource, at) == Some(FIXED_FILE_INFO))?;
    let high = dword(resource, at.checked_add(8)?)?;
    let low = dword(resource, at.checked_add(12)?)?;
    let [b0, b1, a0, a1] = high.to_le_bytes();
    let [d0, d1, c0, c1] = low.to_le_bytes();
    Some(FileVersion([
        u16::from_le_bytes([a0, a1]),
        u16::from_le_bytes([b0, b1]),
        u16::from_le_bytes([c0, c1]),
        u16::from_le_bytes([d0, d1]),
    ]))
}

/// The value of a string in a version resource, "OriginalFilename" for one:
/// the text after the key, its zero and padding.
pub(crate) fn string<'a>(resource: &'a [u8], key: &str) -> Option<Text<'a>> {
    let even = resource.len() & !1;
    let units = <[U16]>::ref_from_bytes(resource.get(..even)?).ok()?;
    let length = key.len();
    let at = units.windows(length.checked_add(1)?).position(|window| {
        window
            .iter()
            .map(|unit| unit.get())
            .eq(key.bytes().map(u16::from).chain([0]))
    })?;
    let value = units.get(at.checked_add(length)?..)?;
    let start = value.iter().position(|unit| unit.get() != 0)?;
    let value = value.get(start..)?;
    let end = value.iter().position(|unit| unit.get() == 0)?;
    value.get(..end).map(Text)
}
