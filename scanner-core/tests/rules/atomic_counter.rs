//! Evidence: the count is updated by locked instructions in three places or more.

use scanner_core::{Evidence, Image, Module, locate};
use specimen::{Defect, Spec};

use crate::edit::{driver_without, free, is_evidence, missing_with};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn two_updates_are_not_enough() {
    for driver in without(Defect::FewAtomics) {
        assert_missing(&driver, &[Evidence::AtomicCounter]);
    }
}

#[test]
fn only_a_locked_instruction_updates_the_count() {
    let built = driver_without(Defect::FewAtomics);
    let place = free(&built)[0];
    assert_eq!(in_memory(&built).missing(), [Evidence::AtomicCounter]);
    let xadd = [0xF0, 0x0F, 0xC1, 0x08];
    let later = |gap: usize| [&vec![0x90; gap][..], &xadd].concat();
    for (front, behind, locked) in [
        (&[0xF0, 0xFF, 0x05][..], vec![], true),
        (&[0x90, 0xFF, 0x05], vec![], false),
        (&[0xF0, 0x0F, 0xC1, 0x0D], vec![], true),
        (&[0x90, 0x0F, 0xC1, 0x0D], vec![], false),
        (&[0x90, 0x87, 0x0D], vec![], true),
        // Through a register: the same or another, and how much later.
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

/// The locator searches x64 code in windows of 512 bytes, which begin where the
/// distance to a variable is a multiple of 512.
#[test]
fn an_update_counts_once_wherever_in_code_it_stands() {
    let specimen = Spec::xp_x64().with_text_kib(64).build();
    let text = &specimen.sections[0];
    let start = usize::try_from(text.offset).unwrap();
    let updates = |file: &[u8]| {
        let image = Image::from_file(file).unwrap();
        let located = locate(&image, Module::Tcpip).unwrap();
        located.findings().atomic_updates()
    };
    let before = updates(&specimen.file);
    // lock inc, lock add with a byte, and with a dword.
    let forms: [(u8, &[u8]); 3] = [(0xFF, &[]), (0x83, &[1]), (0x81, &[1, 0, 0, 0])];
    let mut places = 0;
    for place in 0x4000..0x4000 + 2 * 512 {
        for (opcode, immediate) in forms {
            let length = 7 + immediate.len();
            let bytes = start + place..start + place + length;
            if is_evidence(&specimen, &bytes) {
                continue;
            }
            let next = text.rva + u32::try_from(place + length).unwrap();
            let distance = specimen.truth.count.wrapping_sub(next).to_le_bytes();
            let mut file = specimen.file.clone();
            file[bytes]
                .copy_from_slice(&[&[0xF0, opcode, 0x05], &distance[..], immediate].concat());
            assert_eq!(updates(&file), before + 1, "{opcode:X} at {place:X}");
            places += 1;
        }
    }
    assert!(
        places > 2 * 3 * 512 * 9 / 10,
        "another seed, please: {places}"
    );
}
