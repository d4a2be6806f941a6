//! Evidence: calls around each gate reach functions of the exception table (x64).

use scanner_core::{Evidence, Headers, Image, ImageError, MappedSection};
use specimen::Arch;

use crate::edit::{dword, is_evidence, put, specimens};
use crate::nearby_calls::{calls, tally};
use crate::search::{in_file, live_code, truth};

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
                let verdict = in_file(&specimen);
                if u32::from(hits) * 2 < u32::from(total) {
                    assert_eq!(verdict.missing(), [Evidence::LocalFunctions]);
                    was_refused = true;
                    break;
                }
                was_located |= verdict == truth(&built);
                // One byte behind a function's first.
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

#[test]
fn a_call_behind_the_last_byte_of_the_section_does_not_count() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X64) {
        let text = built.sections[0];
        let gate = built.truth.gates[0];
        let offset = |rva: u32| (rva - text.rva + text.offset) as usize;
        let free = |rva: &u32| {
            let bytes = offset(*rva)..offset(*rva) + 8;
            !is_evidence(&built, &bytes) && built.file[bytes].iter().all(|it| *it != 0xE8)
        };
        let at = (gate..gate + 0x800).find(free).unwrap();
        let counted = |target: u32| {
            let mut specimen = built.clone();
            let distance = target.wrapping_sub(at + 5).to_le_bytes();
            put(
                &mut specimen,
                offset(at),
                &[&[0xE8][..], &distance].concat(),
            );
            tally(&specimen, 0, Evidence::LocalFunctions).1
        };
        let end = text.rva + text.virtual_size;
        assert_eq!(counted(end), counted(end + 0x10));
        assert_eq!(counted(end - 1), counted(end) + 1);
        assert_eq!(counted(text.rva - 1), counted(end));
        assert_eq!(counted(text.rva), counted(end) + 1);
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
            assert_eq!(in_file(&specimen).missing(), [Evidence::LocalFunctions]);
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
        // In its section, but misaligned or with an incomplete entry.
        for (rva, size) in [
            (table.rva.0 + 2, table.size - 12),
            (table.rva.0, table.size - 4),
        ] {
            changed(directory, &[rva, size].map(u32::to_le_bytes).concat());
        }

        // In memory the whole table must be provided.
        let loaded = built.load(built.spec.arch.bases()[0]);
        let code = live_code(&loaded);
        let error = |code: &[MappedSection<'_>]| {
            Image::from_memory(&loaded.headers, loaded.base, loaded.size, code).err()
        };
        let missing = Some(ImageError::SectionNotMapped(table.section));
        let (handed, rest) = code.split_last().unwrap();
        assert_eq!((handed.rva, error(&code)), (table.rva, None));
        assert_eq!(error(rest), missing);
        let mut cut = code.clone();
        cut.last_mut().unwrap().bytes = &handed.bytes[1..];
        assert_eq!(error(&cut), missing);
    }
}

#[test]
fn an_unsorted_exception_table_is_refused() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X64) {
        let table = built
            .sections
            .iter()
            .find(|s| s.name.starts_with(b".pdata"));
        let table = table.unwrap().offset as usize;
        let mut specimen = built.clone();
        specimen.file[table..table + 24].rotate_left(12);
        assert_eq!(in_file(&specimen).missing(), [Evidence::LocalFunctions]);
    }
}
