//! Page tables at NT's fixed addresses: an array of entries for the whole address
//! space, of which only the needed pages are mapped.

use std::collections::BTreeMap;

use crate::address::{PAGE, to_usize};

/// A page table format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// x86, entries of 4 bytes, two levels.
    Plain,
    /// x86 with PAE, entries of 8 bytes, and two levels that have rights.
    Pae,
    /// x64, entries of 8 bytes, four levels.
    Long,
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const LARGE: u64 = 1 << 7;
/// Accessed, dirty and global, as in entries of the kernel.
const KERNEL: u64 = 0x160;
const NO_EXECUTE: u64 = 1 << 63;

/// A page of the address space.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// Virtual address.
    pub address: u64,
    /// Physical address of the page.
    pub physical: u64,
    /// Whether it is writable.
    pub writable: bool,
}

/// The levels above a page's own entry.
#[derive(Debug, Clone, Copy)]
pub struct UpperLevels {
    /// Whether their entries allow writes.
    pub writable: bool,
    /// Whether pages are large, as those of NT's kernel: the page's own entry is in the
    /// directory, and mappings that share a large page have the rights of the last.
    pub large: bool,
}

/// Pages of the tables, by address.
pub type PageTables = BTreeMap<u64, Vec<u8>>;

impl Format {
    /// Addresses of the entries for an address, from its page's own entry up (formulas
    /// of Microsoft's headers).
    #[must_use]
    pub fn entry_addresses(self, address: u64) -> Vec<u64> {
        match self {
            Format::Plain => vec![
                0xC000_0000 + (address >> 12) * 4,
                0xC030_0000 + (address >> 22) * 4,
            ],
            Format::Pae => vec![
                0xC000_0000 + (address >> 12) * 8,
                0xC060_0000 + (address >> 21) * 8,
            ],
            Format::Long => vec![
                0xFFFF_F680_0000_0000 + (address >> 9 & 0x7F_FFFF_FFF8),
                0xFFFF_F6FB_4000_0000 + (address >> 18 & 0x3FFF_FFF8),
                0xFFFF_F6FB_7DA0_0000 + (address >> 27 & 0x1F_FFF8),
                0xFFFF_F6FB_7DBE_D000 + (address >> 36 & 0xFF8),
            ],
        }
    }

    /// Size of an entry in bytes.
    fn entry_size(self) -> usize {
        if self == Format::Plain { 4 } else { 8 }
    }

    /// Size of a large page in bytes.
    #[must_use]
    pub fn large_page_size(self) -> u64 {
        if self == Format::Plain {
            1 << 22
        } else {
            1 << 21
        }
    }

    /// Tables that map these pages; `no_execute` sets that bit in formats that have it.
    #[must_use]
    pub fn page_tables(
        self,
        pages: &[Mapping],
        above: UpperLevels,
        no_execute: bool,
    ) -> PageTables {
        let UpperLevels { writable, large } = above;
        let mut tables = PageTables::new();
        for page in pages {
            let entries = self.entry_addresses(page.address);
            let rights = PRESENT | KERNEL | if page.writable { WRITABLE } else { 0 };
            let rights = match self {
                Format::Pae | Format::Long if no_execute => rights | NO_EXECUTE,
                _ => rights,
            };
            let (own, above) = entries.split_at(1 + usize::from(large));
            let (place, frame) = match (large, own) {
                (false, [pte, ..]) => (*pte, page.physical | rights),
                (true, [.., pde]) => {
                    let first = page.physical & !(self.large_page_size() - 1);
                    (*pde, first | rights | LARGE)
                }
                _ => unreachable!("there are two levels at least"),
            };
            self.put(&mut tables, place, frame);
            for &entry in above {
                // The tables' physical addresses do not matter.
                let table = 0x0003_9000 | PRESENT | if writable { WRITABLE } else { 0 } | 0x60;
                self.put(&mut tables, entry, table);
            }
        }
        tables
    }

    fn put(self, tables: &mut PageTables, at: u64, entry: u64) {
        let page = tables
            .entry(at & !(PAGE - 1))
            .or_insert_with(|| vec![0; to_usize(PAGE)]);
        let bytes = entry.to_le_bytes();
        page[to_usize(at & (PAGE - 1))..][..self.entry_size()]
            .copy_from_slice(&bytes[..self.entry_size()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_mapped_by_the_levels_above_it() {
        for (format, address) in [
            (Format::Plain, 0xF7A3_B000),
            (Format::Pae, 0xF7A3_B000),
            (Format::Long, 0xFFFF_FADF_E1A2_3000),
        ] {
            let page = Mapping {
                address,
                physical: 0x0123_4000,
                writable: true,
            };
            let above = UpperLevels {
                writable: true,
                large: false,
            };
            let tables = format.page_tables(&[page], above, true);
            // Each level has its own page.
            let levels = format.entry_addresses(address);
            assert_eq!(tables.len(), levels.len(), "{format:?}");
            // The entry of an entry's page is the entry one level up.
            for pair in levels.windows(2) {
                assert_eq!(format.entry_addresses(pair[0])[0], pair[1], "{format:?}");
            }
        }
    }
}
