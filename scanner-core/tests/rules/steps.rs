//! The greatest cost of a search.

use scanner_core::{Image, Module, Workspace};
use specimen::{Decoys, Spec};

use crate::edit::with_count_at;

/// The most steps per byte.
const STEPS_PER_BYTE: u64 = 32;

/// Whether both searches locate the limit; asserts that neither takes too many
/// steps.
fn search(file: &[u8]) -> bool {
    let image = Image::from_file(file).unwrap();
    let [is_located, by_table] = [Workspace::new(), Workspace::without_simd()].map(|mut search| {
        let is_located = search.locate(&image, Module::Tcpip).is_ok();
        let (steps, allowed) = (search.steps(), STEPS_PER_BYTE * file.len() as u64);
        assert!(steps <= allowed, "{steps} of {allowed} steps");
        is_located
    });
    assert_eq!(by_table, is_located);
    is_located
}

/// Every byte of live code stops a scan.
#[test]
fn the_worst_code_takes_a_bounded_number_of_steps() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let text = &specimen.sections[0];
        let range = text.offset as usize..(text.offset + text.raw_size) as usize;
        for filler in [0x05, 0x0D, 0x15, 0x39, 0x3B, 0x82, 0xC7, 0xF0, 0xFF, 0x00] {
            let mut file = specimen.file.clone();
            file[range.clone()].fill(filler);
            search(&file);
            // The gates stay, so that the second pass runs too.
            let mut file = specimen.file.clone();
            let gates = specimen.truth.gates.iter().zip(&specimen.truth.gate_lens);
            let kept: Vec<_> = gates
                .map(|(&gate, &length)| {
                    let at = (gate - text.rva + text.offset) as usize;
                    at..at + length as usize
                })
                .collect();
            for at in range.clone() {
                if !kept.iter().any(|gate| gate.contains(&at)) {
                    file[at] = filler;
                }
            }
            assert!(!search(&file));
        }
    }
}

/// They are then searched for in another way.
#[test]
fn variables_far_apart_take_no_more_steps() {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_x64()
    };
    let built = spec.with_text_kib(128).build();
    let image = Image::from_file(&built.file).unwrap();
    let end = image.headers().size_of_image() - 0x100;
    let far = with_count_at(&built, end - built.truth.count);
    assert!(!search(&far.file));
    let near = with_count_at(
        &built,
        built.sections[0].rva.wrapping_sub(built.truth.count),
    );
    assert!(!search(&near.file));
}

/// Otherwise comparing their answers would prove nothing.
#[test]
#[cfg(any(target_feature = "sse2", target_feature = "neon"))]
fn the_search_without_simd_takes_other_steps() {
    for (name, spec) in Spec::presets() {
        let file = spec.build().file;
        let image = Image::from_file(&file).unwrap();
        let [by_simd, by_table] =
            [Workspace::new(), Workspace::without_simd()].map(|mut search| {
                let _ = search.locate(&image, Module::Tcpip);
                search.steps()
            });
        assert_ne!(by_simd, by_table, "{name}");
    }
}
