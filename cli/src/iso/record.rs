//! Directory records: ECMA-119, 9.1.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};
use zerocopy::{big_endian, little_endian};

use super::error::DiscError;
use super::sector::SECTOR;

/// A number of four bytes, stored in both byte orders (ECMA-119, 7.3.3).
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BothOrders32 {
    little: little_endian::U32,
    big: big_endian::U32,
}

/// A number of two bytes, stored in both byte orders (ECMA-119, 7.2.3).
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BothOrders16 {
    little: little_endian::U16,
    big: big_endian::U16,
}

impl BothOrders32 {
    /// The number; `None` if the two differ.
    pub(super) fn value(self) -> Option<u32> {
        (self.little.get() == self.big.get()).then(|| self.little.get())
    }
}

impl BothOrders16 {
    /// The number; `None` if the two differ.
    pub(super) fn value(self) -> Option<u16> {
        (self.little.get() == self.big.get()).then(|| self.little.get())
    }
}

/// A number in both byte orders, as in the tables.
pub(crate) fn both_orders(number: u32) -> [u8; 8] {
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, d, c, b, a]
}

/// The kind of names in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Upper case, digits and `_`; longer names if the mastering program was lax.
    Primary,
    /// Unicode. Windows prefers these.
    Joliet,
    /// ISO 9660:1999: longer names of any bytes.
    Enhanced,
}

/// The extent of a file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Extent {
    /// Its first sector.
    pub(crate) start: u32,
    /// Its length in bytes.
    pub(crate) length: u32,
}

impl Extent {
    /// The first sector after it.
    pub(crate) fn end(self) -> u64 {
        u64::from(self.start) + u64::from(self.length.div_ceil(SECTOR))
    }
}

/// Offset in a record of the first sector and, after it, the length, in bytes; each in both byte
/// orders.
pub(crate) const RECORD_EXTENT: u64 = 2;

const DIRECTORY: u8 = 1 << 1;
const ASSOCIATED: u8 = 1 << 2;
const MULTI_EXTENT: u8 = 1 << 7;

/// A record up to its name.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    length: u8,
    /// Sectors of extended attributes before the content.
    attributes: u8,
    start: BothOrders32,
    size: BothOrders32,
    _date: [u8; 7],
    flags: u8,
    unit_size: u8,
    gap_size: u8,
    _volume: BothOrders16,
    name_length: u8,
}

const HEADER: usize = 33;
const _: () = assert!(size_of::<Header>() == HEADER);

/// A record whose numbers were checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    /// The extent of the content.
    pub(super) extent: Extent,
    flags: u8,
    /// Whether the extent is exactly the content.
    is_plain: bool,
}

impl Checked {
    pub(super) fn is_directory(self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// Whether its content is one run of sectors without attributes or gaps, and the whole file.
    pub(super) fn is_plain(self) -> bool {
        self.is_plain && self.flags & (ASSOCIATED | MULTI_EXTENT) == 0
    }
}

impl Header {
    /// Checks the numbers. `sector` and `offset` are its position, for the error text.
    pub(super) fn check(&self, sector: u32, offset: usize) -> Result<Checked, DiscError> {
        let byte_orders = |field: &'static str| DiscError::ByteOrders { sector, field };
        let start = self.start.value().ok_or(byte_orders("place of a file"))?;
        let length = self.size.value().ok_or(byte_orders("length of a file"))?;
        let start = start
            .checked_add(self.attributes.into())
            .ok_or(DiscError::Record { sector, offset })?;
        Ok(Checked {
            extent: Extent { start, length },
            flags: self.flags,
            is_plain: self.attributes == 0 && self.unit_size == 0 && self.gap_size == 0,
        })
    }
}

/// A record of a directory.
pub(super) struct Record<'a> {
    /// Its numbers.
    pub(super) checked: Checked,
    /// Its name as stored.
    pub(super) name: &'a [u8],
}

/// The records of a sector of a directory, each with its offset in the sector. No record crosses
/// into the next sector.
pub(super) fn records(
    sector: u32,
    bytes: &[u8],
) -> impl Iterator<Item = Result<(usize, Record<'_>), DiscError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // Zeros pad a sector.
        let length = usize::from(*bytes.get(at)?);
        if length == 0 {
            return None;
        }
        let offset = at;
        at += length;
        let record = bytes.get(offset..at).and_then(|record| {
            let (header, rest) = Header::ref_from_prefix(record).ok()?;
            Some((header, rest.get(..header.name_length.into())?))
        });
        Some(match record {
            Some((header, name)) if !name.is_empty() => header
                .check(sector, offset)
                .map(|checked| (offset, Record { checked, name })),
            _ => Err(DiscError::Record { sector, offset }),
        })
    })
}

impl Record<'_> {
    /// Whether it is the directory itself or its parent.
    pub(super) fn is_dot(&self) -> bool {
        matches!(self.name, [0 | 1])
    }

    /// The name without version number; path separators and undecodable units become `U+FFFD`.
    pub(super) fn text(&self, names: Names) -> String {
        let text: String = match names {
            Names::Joliet => {
                let (units, _) = self.name.as_chunks::<2>();
                let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
            Names::Primary | Names::Enhanced => {
                self.name.iter().map(|&byte| char::from(byte)).collect()
            }
        };
        let text = match text.rsplit_once(';') {
            Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &text,
        };
        let text = text.strip_suffix('.').unwrap_or(text);
        text.replace(['/', '\\', '\0'], "\u{FFFD}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &[u8], names: Names) -> String {
        let checked = Checked {
            extent: Extent::default(),
            flags: 0,
            is_plain: true,
        };
        Record { checked, name }.text(names)
    }

    #[test]
    fn a_name_is_that_of_the_file_without_its_version() {
        for (name, shown) in [
            (&b"TCPIP.SY_;1"[..], "TCPIP.SY_"),
            (b"README.;1", "README"),
            (b"TCPIP.SYS", "TCPIP.SYS"),
            (b"A;B", "A;B"),
            (b"A/TCPIP.SYS", "A\u{FFFD}TCPIP.SYS"),
        ] {
            assert_eq!(text(name, Names::Primary), shown);
        }
        assert_eq!(text(b"\0$\0O\0E\0M\0$", Names::Joliet), "$OEM$");
        assert_eq!(text(b"\xD8\x00\0a\0;\x001", Names::Joliet), "\u{FFFD}a");
    }

    #[test]
    fn a_number_is_stored_in_both_byte_orders() {
        let bytes = both_orders(0x0102_0304);
        assert_eq!(bytes, [4, 3, 2, 1, 1, 2, 3, 4]);
        let number = BothOrders32::read_from_bytes(&bytes).unwrap();
        assert_eq!(number.value(), Some(0x0102_0304));
        let torn = BothOrders32::read_from_bytes(&[4, 3, 2, 1, 1, 2, 3, 5]).unwrap();
        assert_eq!(torn.value(), None);
    }
}
