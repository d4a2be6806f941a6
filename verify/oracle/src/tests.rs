//! Tests of the whole oracle with small images, assembled by hand.

use super::test_image::{
    COUNT, DATA, QUEUE, RDATA, TEXT, TEXT_AT, TEXT_SIZE, THRESHOLD, TestImage,
};
use super::*;

fn whole() -> Answer {
    Answer {
        threshold: THRESHOLD,
        count: COUNT,
        queue: QUEUE,
        gates: vec![TEXT + 0x100, TEXT + 0x200],
    }
}

fn missing(facts: &[Fact]) -> Result<Answer, NoAnswer> {
    Err(NoAnswer::Missing(facts.iter().copied().collect()))
}

/// Runs the check on a complete image of each architecture.
fn on_both(check: impl Fn(TestImage)) {
    for bits64 in [false, true] {
        check(TestImage::complete(bits64, 0x1_0000));
    }
}

/// Checks the missing facts after adding an instruction.
fn missing_with(before: &[u8], rva: u32, after: &[u8], facts: &[Fact]) {
    on_both(|mut text| {
        text.op(before, rva, after);
        assert_eq!(
            locate_file(&text.file(), false),
            missing(facts),
            "{before:02X?}"
        );
    });
}

#[test]
fn a_complete_module_is_located_in_a_file() {
    on_both(|text| assert_eq!(locate_file(&text.file(), false), Ok(whole())));
}

#[test]
fn a_complete_module_is_located_in_memory_at_any_base() {
    for (bits64, base) in [(false, 0xF7A3_1000), (true, 0xFFFF_F880_0123_4000)] {
        let text = TestImage::complete(bits64, base);
        let file = text.file();
        let code = &file[TEXT_AT..TEXT_AT + TEXT_SIZE as usize];
        let rdata = (RDATA, &file[0x1000..0x1200]);
        let located = locate_loaded(&file[..0x400], base, &[(TEXT, code), rdata], false);
        assert_eq!(located, Ok(whole()));
        let not_given = locate_loaded(&file[..0x400], base, &[], false);
        assert!(matches!(not_given, Err(NoAnswer::Image(_))));
        let cut = locate_loaded(&file[..0x400], base, &[(TEXT, &code[1..])], false);
        assert!(matches!(cut, Err(NoAnswer::Image(_))));
    }
}

#[test]
fn the_event_distinguishes_the_modules() {
    on_both(|mut text| {
        assert_eq!(locate_file(&text.file(), true), missing(&[Fact::NoEventId]));
        let event = text
            .bytes
            .windows(4)
            .position(|dword| dword == EVENT.to_le_bytes())
            .unwrap();
        text.bytes[event] = 0;
        assert_eq!(locate_file(&text.file(), false), missing(&[Fact::EventId]));
        assert_eq!(locate_file(&text.file(), true), Ok(whole()));
    });
}

#[test]
fn without_a_gate_there_is_no_candidate() {
    on_both(|mut text| {
        text.bytes[0x10C] = 0x75; // jne
        let expected = missing(&[Fact::TwoGates, Fact::GateReadsOnly]);
        assert_eq!(locate_file(&text.file(), false), expected);
        text.bytes[0x20C] = 0x75;
        assert_eq!(locate_file(&text.file(), false), Err(NoAnswer::NoCandidate));
    });
}

#[test]
fn at_most_four_gates_are_accepted() {
    on_both(|mut text| {
        text.gate_at(0x700);
        text.gate_at(0x800);
        assert_eq!(locate_file(&text.file(), false).unwrap().gates.len(), 4);
        text.gate_at(0x900);
        assert_eq!(locate_file(&text.file(), false), missing(&[Fact::TwoGates]));
    });
}

#[test]
fn every_other_reference_to_the_threshold_is_named() {
    use Fact::{GateReadsOnly, NoAtomicOnThreshold, NoLiveWriter};
    missing_with(&[0x8B, 0x15], THRESHOLD, &[], &[GateReadsOnly]);
    missing_with(&[0x83, 0x3D], THRESHOLD, &[0], &[GateReadsOnly]);
    missing_with(&[0xFF, 0x35], THRESHOLD, &[], &[GateReadsOnly]);
    missing_with(&[0x8D, 0x05], THRESHOLD, &[], &[GateReadsOnly]);
    missing_with(&[0x89, 0x15], THRESHOLD, &[], &[NoLiveWriter]);
    missing_with(&[0xC6, 0x05], THRESHOLD, &[1], &[NoLiveWriter]);
    missing_with(&[0xFF, 0x05], THRESHOLD, &[], &[NoLiveWriter]);
    missing_with(&[0xF0, 0xFF, 0x05], THRESHOLD, &[], &[NoAtomicOnThreshold]);
    missing_with(&[0x87, 0x05], THRESHOLD, &[], &[NoAtomicOnThreshold]);
    let through_register = [0x90, 0xF0, 0xFF, 0x00];
    missing_with(
        &[0x8D, 0x05],
        THRESHOLD,
        &through_register,
        &[NoAtomicOnThreshold],
    );
    missing_with(&[0x8B, 0x15], COUNT, &[], &[GateReadsOnly]);
}

