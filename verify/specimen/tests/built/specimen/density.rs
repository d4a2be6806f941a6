//! Code is as dense as in the measured images: its bytes, its opcodes, and its
//! local evidence.

use std::ops::Range;

use proptest::prelude::{ProptestConfig, any, proptest};
use specimen::{Arch, Module, Spec, Specimen};

use crate::specimen::listing;

/// Counts in 10,000 bytes: XP SP3 x86, Server 2003 SP2 x86, XP x64 SP2.
const BYTES: &str = include_str!("../../../src/genuine_bytes.tsv");

/// Counts in 10,000 bytes of `.text`, measured: XP SP3 x86, Server 2003 SP2 x86
/// and XP x64 SP2 (`None` where it was not counted).
const COUNTS: [(&str, Pattern, [Option<f64>; 3]); 13] = [
    ("A1", Pattern::Byte(0xA1), [Some(19.9), Some(21.9), None]),
    ("A3", Pattern::Byte(0xA3), [Some(6.3), Some(7.1), None]),
    (
        "direct 8B",
        Pattern::Direct(0x8B),
        [Some(18.4), Some(19.7), Some(33.3)],
    ),
    ("direct 8D", Pattern::Direct(0x8D), [None, None, Some(29.3)]),
    (
        "direct 89",
        Pattern::Direct(0x89),
        [Some(5.3), Some(3.2), Some(5.5)],
    ),
    (
        "direct 39",
        Pattern::Direct(0x39),
        [Some(5.3), Some(5.1), Some(2.1)],
    ),
    (
        "direct 3B",
        Pattern::Direct(0x3B),
        [Some(4.1), Some(4.0), Some(1.7)],
    ),
    (
        "direct 83",
        Pattern::Direct(0x83),
        [Some(3.8), Some(3.5), Some(3.5)],
    ),
    (
        "E8",
        Pattern::Byte(0xE8),
        [Some(128.2), Some(127.9), Some(72.4)],
    ),
    (
        "E9",
        Pattern::Byte(0xE9),
        [Some(103.5), Some(101.3), Some(65.0)],
    ),
    (
        "FF 15",
        Pattern::Pair(0xFF, 0xFF, 0x15),
        [Some(79.9), Some(87.2), Some(96.6)],
    ),
    (
        "F0",
        Pattern::Byte(0xF0),
        [Some(40.8), Some(40.8), Some(30.0)],
    ),
    (
        "0F 8x",
        Pattern::Pair(0x0F, 0xF0, 0x80),
        [Some(153.7), Some(150.8), None],
    ),
];

#[derive(Clone, Copy)]
enum Pattern {
    Byte(u8),
    /// An opcode with a direct operand.
    Direct(u8),
    /// A byte, and of the next one these bits.
    Pair(u8, u8, u8),
}

impl Pattern {
    fn count(self, code: &[u8]) -> usize {
        let pairs = |is: &dyn Fn(u8, u8) -> bool| {
            code.windows(2).filter(|pair| is(pair[0], pair[1])).count()
        };
        match self {
            Self::Byte(byte) => code.iter().filter(|&&other| other == byte).count(),
            Self::Direct(opcode) => pairs(&|one, next| one == opcode && next & 0xC7 == 5),
            Self::Pair(byte, mask, bits) => pairs(&|one, next| one == byte && next & mask == bits),
        }
    }
}

/// Each preset as large as its measured image, with the column that it is
/// compared with.
fn measured() -> [(&'static str, Specimen, usize); 5] {
    let columns = [0, 1, 2, 0, 2];
    let mut columns = columns.into_iter();
    Spec::full_size_presets().map(|(name, spec)| {
        (
            name,
            spec.build(),
            columns.next().expect("a column for each"),
        )
    })
}

fn text(specimen: &Specimen) -> &[u8] {
    let text = listing::section(specimen, b".text\0\0\0");
    &specimen.file[text.offset as usize..][..text.virtual_size as usize]
}

fn per_10_000(count: usize, code: &[u8]) -> f64 {
    count as f64 * 10_000.0 / code.len() as f64
}

#[test]
fn bytes_are_as_common_as_in_genuine_code() {
    let genuine: Vec<Vec<f64>> = BYTES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            line.split('\t')
                .skip(1)
                .map(|cell| cell.parse().expect("a count"))
                .collect()
        })
        .collect();
    assert_eq!(genuine.len(), 256);
    for (name, specimen, column) in measured() {
        let code = text(&specimen);
        let mut counts = [0_usize; 256];
        code.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let mut differ = 0.0;
        for (byte, (&count, row)) in counts.iter().zip(&genuine).enumerate() {
            let (here, there) = (per_10_000(count, code), row[column]);
            differ += (here - there).abs() / 2.0;
            // Bytes of addresses depend on the sections' positions.
            let address = (1..=6).contains(&byte) || (0xE0..=0xFE).contains(&byte);
            let off = here > 1.6 * there || here < 0.6 * there;
            assert!(
                there < 60.0 || address || !off,
                "{name}: {byte:02X} {here:.0}, not {there}"
            );
        }
        println!("{name}: {differ:.0} of 10,000 bytes are others");
        // Two genuine builds differ in 520, x86 and x64 in 2,700.
        assert!(differ < 1000.0, "{name}: {differ:.0}");
    }
}

