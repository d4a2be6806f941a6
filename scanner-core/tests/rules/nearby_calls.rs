//! Calls around a gate.

use scanner_core::{Evidence, Findings, Image, locate};
use specimen::Specimen;

use crate::search::module;

/// Calls with this opcode within 1000h bytes of a gate: file offset, and RVA of the
/// next instruction.
pub(crate) fn calls(specimen: &Specimen, gate: u32, opcode: &[u8]) -> Vec<(usize, u32)> {
    let text = &specimen.sections[0];
    let window = gate.saturating_sub(0x1000).max(text.rva)..=gate + 0x1000;
    let end = text.rva + text.virtual_size;
    let places = window.filter(|at| at + 8 < end);
    places
        .map(|at| ((at - text.rva + text.offset) as usize, at))
        .filter(|&(at, _)| specimen.file[at..].starts_with(opcode))
        .map(|(at, rva)| (at, rva + u32::try_from(opcode.len()).unwrap() + 4))
        .collect()
}

/// Hits and total at a gate, from the locator.
pub(crate) fn tally(specimen: &Specimen, gate: usize, piece: Evidence) -> (u16, u16) {
    let image = Image::from_file(&specimen.file).unwrap();
    let claimed = module(&specimen.spec);
    let around = |findings: &Findings| {
        let around = findings.nearby_calls().nth(gate).copied().unwrap();
        match piece {
            Evidence::LocalImports => (around.imports.hits, around.imports.total),
            _ => (around.functions.hits, around.functions.total),
        }
    };
    match locate(&image, claimed) {
        Ok(located) => around(located.findings()),
        Err(refusal) => around(refusal.best().unwrap()),
    }
}
