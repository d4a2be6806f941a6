//! What ties code to its place: each piece of it alone missing.

use scanner_core::{Directory, Evidence, Headers, Image, locate};
use specimen::{Arch, Spec, Specimen};
use verify::memory;
use verify::property::{self, Verdict};

/// Large enough for windows that leave other calls out.
fn specimens() -> impl Iterator<Item = Specimen> {
    Spec::kinds()
        .into_iter()
        .map(|(_, spec)| spec.sized(64).build())
}

fn verdict(specimen: &Specimen) -> Verdict {
    property::of_file(&specimen.file, property::module(specimen.spec.module))
}

fn dword(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

/// File offsets of calls with this opcode whose target is as said, within 1000h
/// bytes of a gate; and where their next instruction begins in memory.
fn calls(specimen: &Specimen, gate: u32, opcode: &[u8]) -> Vec<(usize, u32)> {
    let text = &specimen.sections[0];
    let window = gate.saturating_sub(0x1000).max(text.rva)..=gate + 0x1000;
    let end = text.rva + text.virtual_size;
    let places = window.filter(|at| at + 8 < end);
    places
        .map(|at| ((at - text.rva + text.offset) as usize, at))
        .filter(|&(at, _)| specimen.file[at..].starts_with(opcode))
        .map(|(at, rva)| (at, rva + u32::try_from(opcode.len()).unwrap() + 4))
        .collect()
}

/// Counts hits and all at a gate, as the locator does.
fn tally(specimen: &Specimen, gate: usize, piece: Evidence) -> (u16, u16) {
    let image = Image::from_file(&specimen.file).unwrap();
    let module = property::module(specimen.spec.module);
    let around = |findings: &scanner_core::Findings| {
        let around = findings.surroundings().nth(gate).copied().unwrap();
        match piece {
            Evidence::LocalImports => (around.imports.hits, around.imports.total),
            _ => (around.functions.hits, around.functions.total),
        }
    };
    match locate(&image, module) {
        Ok(located) => around(located.findings()),
        Err(refusal) => around(refusal.best().unwrap()),
    }
}

#[test]
fn at_each_gate_two_in_three_calls_through_pointers_must_land_in_the_import_table() {
    for built in specimens() {
        assert_eq!(verdict(&built), property::truth(&built));
        for gate in 0..2 {
            let mut specimen = built.clone();
            let rva = built.truth.gates[gate];
            let (mut was_refused, mut was_located) = (false, false);
            for (at, next) in calls(&built, rva, &[0xFF, 0x15]) {
                let (hits, total) = tally(&specimen, gate, Evidence::LocalImports);
                let enough = u32::from(hits) * 3 >= u32::from(total) * 2;
                let verdict = verdict(&specimen);
                if !enough {
                    // The other gate may be as near.
                    assert_eq!(verdict.missing(), [Evidence::LocalImports]);
                    was_refused = true;
                    break;
                }
                was_located |= verdict == property::truth(&built);
                // Between two entries.
                let value = dword(&specimen.file, at + 2).wrapping_add(1);
                let slot = match built.spec.arch {
                    Arch::X86 => value.wrapping_sub(built.image_base),
                    Arch::X64 => value.wrapping_add(next),
                };
                if built.slots.contains(&slot.wrapping_sub(1)) {
                    specimen.file[at + 2..at + 6].copy_from_slice(&value.to_le_bytes());
                }
            }
            assert!(was_refused && was_located, "{:?}", built.spec);
        }
    }
}

#[test]
fn at_each_gate_half_of_the_direct_calls_must_reach_a_function_on_x64() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X64) {
        let text = &built.sections[0];
        for gate in 0..2 {
            let mut specimen = built.clone();
            let rva = built.truth.gates[gate];
            let (mut was_refused, mut was_located) = (false, false);
            for (at, next) in calls(&built, rva, &[0xE8]) {
                let (hits, total) = tally(&specimen, gate, Evidence::LocalFunctions);
                let verdict = verdict(&specimen);
                if u32::from(hits) * 2 < u32::from(total) {
                    assert_eq!(verdict.missing(), [Evidence::LocalFunctions]);
                    was_refused = true;
                    break;
                }
                was_located |= verdict == property::truth(&built);
                // One byte further, where no function begins.
                let value = dword(&specimen.file, at + 1);
                let called = value.wrapping_add(next);
                if (text.rva..text.rva + text.virtual_size - 1).contains(&called) {
                    let value = value.wrapping_add(1).to_le_bytes();
                    specimen.file[at + 1..at + 5].copy_from_slice(&value);
                }
            }
            assert!(was_refused && was_located, "{:?}", built.spec);
        }
    }
}

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
            assert_eq!(verdict(&specimen).missing(), expected, "{operand:X}");
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
        let module = property::module(built.spec.module);
        let missing = property::of_file(&file, module).missing();
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
        let missing = property::of_file(&file, module).missing();
        assert_eq!(missing, [Evidence::Relocated], "{changed} of {blocks}");
    }
}

#[test]
fn the_exception_table_must_lie_where_it_stays_and_is_never_written() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X64) {
        let headers = Headers::parse(&built.file).unwrap();
        let table = headers.exception_table().unwrap();
        let section = &built.sections[usize::from(table.section)];
        assert!(section.name.starts_with(b".pdata"));
        assert_eq!(
            (table.rva.0, table.size),
            (section.rva, section.virtual_size)
        );
        let nt = dword(&built.file, 0x3C) as usize;
        let header = nt + 24 + 240 + 40 * usize::from(table.section);
        let directory = nt + 24 + 112 + 3 * 8;
        let changed = |at: usize, bytes: &[u8]| {
            let mut specimen = built.clone();
            specimen.file[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(
                Headers::parse(&specimen.file).unwrap().exception_table(),
                None
            );
            assert_eq!(verdict(&specimen).missing(), [Evidence::LocalFunctions]);
        };
        changed(header, b"PAGE");
        changed(header, b"INIT");
        // Discardable, paged, writable, not readable.
        for flags in [0x4A00_0040_u32, 0x4000_0040, 0xC800_0040, 0x0800_0040] {
            changed(header + 36, &flags.to_le_bytes());
        }
        changed(directory, &(table.rva.0 + 4).to_le_bytes());
        changed(directory, &(table.rva.0 + 2).to_le_bytes());
        changed(directory + 4, &(table.size + 4).to_le_bytes());
        changed(directory + 4, &[0; 4]);

        // Loaded, it has to be handed over, whole.
        let loaded = built.load(built.spec.arch.bases()[0]);
        let sections = memory::sections(&loaded);
        let code = memory::live_code(&loaded.headers, &sections).unwrap();
        let error = |code: &[scanner_core::MappedSection<'_>]| {
            Image::from_memory(&loaded.headers, loaded.base, loaded.size, code).err()
        };
        let missing = Some(scanner_core::ImageError::SectionNotMapped(table.section));
        let (handed, rest) = code.split_last().unwrap();
        assert_eq!((handed.rva, error(&code)), (table.rva, None));
        assert_eq!(error(rest), missing);
        let mut cut = code.clone();
        cut.last_mut().unwrap().bytes = &handed.bytes[1..];
        assert_eq!(error(&cut), missing);
    }
}

#[test]
fn an_exception_table_out_of_order_is_none() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X64) {
        let table = built
            .sections
            .iter()
            .find(|s| s.name.starts_with(b".pdata"));
        let table = table.unwrap().offset as usize;
        let mut specimen = built.clone();
        specimen.file[table..table + 24].rotate_left(12);
        assert_eq!(verdict(&specimen).missing(), [Evidence::LocalFunctions]);
    }
}