#[test]
fn instructions_are_as_common_as_in_genuine_code() {
    for (name, specimen, column) in measured() {
        let code = &without_addresses(&specimen)[..];
        for (what, pattern, genuine) in COUNTS {
            let Some(genuine) = genuine[column] else {
                continue;
            };
            let here = per_10_000(pattern.count(code), code);
            println!("{name}: {what} {here:.1}, {genuine}");
            let (low, high) = (genuine * 0.6 - 1.0, genuine * 1.4 + 1.0);
            // The other driver has more calls of imports.
            assert!(
                (low..high).contains(&here),
                "{name}: {what} {here:.1}, not {genuine}"
            );
        }
        if specimen.spec.arch == Arch::X86 {
            // Into .text, .rdata and .data.
            for (section, genuine) in specimen.sections.iter().zip([14.1, 84.3, 95.5]) {
                let here = relocated(&specimen, section.rva..section.rva + section.virtual_size);
                let here = per_10_000(here, code);
                println!("{name}: relocated {here:.1}, {genuine}");
                assert!(
                    (genuine * 0.6..genuine * 1.4).contains(&here),
                    "{name}: {here:.1}"
                );
            }
        }
    }
}

/// The code with zeros for addresses, whose bytes depend on the sections'
/// positions.
fn without_addresses(specimen: &Specimen) -> Vec<u8> {
    let text = listing::section(specimen, b".text\0\0\0");
    let mut code = self::text(specimen).to_vec();
    for pointer in &specimen.pointers {
        let place = pointer.checked_sub(text.rva).map(|at| at as usize);
        if let Some(bytes) = place.and_then(|at| code.get_mut(at..at + 4)) {
            bytes.fill(0);
        }
    }
    code
}

/// Relocated dwords of `.text` that point to a range.
fn relocated(specimen: &Specimen, range: Range<u32>) -> usize {
    let text = listing::section(specimen, b".text\0\0\0");
    let code = self::text(specimen);
    let inside = specimen
        .pointers
        .iter()
        .filter_map(|pointer| pointer.checked_sub(text.rva));
    inside
        .filter_map(|at| code.get(at as usize..)?.first_chunk())
        .filter(|bytes| {
            let address = u32::from_le_bytes(**bytes);
            range.contains(&address.wrapping_sub(specimen.spec.image_base.address()))
        })
        .count()
}

/// Bytes on both sides of a gate that hold its local evidence.
const NEAR: u32 = 0x1000;

/// Calls through pointers near a gate: all, and those through the import address
/// table.
fn import_calls(specimen: &Specimen, gate: u32) -> (u32, u32) {
    let base = specimen.spec.image_base.address();
    let (mut all, mut imports) = (0, 0);
    for (rva, bytes) in near(specimen, gate) {
        let [0xFF, 0x15, a, b, c, d] = *bytes else {
            continue;
        };
        let operand = u32::from_le_bytes([a, b, c, d]);
        let slot = match specimen.spec.arch {
            Arch::X86 => operand.wrapping_sub(base),
            Arch::X64 => operand.wrapping_add(rva + 6),
        };
        all += 1;
        imports += u32::from(specimen.slots.contains(&slot));
    }
    (all, imports)
}

/// Direct calls near a gate within `.text`: all, and those to the start of an
/// entry in the exception table, after moving the code by `moved` bytes.
fn direct_calls(specimen: &Specimen, gate: u32, moved: u32) -> (u32, u32) {
    let text = listing::section(specimen, b".text\0\0\0");
    let begins: Vec<u32> = runtime_functions(specimen)
        .iter()
        .map(|one| one.start)
        .collect();
    let (mut all, mut hits) = (0, 0);
    for (rva, bytes) in near(specimen, gate) {
        let [0xE8, a, b, c, d, _] = *bytes else {
            continue;
        };
        let target = u32::from_le_bytes([a, b, c, d]).wrapping_add(rva + 5 + moved);
        if (text.rva..text.rva + text.virtual_size).contains(&target) {
            all += 1;
            hits += u32::from(begins.binary_search(&target).is_ok());
        }
    }
    (all, hits)
}

