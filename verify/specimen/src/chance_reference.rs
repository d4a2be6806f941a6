//! Rejects unsuitable filler: bytes that at some offset read as a reference to
//! one of the limiter's variables or as the event, and code with fewer calls
//! around a gate than genuine code has.

use super::arch::Arch;
use super::code::Form;
use super::ground_truth::{GroundTruth, Variables};
use super::image::{Image, index};
use super::limiter::EVENT_ID;
use super::name::Name;
use super::spec::Spec;

/// Whether executable bytes refer to a variable or contain the event by chance.
pub(super) fn exists(
    spec: &Spec,
    image: &Image,
    truth: &GroundTruth,
    variables: &Variables,
) -> bool {
    let base = spec.image_base.address();
    image
        .names
        .iter()
        .zip(&image.placed)
        .filter(|(name, _)| name.executable())
        .any(|(_, place)| {
            let bytes = &image.file[index(place.offset)..][..index(place.raw_size)];
            bytes.windows(4).zip(place.rva..).any(|(window, at)| {
                let value = u32::from_le_bytes(window.try_into().expect("windows of 4"));
                let named = match spec.arch {
                    Arch::X86 => variables.have(value.wrapping_sub(base)),
                    // An imm8, imm16 or imm32 may follow the displacement.
                    Arch::X64 => [0, 1, 2, 4]
                        .iter()
                        .any(|trailing| variables.have(value.wrapping_add(at + 4 + trailing))),
                };
                (named && !is_written_reference(image, at))
                    || (value == EVENT_ID && !is_evidence(truth, place, at))
            })
        })
}

/// The distance from a gate within which calls are counted, in bytes.
const REACH: u32 = 0x1000;
/// Direct calls around each gate on x64; one in five goes to a leaf.
const DIRECT_CALLS: usize = 14;

/// Whether a gate in `.text` has too few direct calls around it (x64).
pub(super) fn few_calls(spec: &Spec, image: &Image, truth: &GroundTruth) -> bool {
    let text = image.place(Name::Text);
    let bytes = &image.file[index(text.offset)..][..index(text.virtual_size)];
    let place = |rva: u32| {
        rva.checked_sub(text.rva)
            .filter(|&at| at < text.virtual_size)
    };
    let calls = || {
        let places = image
            .references
            .iter()
            .filter_map(|reference| place(reference.at));
        places.filter(|&at| bytes[..index(at)].ends_with(&[0xE8]))
    };
    let are_few = |gate: u32| {
        let around = calls().filter(|at| at.abs_diff(gate) < REACH);
        around.count() < DIRECT_CALLS
    };
    let mut gates = truth.gates.iter().filter_map(|&gate| place(gate));
    spec.arch == Arch::X64 && gates.any(are_few)
}

/// Whether the builder wrote a reference at this RVA.
fn is_written_reference(image: &Image, at: u32) -> bool {
    let found = image
        .references
        .binary_search_by_key(&at, |reference| reference.at);
    found.is_ok_and(|found| image.references[found].form != Form::Rva)
}

fn is_evidence(truth: &GroundTruth, place: &super::section::PlacedSection, at: u32) -> bool {
    let offset = index(at - place.rva + place.offset);
    truth.evidence.iter().any(|range| range.contains(&offset))
}
