//! A page's write access, as the processor sees it.
//!
//! No exported call of these systems returns a kernel page's rights, but they map
//! the page tables at fixed addresses, the same on every system with the limiter
//! (XP and Server 2003; later ones randomise them):
//!
//! | | entry of an address V | the table of tables |
//! |---|---|---|
//! | x86 | C0000000h + (V >> 12) * 4 | C0300000h + (V >> 22) * 4 |
//! | x86, PAE | C0000000h + (V >> 12) * 8 | C0600000h + (V >> 21) * 8 |
//! | x64 | FFFFF68000000000h + (V >> 9 & 7FFFFFFFF8h) | the same, applied again, thrice |
//!
//! Bits (Intel's manual, volume 3, "Paging"): 0 present, 1 writable, 7 a large
//! page (in a directory entry), 12 and up the physical page. A page is writable
//! only if every level allows it.
//!
//! Addresses that are right on one system can be wrong on another, so the
//! tables alone are not trusted. The entry must name the physical page that the
//! system itself returns for the address (MmGetPhysicalAddress): a table at
//! another address, of another format, or no table at all does not. Then the
//! rights are those that the processor uses, with and without PAE and on x64. In
//! all other cases the rights are unknown, and the policy refuses.

/// A mode of address translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// x86 with entries of 4 bytes.
    Plain,
    /// x86 with PAE: entries of 8 bytes.
    Pae,
    /// x64: entries of 8 bytes, four levels.
    Long,
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;

impl Paging {
    /// Size of an entry in bytes.
    #[must_use]
    pub fn entry_size(self) -> usize {
        match self {
            Paging::Plain => 4,
            Paging::Pae | Paging::Long => 8,
        }
    }

    /// Addresses of the entries for an address, the top level first. (With PAE
    /// there is a level above them, of four entries without rights.)
    #[must_use]
    pub fn entries(self, address: u64) -> [Option<u64>; 4] {
        let (size, base, translated) = match self {
            Paging::Plain => (4, 0xC000_0000, 0xFFFF_FFFF),
            Paging::Pae => (8, 0xC000_0000, 0xFFFF_FFFF),
            Paging::Long => (8, 0xFFFF_F680_0000_0000_u64, 0xFFFF_FFFF_FFFF),
        };
        // The table is an array over all pages, so it contains its own entries.
        let entry = |of: u64| {
            let page = (of & translated) >> 12;
            base.wrapping_add(page.wrapping_mul(size))
        };
        let pte = entry(address);
        let pde = entry(pte);
        match self {
            Paging::Plain | Paging::Pae => [None, None, Some(pde), Some(pte)],
            Paging::Long => {
                let ppe = entry(pde);
                [Some(entry(ppe)), Some(ppe), Some(pde), Some(pte)]
            }
        }
    }

    /// The bits of an entry that name the physical page.
    fn frame(self) -> u64 {
        match self {
            Paging::Plain => 0xFFFF_F000,
            Paging::Pae | Paging::Long => 0x000F_FFFF_FFFF_F000,
        }
    }

    /// The offset bits of a large page.
    fn large_offset(self) -> u64 {
        match self {
            Paging::Plain => (1 << 22) - 1,
            Paging::Pae | Paging::Long => (1 << 21) - 1,
        }
    }

