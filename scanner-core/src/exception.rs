//! The exception table of an x64 image, which lists its functions.
//!
//! Source: the PE format, "The .pdata Section".

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::image::Image;
use crate::rva::Rva;

/// `IMAGE_RUNTIME_FUNCTION_ENTRY`.
#[derive(Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Entry {
    begin: U32,
    end: U32,
    _unwind_info: U32,
}

/// The functions, and parts of functions, in the table, "sorted according to the
/// function addresses".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Functions<'a>(&'a [Entry]);

impl<'a> Functions<'a> {
    /// The functions of an image whose table is available and fully sorted. A
    /// table combined from two is not sorted.
    pub(crate) fn new(image: &Image<'a>) -> Option<Functions<'a>> {
        let entries = <[Entry]>::ref_from_bytes(image.exception_table()?).ok()?;
        let mut lowest = 0;
        for entry in entries {
            let begin = entry.begin.get();
            if begin < lowest || entry.end.get() <= begin {
                return None;
            }
            lowest = begin.checked_add(1)?;
        }
        Some(Functions(entries))
    }

    /// Whether a function begins there.
    pub(crate) fn begin_at(self, rva: Rva) -> bool {
        let Functions(entries) = self;
        let place = entries.binary_search_by_key(&rva.0, |entry| entry.begin.get());
        place.is_ok()
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]
mod tests {
    extern crate std;
    use super::*;
    use crate::headers::Headers;
    use crate::image::MappedSection;
    use crate::section::Section;
    use std::vec::Vec;

    const FILE: &[u8] = include_bytes!("../../corpus/specimens/tcpip-xp-x64.sys");

    /// The functions of a driver with this exception table, padded with zeros.
    fn with_table(table: &[(u32, u32)], look: impl FnOnce(Option<Functions<'_>>)) {
        let image = Image::from_file(FILE).unwrap();
        let (base, size) = (0xFFFF_FADF_0000_0000, image.headers().size_of_image());
        let mut headers = FILE[..0x1000].to_vec();
        let place = image.headers().exception_table().unwrap();
        let bytes = place.size.to_le_bytes();
        let field = headers.windows(4).position(|field| field == bytes).unwrap();
        let length = u32::try_from(table.len() * 12).unwrap();
        headers[field..field + 4].copy_from_slice(&length.to_le_bytes());
        let headers = &headers[..];

        let parsed = Headers::parse_loaded(headers, base, size).unwrap();
        let text = parsed.sections().find(Section::is_live_code).unwrap();
        let code = std::vec![0x90; usize::try_from(text.extent()).unwrap()];
        let table: Vec<u8> = table
            .iter()
            .flat_map(|&(begin, end)| [begin, end, 0].map(u32::to_le_bytes))
            .flatten()
            .collect();
        let mapped = [(text.rva(), &code[..]), (place.rva, &table)];
        let mapped = mapped.map(|(rva, bytes)| MappedSection { rva, bytes });
        let image = Image::from_memory(headers, base, size, &mapped).unwrap();
        look(Functions::new(&image));
    }

    #[test]
    fn every_begin_is_found_and_nothing_else() {
        for length in 1..20_u32 {
            let table: Vec<_> = (0..length).map(|n| (16 * n + 16, 16 * n + 28)).collect();
            with_table(&table, |functions| {
                for rva in 0..16 * length + 32 {
                    let is_begin = table.iter().any(|&(begin, _)| begin == rva);
                    assert_eq!(functions.unwrap().begin_at(Rva(rva)), is_begin, "{rva}");
                }
            });
        }
    }

    #[test]
    fn a_table_with_an_entry_out_of_order_or_without_bytes_is_none() {
        let sound = [(0x10, 0x20), (0x20, 0x30), (0x40, 0x50)];
        with_table(&sound, |functions| assert!(functions.is_some()));
        // At the first byte, and one byte long.
        let short = [(0, 1), (1, 2), (2, 0x10)];
        with_table(&short, |functions| assert!(functions.is_some()));
        for (place, entry) in [
            (1, (0x20, 0x20)),
            (1, (0x30, 0x20)),
            (0, (0x28, 0x38)),
            (2, (0x10, 0x18)),
            (2, (0x20, 0x50)),
            (2, (0, 0)),
        ] {
            let mut table = sound;
            table[place] = entry;
            with_table(&table, |functions| {
                assert!(functions.is_none(), "{entry:X?}");
            });
        }
    }
}
