//! Evidence: every operand that the answer rests on is relocated (files for x86).

use scanner_core::{Directory, Evidence, Image};
use specimen::{Arch, Specimen};

use crate::edit::{dword, specimens};
use crate::search::{in_file, module, of_file};

/// File offsets of entries of the relocation table, with what they name.
fn relocations(specimen: &Specimen) -> Vec<(usize, u32)> {
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
        // An update's address or operand begins within its first bytes.
        let updates = truth.atomics.iter().map(|&at| at..at + 5);
        // Of several queue tests one will do.
        let only_test = truth.queue_tests.first().map(|&at| at..at + 4);
        let only_test = only_test.filter(|_| truth.queue_tests.len() == 1);
        let tests = usize::from(only_test.is_some());
        let proofs: Vec<_> = gates.chain(updates).chain(only_test).collect();
        let (mut rests, mut others) = (0, 0);
        for (entry, operand) in relocations(&built) {
            let counts = proofs.iter().any(|proof| proof.contains(&operand));
            others += usize::from(!counts);
            // Of the others a few will do.
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

        // Zeros where addresses were, far from what the answer rests on.
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
                // The first entries of the block name bytes that hold no address.
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
