//! The one look at a control register: CR4, which tells whether the x86 kernel
//! uses PAE. It is read, once, and never written.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use scanner_core::Rva;

use super::code::Code;
use super::{Arch, Kind, Violation};

/// Whether an instruction is that look, in a file that may have it.
pub(super) fn is_read(instruction: &Instruction, arch: Arch, kind: Kind) -> bool {
    let is_register =
        |operand, register| instruction.op_kind(operand) == OpKind::Register && register;
    kind == Kind::Driver
        && arch == Arch::X86
        && instruction.mnemonic() == Mnemonic::Mov
        && is_register(0, instruction.op0_register().is_gpr32())
        && is_register(1, instruction.op1_register() == Register::CR4)
}

/// Where a file has it.
pub(super) fn places(code: &Code) -> Vec<Rva> {
    let instructions = code.instructions.iter();
    instructions
        .filter(|(_, it)| it.op_count() == 2 && it.op1_register() == Register::CR4)
        .map(|(&at, _)| at)
        .collect()
}

/// A second one would have a purpose of its own.
pub(super) fn check(code: &Code, kind: Kind) -> Option<Violation> {
    let places = places(code);
    (kind == Kind::Driver && places.len() > 1).then_some(Violation::ControlReads(places))
}
