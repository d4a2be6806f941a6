//! Evidence: only the gates read the limit, and in tcpip.sys only they load the
//! count.

use scanner_core::Evidence;
use specimen::{Defect, GateSpec, QueueForm, QueueTest, Spec};

use crate::edit::{is_evidence, section};
use crate::search::{assert_missing, in_memory, module, of_file, truth, without};

#[test]
fn a_reader_of_the_limit_outside_the_gates_is_refused() {
    for driver in without(Defect::OtherReadOfThreshold) {
        assert_missing(&driver, &[Evidence::GateReadsOnly]);
    }
}

#[test]
fn in_tcpip_sys_a_load_of_the_count_outside_the_gates_is_refused() {
    // A specimen of tcpip6.sys has another reader of the limit instead.
    for driver in without(Defect::OtherLoadOfCount) {
        assert_missing(&driver, &[Evidence::GateReadsOnly]);
    }
}

/// The file rounds a section's bytes up to its file alignment; bytes beyond the
/// section are never in memory.
#[test]
fn bytes_behind_a_section_are_not_code() {
    let mut built = Spec::server_2003().build();
    let text = *section(&built, b".text");
    let behind = (text.offset + text.virtual_size) as usize;
    assert!(text.virtual_size + 4 <= text.raw_size);
    let address = built.image_base + built.truth.threshold;
    built.file[behind..behind + 4].copy_from_slice(&address.to_le_bytes());
    assert_eq!(in_memory(&built), truth(&built));
    // The same bytes inside the section are a reader of the limit.
    built.file[behind - 4..behind].copy_from_slice(&address.to_le_bytes());
    assert!(
        in_memory(&built)
            .missing()
            .contains(&Evidence::GateReadsOnly)
    );
}

/// A preceding byte may belong to the instruction or end the previous one; 66h
/// would make the immediate a word, and change the base of the distance on x64.
#[test]
fn a_dword_is_compared_whatever_byte_comes_before() {
    let plain = Spec::xp_x64();
    let [mut first, second] = plain.gates;
    first.queue = QueueTest::FallThrough(QueueForm::Dword);
    let second = GateSpec {
        queue: QueueTest::None,
        ..second
    };
    let specimen = Spec {
        gates: [first, second],
        ..plain
    }
    .build();
    let text = &specimen.sections[0];
    let offset = |rva: u32| usize::try_from(rva - text.rva + text.offset).unwrap();
    let answer = |file: &[u8]| of_file(file, module(&specimen.spec));
    let truth = truth(&specimen);
    let test = offset(specimen.truth.queue_tests[0]);
    assert_eq!(
        specimen.file[test..test + 2],
        [0x81, 0x3D],
        "cmp [queue], 0"
    );
    let free = (offset(text.rva)..)
        .find(|&at| !is_evidence(&specimen, &(at..at + 16)))
        .unwrap();
    for before in u8::MIN..=u8::MAX {
        let mut file = specimen.file.clone();
        // This changes the target of the previous jump, which is no evidence.
        file[test - 1] = before;
        assert_eq!(answer(&file), truth, "{before:X} before the test");

        // All of the limit, or the upper word of it.
        for (immediate, part) in [(4_usize, 0), (2, 2)] {
            let mut file = specimen.file.clone();
            let length = 7 + immediate;
            let next = text.rva + u32::try_from(free + length).unwrap() - text.offset;
            let distance = (specimen.truth.threshold + part).wrapping_sub(next);
            let distance = distance.to_le_bytes();
            let compare = [&[before, 0x81, 0x3D][..], &distance, &[0; 4][..immediate]].concat();
            file[free..][..length].copy_from_slice(&compare);
            // Without 66h no compiler of the time makes the word access; but then
            // its distance names no variable.
            if immediate == 4 || before == 0x66 {
                let missing = answer(&file).missing();
                assert_eq!(
                    missing,
                    [Evidence::GateReadsOnly],
                    "{before:X}, {immediate}"
                );
            }
        }
    }
}
