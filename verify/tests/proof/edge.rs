//! The edges of the rules: just inside it is found, just outside refused. On
//! x86, whose operands can be changed without counting distances.

use scanner_core::{Evidence, Image, ImageError, MappedSection, Reason, locate};
use specimen::{Decoys, Flaw, Placed, Spec, Specimen};
use verify::memory;
use verify::property::{self, Verdict};

const ROOM: usize = 64;

fn driver() -> Specimen {
    without(None)
}

fn without(flaw: Option<Flaw>) -> Specimen {
    let spec = Spec {
        decoys: Decoys::NONE,
        flaw,
        ..Spec::xp_sp3()
    };
    spec.sized(64).build()
}

/// As loaded: in the file, what is put into code would have to be relocated.
fn verdict(driver: &Specimen) -> Verdict {
    property::as_loaded(&driver.file, property::module(driver.spec.module))
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

/// One whose code may end up to 64 bytes earlier, and fill as much of the file.
fn with_room(spec: &Spec) -> Specimen {
    let alignment = spec.alignment.file();
    (0..)
        .map(|seed| {
            let spec = Spec {
                seed,
                ..spec.clone()
            };
            spec.build()
        })
        .find(|driver| (section(driver, b".text").virtual_size - 1) % alignment >= 64)
        .unwrap()
}

/// The same with so many bytes less of code, and where in the file it ends then.
fn ending_earlier(driver: &Specimen, less: u32) -> (Specimen, usize) {
    let mut driver = driver.clone();
    let text = *section(&driver, b".text");
    let mut headers = driver.file.windows(8);
    let header = headers.position(|name| name == b".text\0\0\0").unwrap();
    let size = text.virtual_size - less;
    put(&mut driver, header + 8, &size.to_le_bytes());
    (driver, (text.offset + size) as usize)
}

#[test]
fn variables_may_lie_on_both_sides_of_a_boundary() {
    let driver = driver();
    let truth = &driver.truth;
    let data = section(&driver, b".data");
    let named: Vec<u32> = driver
        .pointers
        .iter()
        .filter_map(|&rva| driver.sections.iter().find_map(|s| s.file_offset(rva)))
        .map(|at| dword(&driver, at as usize).wrapping_sub(driver.image_base))
        .collect();
    let mut found = 0;
    let boundaries = (data.rva..data.rva + data.raw_size).filter(|rva| rva.is_multiple_of(0x100));
    for boundary in boundaries {
        // The queue length, the limit or the count is the first behind it.
        for threshold in [boundary - 4, boundary, boundary + 4] {
            let own = threshold - 4..threshold + 8;
            if own.start < data.rva || named.iter().any(|rva| own.contains(rva)) {
                continue;
            }
            let mut driver = driver.clone();
            let by = threshold.wrapping_sub(truth.threshold);
            moved(
                &mut driver,
                &[truth.queue, truth.threshold, truth.count],
                by,
            );
            assert_eq!(
                verdict(&driver).threshold(),
                Some(threshold),
                "{threshold:X}"
            );
            found += 1;
        }
    }
    assert!(found > 8, "{found}");
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
    let text = *section(&built, b".text");
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
fn eight_calls_and_an_eighth_of_all_must_land_in_the_import_table() {
    for (land, elsewhere, enough) in [(8, 0, true), (7, 0, false), (8, 56, true), (8, 57, false)] {
        // Around the gates there are fewer: that is another piece.
        let missing = verdict(&with_calls(land, elsewhere)).missing();
        let anchored = !missing.contains(&Evidence::AnchoredBase);
        assert_eq!(anchored, enough, "{land} {elsewhere}");
    }
    // Not on an entry, but between two.
    let mut driver = with_calls(8, 0);
    let call = driver
        .file
        .windows(2)
        .position(|bytes| bytes == [0xFF, 0x15])
        .unwrap();
    driver.file[call + 2] ^= 2;
    let missing = verdict(&driver).missing();
    assert!(missing.contains(&Evidence::AnchoredBase), "{missing:?}");
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
    let both = [Evidence::AnchoredBase, Evidence::LocalImports];
    assert_eq!(imports, both);
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

/// What is missing once these bytes, with an address in their middle, are put
/// where no evidence is.
fn missing_with(
    driver: &Specimen,
    place: usize,
    front: &[u8],
    rva: u32,
    behind: &[u8],
) -> Vec<Evidence> {
    let mut driver = driver.clone();
    let bytes = [front, &address(&driver, rva), behind].concat();
    put(&mut driver, place, &bytes);
    verdict(&driver).missing()
}

#[test]
fn only_a_locked_instruction_updates_the_count() {
    let built = without(Some(Flaw::FewAtomics));
    let place = free(&built)[0];
    assert_eq!(verdict(&built).missing(), [Evidence::AtomicCounter]);
    let xadd = [0xF0, 0x0F, 0xC1, 0x08];
    let later = |gap: usize| [&vec![0x90; gap][..], &xadd].concat();
    for (front, behind, locked) in [
        (&[0xF0, 0xFF, 0x05][..], vec![], true),
        (&[0x90, 0xFF, 0x05], vec![], false),
        (&[0xF0, 0x0F, 0xC1, 0x0D], vec![], true),
        (&[0x90, 0x0F, 0xC1, 0x0D], vec![], false),
        (&[0x90, 0x87, 0x0D], vec![], true),
        // Through a register: its own, another, and how much later.
        (&[0x90, 0xB8], later(0), true),
        (&[0x90, 0xB9], later(0), false),
        (&[0x90, 0xB8], later(16), true),
        (&[0x90, 0xB8], later(17), false),
    ] {
        let missing = missing_with(&built, place, front, built.truth.count, &behind);
        let expected: &[Evidence] = if locked {
            &[]
        } else {
            &[Evidence::AtomicCounter]
        };
        assert_eq!(missing, expected, "{front:X?} {behind:X?}");
    }
}

#[test]
fn only_the_register_that_the_queue_was_loaded_into_is_its_test() {
    let built = without(Some(Flaw::NoQueueTest));
    let queue = built.truth.queue;
    let is_near =
        |place: &usize| missing_with(&built, *place, &[0x83, 0x3D], queue, &[0]).is_empty();
    let place = free(&built).into_iter().find(is_near).unwrap();
    let missing = |test| missing_with(&built, place, &[0x90, 0xA1], queue, test);
    assert_eq!(missing(&[0x85, 0xC0]), []);
    assert_eq!(missing(&[0x85, 0xC9]), [Evidence::QueueTest]);
    assert_eq!(missing(&[0x90, 0x85, 0xC0]), [Evidence::QueueTest]);
}

/// On x64 the distance counts from behind the immediate, which is short then.
#[test]
fn a_store_of_sixteen_bits_is_a_write() {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_x64()
    };
    let mut driver = spec.build();
    let place = free(&driver)[0];
    let text = section(&driver, b".text");
    let next = u32::try_from(place).unwrap() - text.offset + text.rva + 9;
    let distance = driver.truth.threshold.wrapping_sub(next).to_le_bytes();
    put(
        &mut driver,
        place,
        &[&[0x66, 0xC7, 0x05][..], &distance, &[1, 0]].concat(),
    );
    assert_eq!(verdict(&driver).missing(), [Evidence::NoLiveWriter]);
}

/// The file rounds a section's bytes up to its file alignment; what is there
/// beyond the section is never in memory.
#[test]
fn what_the_file_has_behind_a_section_is_no_code() {
    let mut built = Spec::server_2003().build();
    let text = *section(&built, b".text");
    let behind = (text.offset + text.virtual_size) as usize;
    assert!(text.virtual_size + 4 <= text.raw_size);
    let address = built.image_base + built.truth.threshold;
    built.file[behind..behind + 4].copy_from_slice(&address.to_le_bytes());
    assert_eq!(verdict(&built), property::truth(&built));
    // The same bytes inside the section are a reader of the limit.
    built.file[behind - 4..behind].copy_from_slice(&address.to_le_bytes());
    assert!(verdict(&built).missing().contains(&Evidence::GateReadsOnly));
}

/// A counter of eight bytes, of whose upper half part is written, is no limit.
#[test]
fn whoever_touches_a_byte_of_the_limit_touches_the_limit() {
    for byte in 0..4 {
        let mut built = driver();
        let text = *section(&built, b".text");
        let end = (text.offset + text.virtual_size) as usize;
        let operand = address(&built, built.truth.threshold + byte);
        // mov byte [limit + byte], 0
        put(&mut built, end - 7, &[0xC6, 0x05]);
        put(&mut built, end - 5, &operand);
        put(&mut built, end - 1, &[0]);
        assert_eq!(
            verdict(&built).missing(),
            [Evidence::NoLiveWriter],
            "{byte}"
        );
    }
}

/// Code is looked at in blocks, and what is left behind the last one as well.
#[test]
fn the_event_counts_wherever_code_ends() {
    let built = with_room(&Spec {
        decoys: Decoys::NONE,
        flaw: Some(Flaw::NoEventId),
        ..Spec::xp_x64()
    });
    for less in 0..64 {
        let (mut built, end) = ending_earlier(&built, less);
        assert_eq!(verdict(&built).missing(), [Evidence::EventId], "{less}");
        put(&mut built, end - 4, &0x8000_1082_u32.to_le_bytes());
        assert_eq!(verdict(&built), property::truth(&built), "{less}");
    }
}

#[test]
fn a_gate_counts_wherever_code_ends() {
    let built = with_room(&Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_sp3()
    });
    let gate = gate(&built, built.truth.threshold);
    let gates = |driver: &Specimen| match verdict(driver) {
        Verdict::Located(answer) => answer.gates.len(),
        other => panic!("{other:?}"),
    };
    for less in 0..64 {
        let (mut built, end) = ending_earlier(&built, less);
        let before = gates(&built);
        put(&mut built, end - gate.len(), &gate);
        assert_eq!(gates(&built), before + 1, "{less}");
    }
}
