//! Evidence: every operand that the answer depends on is relocated (files for x86).

use scanner_core::{Directory, Evidence, Image, RelocationKind, Relocations, Rva};
use specimen::{Arch, Specimen};

use crate::edit::{driver, dword, put, specimens};
use crate::search::{in_file, module, of_file};

/// Entries of the relocation table: file offset and RVA.
pub(crate) fn relocations(specimen: &Specimen) -> Vec<(usize, u32)> {
    let table = specimen.sections.last().unwrap();
    assert!(table.name.starts_with(b".reloc"));
    let (mut block, mut all) = (table.offset as usize, Vec::new());
    let end = block + table.virtual_size as usize;
    while block < end {
        let (page, size) = (
            dword(&specimen.file, block),
            dword(&specimen.file, block + 4),
        );
        for at in (block + 8..block + size as usize).step_by(2) {
            let entry = u16::from_le_bytes([specimen.file[at], specimen.file[at + 1]]);
            all.push((at, page + u32::from(entry & 0xFFF)));
        }
        block += size as usize;
    }
    all
}

#[test]
fn on_x86_every_operand_of_the_evidence_must_be_relocated() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X86) {
        let truth = &built.truth;
        let gates = truth.gates.iter().zip(&truth.gate_lens);
        let gates = gates.map(|(&at, &length)| at..at + length);
        // An update's operand begins within its first bytes.
        let updates = truth.atomics.iter().map(|&at| at..at + 5);
        // One of several queue tests is enough.
        let only_test = truth.queue_tests.first().map(|&at| at..at + 4);
        let only_test = only_test.filter(|_| truth.queue_tests.len() == 1);
        let tests = usize::from(only_test.is_some());
        let proofs: Vec<_> = gates.chain(updates).chain(only_test).collect();
        let (mut rests, mut others) = (0, 0);
        for (entry, operand) in relocations(&built) {
            let counts = proofs.iter().any(|proof| proof.contains(&operand));
            others += usize::from(!counts);
            // A few of the others are enough.
            if !counts && others % 64 != 0 {
                continue;
            }
            let mut specimen = built.clone();
            specimen.file[entry + 1] &= 0x0F;
            let expected: &[Evidence] = match counts {
                true => &[Evidence::Relocated],
                false => &[],
            };
            rests += usize::from(counts);
            assert_eq!(in_file(&specimen).missing(), expected, "{operand:X}");
        }
        assert_eq!(rests, 4 + truth.atomics.len() + tests);
    }
}

/// A driver with this entry as the first of its second block, and the page of that
/// block.
fn with_entry(entry: u16) -> (Specimen, u32) {
    let mut driver = driver();
    let table = driver.sections.last().unwrap().offset as usize;
    let block = table + dword(&driver.file, table + 4) as usize;
    let page = dword(&driver.file, block);
    put(&mut driver, block + 8, &entry.to_le_bytes());
    (driver, page)
}

#[test]
fn every_entry_is_read_with_its_kind() {
    for (kind, read) in [
        (3, RelocationKind::HighLow),
        (10, RelocationKind::Dir64),
        (0, RelocationKind::Other),
        (2, RelocationKind::Other),
        (11, RelocationKind::Other),
    ] {
        let (driver, page) = with_entry(kind << 12 | 0x123);
        let image = Image::from_file(&driver.file).unwrap();
        let all: Vec<_> = Relocations::new(&image).collect();
        let places: Vec<_> = all.iter().map(|(place, _)| place.0).collect();
        let expected = relocations(&driver);
        assert!(
            places
                .into_iter()
                .eq(expected.iter().map(|&(_, place)| place))
        );
        assert!(all.contains(&(Rva(page + 0x123), read)), "{kind}");
    }
}