#[test]
fn on_x86_any_mention_of_the_threshold_is_a_reference() {
    for before in [&[0x68][..], &[0xB8], &[0x8B, 0x04, 0x85], &[0xCC]] {
        let mut text = TestImage::complete(false, 0x1_0000);
        text.op(before, THRESHOLD, &[]);
        assert_eq!(
            locate_file(&text.file(), false),
            missing(&[Fact::GateReadsOnly])
        );
    }
}

#[test]
fn the_counter_needs_three_atomic_updates() {
    on_both(|mut text| {
        let first = text.bytes.iter().position(|byte| *byte == 0xF0).unwrap();
        text.bytes[first] = 0x90;
        assert_eq!(
            locate_file(&text.file(), false),
            missing(&[Fact::AtomicCounter])
        );
    });
}

#[test]
fn the_queue_is_tested_near_a_gate_or_where_its_jump_leads() {
    on_both(|mut text| {
        text.bytes[0x10F] = 0x05; // the test behind gate 1, now an addition
        assert_eq!(
            locate_file(&text.file(), false),
            missing(&[Fact::QueueTest])
        );
        // Gate 2's jump, which ends at 20Eh, leads to 21Eh.
        for (at, near) in [(0x41E, true), (0x41F, false), (0x700, false)] {
            let mut text = text.clone();
            text.bytes.truncate(at);
            text.pad_to(at);
            text.op(&[0x39, 0x35], QUEUE, &[]);
            assert_eq!(locate_file(&text.file(), false).is_ok(), near, "{at:X}");
        }
    });
}

#[test]
fn two_complete_candidates_are_ambiguous() {
    on_both(|text| {
        let mut twice = text.clone();
        let moved = |rva: u32| rva + 0x40;
        for offset in [0x700, 0x780] {
            twice.pad_to(offset);
            twice.op(&[0x8B, 0x0D], moved(THRESHOLD), &[]);
            twice.op(&[0x39, 0x0D], moved(COUNT), &[]);
            twice.bytes.extend([0x7D, 0x10]);
            twice.op(&[0x83, 0x3D], moved(QUEUE), &[0]);
        }
        for _ in 0..2 {
            twice.op(&[0xF0, 0xFF, 0x05], moved(COUNT), &[]);
        }
        assert_eq!(locate_file(&twice.file(), false), Ok(whole()));
        twice.op(&[0xF0, 0xFF, 0x05], moved(COUNT), &[]);
        assert_eq!(locate_file(&twice.file(), false), Err(NoAnswer::Ambiguous));
    });
}

#[test]
fn variables_must_be_in_one_resident_data_section() {
    on_both(|text| {
        let header = text.section_header(2);
        for flags in [0x4800_0040_u32, 0xC000_0040, 0xE800_0040, 0xCA00_0040] {
            let mut file = text.file();
            file[header + 36..header + 40].copy_from_slice(&flags.to_le_bytes());
            let expected = missing(&[Fact::SameDataSection]);
            assert_eq!(locate_file(&file, false), expected, "{flags:X}");
        }
        let mut file = text.file();
        file[header..header + 4].copy_from_slice(b"PAGE");
        assert_eq!(locate_file(&file, false), missing(&[Fact::SameDataSection]));
        // The count's last byte is the extent's last byte, then beyond it.
        for (size, inside) in [(0x10C_u32, true), (0x10B, false)] {
            let mut file = text.file();
            file[header + 8..header + 12].copy_from_slice(&size.to_le_bytes());
            assert_eq!(locate_file(&file, false).is_ok(), inside);
        }
    });
}

#[test]
fn pageable_code_is_ignored() {
    on_both(|text| {
        let mut file = text.file();
        let header = text.section_header(0);
        file[header..header + 4].copy_from_slice(b"PAGE");
        assert_eq!(locate_file(&file, false), Err(NoAnswer::NoCandidate));
    });
}

#[test]
fn code_beyond_the_raw_data_is_zero() {
    on_both(|mut text| {
        // The third gate's far jump: its distance is the zeros behind the raw data.
        text.gate_at(0xBF2);
        text.bytes[0xBFE..].copy_from_slice(&[0x0F, 0x8D]);
        let mut file = text.file();
        assert_eq!(locate_file(&file, false), missing(&[Fact::GateReadsOnly]));
        file[text.section_header(0) + 8] = 4; // VirtualSize
        assert_eq!(locate_file(&file, false).unwrap().gates.len(), 3);
    });
}

