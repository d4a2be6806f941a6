//! Disassembly of the driver's code: its functions and instructions.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use specimen::Arch;

use crate::address::to_usize;
use crate::image::{LoadedImage, Section};

fn text(driver: &LoadedImage) -> &Section {
    let text = driver.sections.iter().find(|section| section.is_code());
    text.expect("a driver has code")
}

/// RVA of the code.
#[must_use]
pub fn text_rva(driver: &LoadedImage) -> u64 {
    text(driver).rva.into()
}

/// The driver's instructions in order. The section contains only code.
pub fn instructions(driver: &LoadedImage) -> impl Iterator<Item = Instruction> {
    let section = text(driver);
    let at = to_usize(section.rva.into());
    let bytes = &driver.memory[at..at + to_usize(section.virtual_size.into())];
    let bits = if driver.arch == Arch::X86 { 32 } else { 64 };
    let start = driver.base + u64::from(section.rva);
    let decoder = Decoder::with_ip(bits, bytes, start, DecoderOptions::NONE);
    decoder.into_iter()
}

/// The RVAs of the driver's functions: all call targets, and DriverEntry.
#[must_use]
pub fn functions(driver: &LoadedImage) -> BTreeMap<u64, ()> {
    let calls = instructions(driver).filter(|it| it.flow_control() == FlowControl::Call);
    let called = calls.map(|call| call.near_branch_target().wrapping_sub(driver.base));
    called
        .chain([driver.entry.into()])
        .map(|rva| (rva, ()))
        .collect()
}
