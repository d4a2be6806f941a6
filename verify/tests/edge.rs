//! The edges of the rules: just inside it is found, just outside refused. All
//! on x86, whose operands can be changed without counting distances.

use scanner_core::{Evidence, Image, ImageError, MappedSection, Reason, locate};
use verify::memory;
use verify::property::{self, Verdict};
use verify::specimen::{Decoys, Placed, Spec, Specimen};

const ROOM: usize = 64;

fn driver() -> Specimen {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_sp3()
    };
    spec.sized(64).build()
}

fn verdict(driver: &Specimen) -> Verdict {
    property::of_file(&driver.file, property::module(driver.spec.module))
}

fn section<'a>(driver: &'a Specimen, name: &[u8]) -> &'a Placed {
    let named = |section: &&Placed| section.name.starts_with(name);
    driver.sections.iter().find(named).unwrap()
}

fn dword(driver: &Specimen, at: usize) -> u32 {
    u32::from_le_bytes(driver.file[at..at + 4].try_into().unwrap())
}

fn put(driver: &mut Specimen, at: usize, bytes: &[u8]) {
    driver.file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The address of a variable, as code names it.
fn address(driver: &Specimen, rva: u32) -> [u8; 4] {
    (driver.image_base + rva).to_le_bytes()
}

/// Places in the file where live code is that no evidence rests on.
fn free(driver: &Specimen) -> Vec<usize> {
    let text = section(driver, b".text");
    let evidence = &driver.truth.evidence;
    let is_free = |at: &usize| {
        !evidence
            .iter()
            .any(|used| used.start < at + ROOM && *at < used.end)
    };
    let end = text.offset + text.raw_size.min(text.virtual_size);
    (text.offset as usize..end as usize - ROOM)
        .step_by(ROOM)
        .filter(is_free)
        .collect()
}

/// The load, the comparison and the jump of another gate.
fn gate(driver: &Specimen, threshold: u32) -> Vec<u8> {
    let (count, threshold) = (address(driver, threshold + 4), address(driver, threshold));
    [&[0xA1][..], &count, &[0x3B, 0x05], &threshold, &[0x7D, 0]].concat()
}

/// Every operand that names one of `from` names another place instead.
fn moved(driver: &mut Specimen, from: &[u32], by: u32) {
    for rva in driver.pointers.clone() {
        let at = driver.sections.iter().find_map(|s| s.file_offset(rva));
        let at = at.unwrap() as usize;
        let named = dword(driver, at);
        if from.contains(&named.wrapping_sub(driver.image_base)) {
            put(driver, at, &named.wrapping_add(by).to_le_bytes());
        }
    }
}

#[test]
fn four_gates_are_the_most() {
    let mut driver = driver();
    let gate = gate(&driver, driver.truth.threshold);
    for (place, gates) in free(&driver).into_iter().skip(8).zip(3..=5) {
        put(&mut driver, place, &gate);
        match verdict(&driver) {
            Verdict::Located(answer) => assert_eq!(answer.gates.len(), gates),
            other => assert!(
                gates > 4 && other.missing().contains(&Evidence::TwoGates),
                "{other:?}"
            ),
        }
    }
}

#[test]
fn twelve_pairs_are_the_most() {
    let mut driver = driver();
    let data = section(&driver, b".data").rva;
    let pairs = (data..driver.truth.queue - 8).step_by(8).map(|rva| rva + 4);
    for ((place, threshold), all) in free(&driver).into_iter().zip(pairs).zip(2..=13) {
        let gate = gate(&driver, threshold);
        put(&mut driver, place, &gate);
        let too_many = verdict(&driver) == Verdict::Refused(Reason::TooManyCandidates);
        assert_eq!(too_many, all > 12, "{all}");
    }
}

#[test]
fn the_variables_are_aligned_and_all_in_the_section() {
    let built = driver();
    let truth = &built.truth;
    let data = section(&built, b".data");
    let (first, end) = (data.rva, data.rva + data.virtual_size / 4 * 4);
    let missing_at = |threshold: u32| {
        let mut driver = built.clone();
        let by = threshold.wrapping_sub(truth.threshold);
        moved(
            &mut driver,
            &[truth.queue, truth.threshold, truth.count],
            by,
        );
        verdict(&driver).missing()
    };
    for by in 1..4 {
        assert!(missing_at(truth.threshold + by).contains(&Evidence::Adjacent));
    }
    for (threshold, inside) in [
        (first, false),
        (first + 4, true),
        (end - 8, true),
        (end - 4, false),
    ] {
        let missing = missing_at(threshold);
        assert!(!missing.contains(&Evidence::Adjacent), "{missing:?}");
        assert_eq!(
            !missing.contains(&Evidence::SameDataSection),
            inside,
            "{missing:?}"
        );
    }
}

#[test]
fn a_queue_test_is_near_a_gate_or_where_its_jump_goes() {
    let mut built = driver();
    let (queue, base) = (built.truth.queue, section(&built, b".data").rva);
    let text = section(&built, b".text").clone();
    let near = |built: &Specimen| {
        let image = Image::from_file(&built.file).unwrap();
        let located = locate(&image, property::module(built.spec.module)).unwrap();
        let gates = located.findings().gates();
        gates
            .map(|gate| (gate.at().0, gate.target().0))
            .collect::<Vec<_>>()
    };
    let gates = near(&built);
    moved(&mut built, &[queue], base.wrapping_sub(queue));
    assert_eq!(verdict(&built).missing(), [Evidence::QueueTest]);

    let test = [&[0x83, 0x3D][..], &address(&built, queue), &[0]].concat();
    let (mut by_jump, mut far) = (0, 0);
    for place in free(&built) {
        let rva = u32::try_from(place).unwrap() - text.offset + text.rva;
        let within = |at: u32, distance: u32| rva.abs_diff(at) <= distance;
        let mut driver = built.clone();
        put(&mut driver, place, &test);
        let missing = verdict(&driver).missing();
        if gates
            .iter()
            .any(|&(at, to)| within(at, 0x1F0) || within(to, 0x1F0))
        {
            by_jump += usize::from(!gates.iter().any(|&(at, _)| within(at, 0x210)));
            assert_eq!(missing, [], "{rva:X}");
        } else if !gates
            .iter()
            .any(|&(at, to)| within(at, 0x210) || within(to, 0x210))
        {
            far += 1;
            assert_eq!(missing, [Evidence::QueueTest], "{rva:X}");
        }
    }
    assert!(by_jump > 0 && far > 0, "{by_jump} {far}");
}

/// So many calls land in the import table, so many elsewhere, and no others.
fn with_calls(land: usize, elsewhere: usize) -> Specimen {
    let mut driver = driver();
    let text = section(&driver, b".text");
    let variable = address(&driver, section(&driver, b".data").rva);
    let mut seen = 0;
    for at in text.offset as usize..(text.offset + text.raw_size) as usize - 6 {
        if driver.file[at..at + 2] != [0xFF, 0x15] {
            continue;
        }
        let slot = dword(&driver, at + 2).wrapping_sub(driver.image_base);
        let lands = driver.slots.contains(&slot);
        seen += usize::from(lands);
        if !lands || seen > land + elsewhere {
            put(&mut driver, at + 1, &[0x35]);
        } else if seen > land {
            put(&mut driver, at + 2, &variable);
        }
    }
    assert!(seen >= land + elsewhere, "{seen}");
    driver
}

#[test]
fn eight_calls_and_half_of_them_must_land_in_the_import_table() {
    for (land, elsewhere, enough) in [(8, 0, true), (7, 0, false), (8, 8, true), (8, 9, false)] {
        let missing = verdict(&with_calls(land, elsewhere)).missing();
        let expected: &[Evidence] = if enough {
            &[]
        } else {
            &[Evidence::AnchoredBase]
        };
        assert_eq!(missing, expected, "{land} {elsewhere}");
    }
    // Not on an entry, but between two.
    let mut driver = with_calls(8, 0);
    let call = driver
        .file
        .windows(2)
        .position(|bytes| bytes == [0xFF, 0x15])
        .unwrap();
    driver.file[call + 2] ^= 2;
    assert_eq!(verdict(&driver).missing(), [Evidence::AnchoredBase]);
}

#[test]
fn by_name_or_by_flag_a_section_is_pageable_or_gone() {
    const DISCARDABLE: u32 = 0x0200_0000;
    const NOT_PAGED: u32 = 0x0800_0000;
    const EXECUTE: u32 = 0x2000_0000;
    const WRITE: u32 = 0x8000_0000;
    let built = driver();
    let table = {
        let nt = dword(&built, 0x3C) as usize;
        nt + 24 + usize::from(built.file[nt + 20])
    };
    let changed = |name: &[u8], new: &[u8], flags: u32| {
        let mut driver = built.clone();
        let index = built
            .sections
            .iter()
            .position(|s| s.name.starts_with(name))
            .unwrap();
        let header = table + 40 * index;
        put(&mut driver, header, new);
        let flags = dword(&driver, header + 36) ^ flags;
        put(&mut driver, header + 36, &flags.to_le_bytes());
        verdict(&driver)
    };
    for (new, flags) in [
        (&b"PAGE"[..], 0),
        (b".eda", 0),
        (b"INIT", 0),
        (b"", NOT_PAGED),
        (b"", DISCARDABLE),
    ] {
        let code = changed(b".text", new, flags);
        assert_eq!(code, Verdict::Refused(Reason::NoGate), "{new:?} {flags:X}");
        let data = changed(b".data", new, flags).missing();
        assert_eq!(data, [Evidence::SameDataSection], "{new:?} {flags:X}");
    }
    for flags in [EXECUTE, WRITE] {
        let data = changed(b".data", b"", flags).missing();
        assert!(data.contains(&Evidence::SameDataSection), "{flags:X}");
    }
    let imports = changed(b".rdata", b"", DISCARDABLE).missing();
    assert_eq!(imports, [Evidence::AnchoredBase]);
}

#[test]
fn in_memory_the_size_fits_and_all_code_is_there() {
    let driver = driver();
    let loaded = driver.load(0xF7A3_B000);
    let sections = memory::sections(&loaded);
    let code = memory::live_code(&loaded.headers, &sections).unwrap();
    let error = |size: u32, code: &[MappedSection<'_>]| {
        Image::from_memory(&loaded.headers, loaded.base, size, code).err()
    };
    assert_eq!(error(loaded.size, &code), None);
    for size in [loaded.size + 0x1000, loaded.size - 0x1000, 0, u32::MAX] {
        assert_eq!(
            error(size, &code),
            Some(ImageError::BadImageSize),
            "{size:X}"
        );
    }
    let missing = Some(ImageError::SectionNotMapped(0));
    assert_eq!(error(loaded.size, &[]), missing);
    let mut cut = code[0];
    cut.bytes = &cut.bytes[1..];
    assert_eq!(error(loaded.size, &[cut]), missing);
}