#[test]
fn only_entries_of_the_own_page_cover_a_place() {
    // The first byte of the page, which is not the next page's.
    let (driver, page) = with_entry(3 << 12);
    let image = Image::from_file(&driver.file).unwrap();
    let covered = Relocations::new(&image);
    let dwords = covered
        .clone()
        .filter(|&(_, kind)| kind == RelocationKind::HighLow);
    let dwords: Vec<u32> = dwords.map(|(place, _)| place.0).collect();
    assert!(dwords.contains(&page) && !dwords.contains(&(page + 0x1000)));
    for rva in page - 0x1000..page + 0x1010 {
        assert_eq!(covered.covers(Rva(rva)), dwords.contains(&rva), "{rva:X}");
    }
}

#[test]
fn a_table_with_an_incomplete_block_is_truncated() {
    let built = driver();
    let image = Image::from_file(&built.file).unwrap();
    let mut table = Relocations::new(&image);
    assert!(table.is_truncated());
    let all = table.clone().count();
    assert!(table.by_ref().nth(all - 2).is_some());
    assert!(table.is_truncated());
    assert!(table.next().is_some() && !table.is_truncated());

    // The last block ends two entries earlier.
    let placed = built.sections.last().unwrap();
    let (mut block, end) = (placed.offset, placed.offset + placed.virtual_size);
    while block + dword(&built.file, block as usize + 4) < end {
        block += dword(&built.file, block as usize + 4);
    }
    let size = dword(&built.file, block as usize + 4) - 4;
    for (left, cut) in [
        ([0; 4], false),
        ([0, 0, 0, 0x30], true),
        ([1, 0, 0, 0], true),
    ] {
        let mut driver = built.clone();
        put(&mut driver, block as usize + 4, &size.to_le_bytes());
        put(&mut driver, (block + size) as usize, &left);
        let image = Image::from_file(&driver.file).unwrap();
        let mut table = Relocations::new(&image);
        assert_eq!(table.by_ref().count(), all - 2);
        assert_eq!(table.is_truncated(), cut, "{left:X?}");
    }
}

#[test]
fn on_x86_the_relocation_table_must_be_one_of_this_code() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X86) {
        let mut file = built.file.clone();
        let image = Image::from_file(&built.file).unwrap();
        let (rva, size) = image.headers().directory(Directory::Relocation).unwrap();
        let directory = [rva.0, size].map(u32::to_le_bytes).concat();
        let at = file.windows(8).position(|bytes| bytes == directory);
        file[at.unwrap()..][..8].fill(0);
        let claimed = module(&built.spec);
        let missing = of_file(&file, claimed).missing();
        assert!(missing.contains(&Evidence::Relocated), "{missing:?}");

        // Zeros in place of addresses, far from the evidence.
        let mut file = built.file.clone();
        let table = built.sections.last().unwrap();
        let mut block = table.offset as usize;
        let end = block + table.virtual_size as usize;
        let (mut blocks, mut changed) = (0, 0);
        while block < end {
            let (page, size) = (dword(&file, block), dword(&file, block + 4) as usize);
            let evidence = |rva: u32| {
                let truth = &built.truth;
                let gates = truth.gates.iter().chain(&truth.atomics);
                gates
                    .chain(&truth.queue_tests)
                    .any(|&at| rva.abs_diff(at) < 0x1800)
            };
            blocks += 1;
            if !evidence(page + 0x800) && changed * 8 <= blocks {
                // The first entries of the block point to no address.
                for entry in (block + 8..block + size).step_by(2).take(2) {
                    let place = page
                        + u32::from(u16::from_le_bytes([file[entry], file[entry + 1]]) & 0xFFF);
                    let section = built
                        .sections
                        .iter()
                        .find(|s| s.file_offset(place).is_some());
                    let offset = section.unwrap().file_offset(place).unwrap() as usize;
                    file[offset..offset + 4].fill(0);
                }
                changed += 1;
            }
            block += size;
        }
        assert!(changed * 16 > blocks, "{changed} of {blocks}");
        let missing = of_file(&file, claimed).missing();
        assert_eq!(missing, [Evidence::Relocated], "{changed} of {blocks}");
    }
}