    /// Whether the page of `address` may be written; `None` where that is
    /// unknown. `read` reads an entry if its own page is in memory; `physical`
    /// gets the physical address from the system, once the tables are found.
    #[must_use]
    pub fn writable(
        self,
        address: u64,
        physical: impl FnOnce() -> u64,
        read: impl Fn(u64) -> Option<u64>,
    ) -> Option<bool> {
        let entries = self.entries(address);
        let mut writable = true;
        for (level, at) in entries.into_iter().enumerate() {
            let Some(at) = at else { continue };
            // The levels above are present, so this one can be read.
            let entry = read(at)?;
            if entry & PRESENT == 0 {
                return None;
            }
            writable &= entry & WRITABLE != 0;
            let offset = match level {
                2 if entry & LARGE != 0 => self.large_offset(),
                3 => 0xFFF,
                _ => continue,
            };
            let page = (entry & self.frame() & !offset) | (address & offset);
            return ((page ^ physical()) & self.frame() == 0).then_some(writable);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::vec::Vec;

    use super::*;

    const ALL: [(Paging, u64); 3] = [
        (Paging::Plain, 0xF7A3_B49C),
        (Paging::Pae, 0xF7A3_B49C),
        (Paging::Long, 0xFFFF_FADF_CC0A_0504),
    ];
    const PHYSICAL: u64 = 0x0123_4000;

    /// Tables that map the address as writable.
    fn tables(paging: Paging, address: u64) -> HashMap<u64, u64> {
        let mut tables: HashMap<u64, u64> = paging
            .entries(address)
            .into_iter()
            .flatten()
            .map(|at| (at, 0x00AB_C063))
            .collect();
        let pte = paging.entries(address)[3].into_iter();
        tables.extend(pte.map(|at| (at, PHYSICAL | 0x163)));
        tables
    }

    fn writable(paging: Paging, address: u64, tables: &HashMap<u64, u64>) -> Option<bool> {
        let physical = PHYSICAL | (address & 0xFFF);
        paging.writable(address, || physical, |at| tables.get(&at).copied())
    }

    #[test]
    fn entries_lie_where_the_systems_have_them() {
        // The formulas of other sources, level by level.
        for page in 0..0x1_0000_u64 {
            let v = 0x8000_0000 | (page.wrapping_mul(0x9_E377) << 12) & 0x7FFF_F000;
            let plain = [0xC030_0000 + (v >> 22) * 4, 0xC000_0000 + (v >> 12) * 4];
            let pae = [0xC060_0000 + (v >> 21) * 8, 0xC000_0000 + (v >> 12) * 8];
            assert_eq!(Paging::Plain.entries(v)[2..], plain.map(Some));
            assert_eq!(Paging::Pae.entries(v)[2..], pae.map(Some));
            let v = 0xFFFF_F800_0000_0000 | v << 9;
            let long = [
                0xFFFF_F6FB_7DBE_D000 + ((v >> 36) & 0xFF8),
                0xFFFF_F6FB_7DA0_0000 + ((v >> 27) & 0x1F_FFF8),
                0xFFFF_F6FB_4000_0000 + ((v >> 18) & 0x3FFF_FFF8),
                0xFFFF_F680_0000_0000 + ((v >> 9) & 0x7F_FFFF_FFF8),
            ];
            assert_eq!(Paging::Long.entries(v), long.map(Some));
        }
    }

    #[test]
    fn a_page_is_writable_only_if_every_level_allows_it() {
        for (paging, address) in ALL {
            let tables = tables(paging, address);
            assert_eq!(writable(paging, address, &tables), Some(true), "{paging:?}");
            for at in tables.keys() {
                let mut without = tables.clone();
                without.entry(*at).and_modify(|entry| *entry &= !2);
                assert_eq!(
                    writable(paging, address, &without),
                    Some(false),
                    "{paging:?}"
                );
            }
        }
    }

    #[test]
    fn a_missing_or_not_present_entry_leaves_the_rights_unknown() {
        for (paging, address) in ALL {
            let tables = tables(paging, address);
            for at in tables.keys() {
                let mut absent = tables.clone();
                absent.remove(at);
                assert_eq!(writable(paging, address, &absent), None, "{paging:?}");
                let mut not_present = tables.clone();
                not_present.entry(*at).and_modify(|entry| *entry &= !1);
                assert_eq!(writable(paging, address, &not_present), None, "{paging:?}");
            }
        }
    }

    #[test]
    fn a_table_that_names_another_physical_page_is_rejected() {
        for (paging, address) in ALL {
            let mut tables = tables(paging, address);
            let pte = paging.entries(address)[3].unwrap_or_default();
            tables.insert(pte, (PHYSICAL + 0x1000) | 0x163);
            assert_eq!(writable(paging, address, &tables), None, "{paging:?}");
        }
    }

    #[test]
    fn a_level_is_read_only_once_those_above_are_present() {
        for (paging, address) in ALL {
            let levels: Vec<u64> = paging.entries(address).into_iter().flatten().collect();
            let tables = tables(paging, address);
            for (level, missing) in levels.iter().enumerate() {
                let read = |at: u64| {
                    let place = levels.iter().position(|&entry| entry == at);
                    assert!(place.is_some_and(|place| place <= level), "{paging:?}");
                    let entry = tables.get(&at).copied()?;
                    Some(if at == *missing { entry & !1 } else { entry })
                };
                assert_eq!(paging.writable(address, || PHYSICAL, read), None);
            }
        }
    }

    #[test]
    fn a_large_page_has_its_rights_in_the_directory() {
        for (paging, address) in ALL {
            let pde = paging.entries(address)[2].unwrap_or_default();
            let pte = paging.entries(address)[3].unwrap_or_default();
            // Large pages have 4 MiB, with PAE 2 MiB.
            let bits = if paging == Paging::Plain { 22 } else { 21 };
            let offset = address % (1 << bits);
            let physical = 0x0800_0000 | offset;
            for (bits, answer) in [(0x1E3, Some(true)), (0x1E1, Some(false))] {
                let mut tables = tables(paging, address);
                tables.remove(&pte);
                tables.insert(pde, 0x0800_0000 | bits);
                let read = |at: u64| tables.get(&at).copied();
                assert_eq!(paging.writable(address, || physical, read), answer);
                let elsewhere = physical ^ 0x40_0000;
                assert_eq!(paging.writable(address, || elsewhere, read), None);
            }
        }
    }
}