#[test]
fn a_shifted_base_is_not_anchored() {
    let mut file = TestImage::complete(false, 0x1_0000).file();
    file[0x58 + 30] = 0; // ImageBase, one bit: 10000h -> 0
    let Err(NoAnswer::Missing(facts)) = locate_file(&file, false) else {
        panic!("located")
    };
    assert!(facts.contains(&Fact::AnchoredBase));
    // On disk a base is a multiple of 64 KiB, in memory of a page.
    on_both(|text| {
        let odd = TestImage::complete(text.bits64, 0x1_1000).file();
        assert_eq!(locate_file(&odd, false), missing(&[Fact::AnchoredBase]));
        let mut file = text.file();
        let directory = text.section_header(0) - 32;
        file[directory + 4..directory + 8].fill(0);
        let both = missing(&[Fact::AnchoredBase, Fact::LocalImports]);
        assert_eq!(locate_file(&file, false), both);
        file[directory + 4..directory + 8].copy_from_slice(&0x38_u32.to_le_bytes());
        assert_eq!(locate_file(&file, false), both, "seven calls land");
    });
}

#[test]
fn half_of_the_direct_calls_must_reach_a_function() {
    let mut text = TestImage::complete(true, 0x1_0000);
    for _ in 0..8 {
        text.call(TEXT + 0x408);
    }
    // A target outside the section is no call.
    text.call(DATA);
    assert_eq!(locate_file(&text.file(), false), Ok(whole()));
    text.call(TEXT + 0x408);
    let locally = missing(&[Fact::LocalFunctions]);
    assert_eq!(locate_file(&text.file(), false), locally);

    // Seven functions are too few, and so are eight in a writable table.
    let text = TestImage::complete(true, 0x1_0000);
    let directory = text.section_header(0) - (16 - 3) * 8;
    let mut file = text.file();
    file[directory + 4] -= 12;
    assert_eq!(locate_file(&file, false), locally);
    let mut file = text.file();
    file[text.section_header(1) + 39] |= 0x80;
    assert_eq!(locate_file(&file, false), locally);
}

#[test]
fn every_operand_must_be_relocated_on_x86() {
    let text = TestImage::complete(false, 0x1_0000);
    let file = text.file();
    let directory = text.section_header(0) - (16 - 5) * 8;
    let entries = file[directory + 4..directory + 8].try_into().unwrap();
    let entries = u32::from_le_bytes(entries) as usize / 2 - 4;
    for entry in 0..entries {
        let mut file = file.clone();
        file[0x1000 + 0x40 + 8 + 2 * entry..][..2].fill(0);
        let expected = match entry {
            // Seven calls are too few.
            0..8 => missing(&[Fact::LocalImports]),
            // The increment of the queue, which is no evidence.
            _ if entry == entries - 1 => Ok(whole()),
            _ => missing(&[Fact::Relocated]),
        };
        assert_eq!(locate_file(&file, false), expected, "{entry}");
    }
    let mut file = file;
    file[directory..directory + 8].fill(0);
    let all = missing(&[Fact::LocalImports, Fact::Relocated]);
    assert_eq!(locate_file(&file, false), all);
}

#[test]
fn at_least_an_eighth_of_the_calls_must_land() {
    on_both(|mut text| {
        let elsewhere = |text: &mut TestImage, calls: usize| {
            for _ in 0..calls {
                text.op(&[0xFF, 0x15], DATA, &[]);
            }
        };
        // Around the gates, two in three must land.
        elsewhere(&mut text, 4);
        assert_eq!(locate_file(&text.file(), false), Ok(whole()));
        elsewhere(&mut text, 1);
        let locally = missing(&[Fact::LocalImports]);
        assert_eq!(locate_file(&text.file(), false), locally);
        elsewhere(&mut text, 7 * 8 - 5);
        assert_eq!(locate_file(&text.file(), false), locally);
        text.op(&[0xFF, 0x15], RDATA + 2, &[]);
        assert_eq!(
            locate_file(&text.file(), false),
            missing(&[Fact::AnchoredBase, Fact::LocalImports])
        );
    });
}

#[test]
fn sections_that_do_not_tile_are_no_image() {
    on_both(|text| {
        let optional = 0x58;
        let (first, last) = (text.section_header(0), text.section_header(2));
        for field in [
            optional + 33, // SectionAlignment
            optional + 57, // SizeOfImage
            optional + 61, // SizeOfHeaders
            first + 9,     // VirtualSize
            first + 13,    // VirtualAddress
            last + 13,
            first + 17, // SizeOfRawData
            last + 17,
            last + 21, // PointerToRawData
        ] {
            let mut file = text.file();
            file[field] ^= 0x90;
            assert!(
                matches!(locate_file(&file, false), Err(NoAnswer::Image(_))),
                "{field:X}"
            );
        }
        let file = text.file();
        assert!(matches!(
            locate_file(&file[..file.len() - 1], false),
            Err(NoAnswer::Image(_))
        ));
    });
}
