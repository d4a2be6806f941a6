//! The debug directory.

use object::pe;

use super::Violation;
use super::image::Image;

/// IMAGE_DEBUG_TYPE_REPRO: the hash of a reproducible build.
const REPRO: u32 = 16;
/// The size of one entry, and where its type is, in bytes.
const ENTRY: u32 = 28;
const TYPE: u32 = 12;

pub(super) fn check(image: &Image<'_>) -> Vec<Violation> {
    let Some((start, size)) = image.directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG) else {
        return Vec::new();
    };
    (0..size)
        .step_by(ENTRY as usize)
        .map(|offset| {
            start
                .plus(offset)
                .and_then(|entry| image.u32_at(entry.plus(TYPE)?))
        })
        .filter(|kind| *kind != Some(REPRO))
        // An entry that can't be read: IMAGE_DEBUG_TYPE_UNKNOWN.
        .map(|kind| Violation::Debug(kind.unwrap_or(0)))
        .collect()
}
