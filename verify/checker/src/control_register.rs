//! The one read of a control register: CR4, which shows whether the x86 kernel
//! uses PAE. It is read once and never written.

use iced_x86::Register;
use scanner_core::Rva;

use super::code::Code;
use super::{Kind, Violation};

/// The places of reads of CR4.
pub(super) fn places(code: &Code) -> Vec<Rva> {
    let instructions = code.instructions.iter();
    instructions
        .filter(|(_, it)| it.op_count() == 2 && it.op1_register() == Register::CR4)
        .map(|(&at, _)| at)
        .collect()
}

/// Refuses a second one, which would have another purpose.
pub(super) fn check(code: &Code, kind: Kind) -> Option<Violation> {
    let places = places(code);
    (kind == Kind::Driver && places.len() > 1).then_some(Violation::ControlReads(places))
}
