//! Specimens, and changes to them. Most are for x86, whose operands can be changed
//! without computing distances.

use std::ops::Range;
use std::sync::LazyLock;

use scanner_core::Evidence;
use specimen::{Decoys, Defect, PlacedSection, Spec, Specimen};

use crate::search::in_memory;

const ROOM: usize = 64;

/// A driver of XP SP3, in which nothing else looks like a limit.
pub(crate) fn driver() -> Specimen {
    static DRIVER: LazyLock<Specimen> = LazyLock::new(|| build(None));
    DRIVER.clone()
}

pub(crate) fn driver_without(defect: Defect) -> Specimen {
    build(Some(defect))
}

fn build(defect: Option<Defect>) -> Specimen {
    let spec = Spec {
        decoys: Decoys::NONE,
        defect,
        ..Spec::xp_sp3()
    };
    spec.with_text_kib(64).build()
}

/// Specimens large enough for calls outside the windows.
pub(crate) fn specimens() -> impl Iterator<Item = Specimen> {
    static SPECIMENS: LazyLock<Vec<Specimen>> = LazyLock::new(|| {
        let kinds = Spec::presets().into_iter();
        kinds
            .map(|(_, spec)| spec.with_text_kib(64).build())
            .collect()
    });
    SPECIMENS.iter().cloned()
}

pub(crate) fn section<'a>(driver: &'a Specimen, name: &[u8]) -> &'a PlacedSection {
    let named = |section: &&PlacedSection| section.name.starts_with(name);
    driver.sections.iter().find(named).unwrap()
}

pub(crate) fn dword(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

pub(crate) fn put(driver: &mut Specimen, at: usize, bytes: &[u8]) {
    driver.file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The address of a variable, as an operand.
pub(crate) fn address(driver: &Specimen, rva: u32) -> [u8; 4] {
    (driver.image_base + rva).to_le_bytes()
}

/// File offsets of live code that is no evidence.
pub(crate) fn free(driver: &Specimen) -> Vec<usize> {
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
pub(crate) fn gate(driver: &Specimen, threshold: u32) -> Vec<u8> {
    gate_of(driver, threshold + 4, threshold)
}

/// A gate that compares any two variables.
pub(crate) fn gate_of(driver: &Specimen, count: u32, threshold: u32) -> Vec<u8> {
    let (count, threshold) = (address(driver, count), address(driver, threshold));
    [&[0xA1][..], &count, &[0x3B, 0x05], &threshold, &[0x7D, 0]].concat()
}

/// Moves every operand that names one of `from`.
pub(crate) fn moved(driver: &mut Specimen, from: &[u32], by: u32) {
    for rva in driver.pointers.clone() {
        let at = driver.sections.iter().find_map(|s| s.file_offset(rva));
        let at = at.unwrap() as usize;
        let named = dword(&driver.file, at);
        if from.contains(&named.wrapping_sub(driver.image_base)) {
            put(driver, at, &named.wrapping_add(by).to_le_bytes());
        }
    }
}

/// A specimen whose code can end up to 64 bytes earlier, and fills its raw data.
pub(crate) fn with_room(spec: &Spec) -> Specimen {
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

/// The specimen with `less` fewer bytes of code, and the file offset of its end.
pub(crate) fn ending_earlier(driver: &Specimen, less: u32) -> (Specimen, usize) {
    let mut driver = driver.clone();
    let text = *section(&driver, b".text");
    let mut headers = driver.file.windows(8);
    let header = headers.position(|name| name == b".text\0\0\0").unwrap();
    let size = text.virtual_size - less;
    put(&mut driver, header + 8, &size.to_le_bytes());
    let mut sections = driver.sections.iter_mut();
    let placed = sections.find(|it| it.rva == text.rva).unwrap();
    placed.virtual_size = size;
    (driver, (text.offset + size) as usize)
}

/// The evidence missing once these bytes, with an address in their middle, replace
/// code that is no evidence.
pub(crate) fn missing_with(
    driver: &Specimen,
    place: usize,
    front: &[u8],
    rva: u32,
    behind: &[u8],
) -> Vec<Evidence> {
    let mut driver = driver.clone();
    let bytes = [front, &address(&driver, rva), behind].concat();
    put(&mut driver, place, &bytes);
    in_memory(&driver).missing()
}

/// Whether any of these bytes of the file is evidence.
pub(crate) fn is_evidence(specimen: &Specimen, bytes: &Range<usize>) -> bool {
    let mut evidence = specimen.truth.evidence.iter();
    evidence.any(|used| used.start < bytes.end && bytes.start < used.end)
}

/// The x64 driver with the count `by` bytes further behind the limit.
pub(crate) fn with_count_at(built: &Specimen, by: u32) -> Specimen {
    let mut driver = built.clone();
    let text = *section(built, b".text");
    let count = built.truth.count;
    for at in text.offset as usize..(text.offset + text.raw_size) as usize - 4 {
        let next = u32::try_from(at).unwrap() - text.offset + text.rva + 4;
        let distance = dword(&built.file, at);
        // Only updates have an immediate behind their operand.
        let mut updates = built.truth.atomics.iter();
        let is_update = updates.any(|update| (update..&(update + 8)).contains(&&next));
        let immediates: &[u32] = if is_update { &[0, 1, 4] } else { &[0] };
        let named = next.wrapping_add(distance);
        let names = |immediate: &u32| named.wrapping_add(*immediate) == count;
        if is_evidence(built, &(at..at + 4)) && immediates.iter().any(names) {
            put(&mut driver, at, &distance.wrapping_add(by).to_le_bytes());
        }
    }
    driver
}
