//! Filler that is not used: in which bytes, read at the wrong offset, name one of
//! the limiter's variables or the event, so that there is a reference that no one
//! wrote, and code with fewer calls around a gate than genuine code has.

use super::arch::Arch;
use super::code::Form;
use super::ground_truth::{GroundTruth, Variables};
use super::image::{Image, index};
use super::limiter::EVENT_ID;
use super::name::Name;
use super::spec::Spec;

/// Whether executable bytes name a variable or the event by accident.
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
                    // Of imm8, imm16 and imm32 operands behind the displacement.
                    Arch::X64 => [0, 1, 2, 4]
                        .iter()
                        .any(|trailing| variables.have(value.wrapping_add(at + 4 + trailing))),
                };
                (named && !written(image, at)) || (value == EVENT_ID && !within(truth, place, at))
            })
        })
}

/// How far from a gate calls are counted, in bytes.
const REACH: u32 = 0x1000;
/// Direct calls around each gate on x64; of five one goes to a leaf.
const DIRECT_CALLS: usize = 14;

/// Whether few direct calls lie around a gate in `.text`, on x64.
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

/// Whether the builder wrote a reference here.
fn written(image: &Image, at: u32) -> bool {
    let found = image
        .references
        .binary_search_by_key(&at, |reference| reference.at);
    found.is_ok_and(|found| image.references[found].form != Form::Rva)
}

fn within(truth: &GroundTruth, place: &super::section::PlacedSection, at: u32) -> bool {
    let offset = index(at - place.rva + place.offset);
    truth.evidence.iter().any(|range| range.contains(&offset))
}
