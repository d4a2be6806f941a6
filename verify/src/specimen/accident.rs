//! References that no one wrote: bytes which, read at the wrong offset, name
//! one of the limiter's variables or the event. Filler with one is not used.

use super::code::Form;
use super::image::{Image, index};
use super::limiter::EVENT_ID;
use super::spec::{Arch, Spec};
use super::truth::{Truth, Variables};

/// Whether executable bytes name a variable or the event by accident.
pub(super) fn happened(spec: &Spec, image: &Image, truth: &Truth, variables: &Variables) -> bool {
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

/// Whether the builder wrote a reference here.
fn written(image: &Image, at: u32) -> bool {
    let found = image
        .references
        .binary_search_by_key(&at, |reference| reference.at);
    found.is_ok_and(|found| image.references[found].form != Form::Rva)
}

fn within(truth: &Truth, place: &super::section::Placed, at: u32) -> bool {
    let offset = index(at - place.rva + place.offset);
    truth.evidence.iter().any(|range| range.contains(&offset))
}