/// Six bytes at each offset near a gate, with their RVA.
fn near(specimen: &Specimen, gate: u32) -> impl Iterator<Item = (u32, &[u8; 6])> {
    let text = listing::section(specimen, b".text\0\0\0");
    let places = gate.saturating_sub(NEAR).max(text.rva)..gate + NEAR;
    places.filter_map(move |rva| {
        let bytes = self::text(specimen).get((rva - text.rva) as usize..)?;
        Some((rva, bytes.first_chunk()?))
    })
}

/// Begin and end of each entry of the exception table.
fn runtime_functions(specimen: &Specimen) -> Vec<Range<u32>> {
    let pdata = listing::section(specimen, b".pdata\0\0");
    let bytes = &specimen.file[pdata.offset as usize..][..pdata.virtual_size as usize];
    let dword = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let entries = bytes.chunks_exact(12);
    assert!(entries.remainder().is_empty());
    entries
        .map(|entry| dword(&entry[..4])..dword(&entry[4..8]))
        .collect()
}

/// Checks the local evidence near the gates of any specimen.
fn check_near_gates(specimen: &Specimen) {
    for &gate in &specimen.truth.gates {
        let (all, imports) = import_calls(specimen, gate);
        assert!(
            imports >= 8 && imports * 100 >= all * 80,
            "{imports} of {all} at {gate:X}"
        );
        if specimen.spec.arch == Arch::X86 {
            continue;
        }
        let (all, hits) = direct_calls(specimen, gate, 0);
        assert!(
            hits >= 8 && hits * 100 >= all * 69,
            "{hits} of {all} at {gate:X}"
        );
        assert!(hits * 100 <= all * 92, "{hits} of {all} at {gate:X}");
    }
}

#[test]
fn code_near_the_gates_has_local_evidence() {
    for (name, specimen, _) in measured() {
        check_near_gates(&specimen);
        for &gate in &specimen.truth.gates {
            let (all, imports) = import_calls(&specimen, gate);
            println!("{name}: {imports} of {all} calls through pointers");
            assert!((40..=160).contains(&all));
            let other = imports < all;
            assert!(
                other || specimen.spec.module == Module::Tcpip6,
                "some go elsewhere"
            );
            if specimen.spec.arch == Arch::X64 {
                let (all, hits) = direct_calls(&specimen, gate, 0);
                let moved = (4..=0x2000).step_by(4);
                let shifted = moved.map(|by| direct_calls(&specimen, gate, by).1).max();
                println!("{name}: {hits} of {all} direct calls; moved, at most {shifted:?}");
                assert!((30..=80).contains(&all));
                assert!(shifted.is_some_and(|shifted| shifted * 4 < all));
            }
        }
    }
}

#[test]
fn gates_of_large_specimens_are_far_apart_or_near() {
    for (name, spec) in Spec::full_size_presets() {
        let apart = |spec: &Spec| match *spec.build().truth.gates {
            [first, second] => second - first,
            _ => panic!("two gates"),
        };
        assert!(apart(&spec) > 0x1_0000, "{name}");
        let spec = Spec {
            gates_together: true,
            ..spec
        };
        assert!(apart(&spec) < 0x1000, "{name}");
    }
}

#[test]
fn the_exception_table_has_every_function_and_every_part_of_one() {
    for (name, spec) in Spec::presets() {
        if spec.arch == Arch::X86 {
            continue;
        }
        let specimen = spec.with_text_kib(64).build();
        let entries = runtime_functions(&specimen);
        let ascending = entries.windows(2).all(|two| two[0].end <= two[1].start);
        assert!(
            ascending && entries.iter().all(|one| one.start < one.end),
            "{name}"
        );
        let text = listing::Listing::new(&specimen, b".text\0\0\0");
        let range = listing::section(&specimen, b".text\0\0\0");
        let range = range.rva..range.rva + range.virtual_size;
        let own: Vec<_> = entries
            .iter()
            .filter(|one| range.contains(&one.start))
            .collect();
        let covered: u32 = own.iter().map(|one| one.end - one.start).sum();
        assert!(covered * 100 > (range.end - range.start) * 85);
        assert!(
            own.len() > 200 && own.len() < entries.len(),
            "PAGE has some as well"
        );
        let starts: Vec<u32> = text.instructions.iter().map(|one| text.rva(one)).collect();
        // Strings between functions decode as invalid instructions.
        let known = |one: &&&Range<u32>| starts.binary_search(&one.start).is_ok();
        assert!(
            own.iter().filter(known).count() * 100 >= own.len() * 97,
            "{name}"
        );
        for gate in &specimen.truth.gates {
            assert!(own.iter().any(|one| one.contains(gate)), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_specimen_has_local_evidence(spec in any::<Spec>()) {
        check_near_gates(&spec.build());
    }
}
