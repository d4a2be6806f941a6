//! The sections, as NT maps, protects, pages and frees them.

use super::image::{Image, Section};
use super::{Kind, Violation};
use object::pe;

/// NT protects memory page by page.
const PAGE: u32 = 0x1000;

/// NT pages out (`PAGE*`, `.eda*`) or frees (`INIT`) a driver's sections of
/// these names, regardless of their flags.
const PAGEABLE: [&str; 3] = ["PAGE", ".eda", "INIT"];

pub(super) fn check(image: &Image<'_>, kind: Kind) -> Vec<Violation> {
    let mut violations = layout(image);
    for section in &image.sections {
        let (name, at) = (section.name.clone(), section.rva);
        if section.is_writable() && section.is_executable() {
            violations.push(Violation::WritableCode {
                section: name.clone(),
                at,
            });
        }
        // Only relocations are unused after the call of the entry point.
        if section.flags & pe::IMAGE_SCN_MEM_DISCARDABLE.0 != 0 && name != ".reloc" {
            violations.push(Violation::Discardable {
                section: name.clone(),
                at,
            });
        }
        let pageable = PAGEABLE.iter().any(|prefix| {
            name.to_ascii_uppercase()
                .starts_with(&prefix.to_ascii_uppercase())
        });
        if kind == Kind::Driver && pageable {
            violations.push(Violation::Pageable { section: name, at });
        }
    }
    if image.code(image.entry).is_none() {
        violations.push(Violation::Entry(image.entry));
    }
    violations
}

/// NT maps only images whose sections follow each other without a gap, in whole
/// pages.
fn layout(image: &Image<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut wrong = |section: &Section<'_>, why| {
        violations.push(Violation::Layout {
            section: section.name.clone(),
            why,
        });
    };
    let mut next = page_end(image.header.size_of_headers);
    for section in &image.sections {
        if Some(section.rva.0) != next {
            wrong(section, "doesn't start where the one before ends");
        }
        if section.virtual_size == 0 {
            wrong(section, "has no virtual size");
        }
        next = section
            .rva
            .plus(section.virtual_size)
            .and_then(|end| page_end(end.0));
        let alignment = image.header.file_alignment;
        if !is_file_aligned(section, alignment) {
            wrong(section, "is not aligned in the file");
        }
    }
    if image.header.section_alignment != PAGE || next != Some(image.size) {
        violations.push(Violation::Layout {
            section: "(all)".to_owned(),
            why: "are not aligned to pages, or don't add up to the image's size",
        });
    }
    violations
}

fn is_file_aligned(section: &Section<'_>, alignment: u32) -> bool {
    alignment >= 0x200
        && alignment.is_power_of_two()
        && section.raw_offset.is_multiple_of(alignment)
        && section.raw_size.is_multiple_of(alignment)
}

fn page_end(end: u32) -> Option<u32> {
    end.checked_next_multiple_of(PAGE)
}
