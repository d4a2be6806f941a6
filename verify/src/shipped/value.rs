//! What is known of registers and of words on the stack.

use iced_x86::{Instruction, Register};
use scanner_core::Rva;

use super::Arch;
use super::image::Image;
use super::linkage::Slots;

/// A place on the stack, by the bytes it is below the function's return address.
///
/// After an alignment (`and esp, -16`) depths are the deepest that are possible, and can't be
/// compared with the ones before: `aligned` tells them apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) aligned: Option<Rva>,
    pub(super) depth: i64,
}

impl Place {
    /// Where the return address is.
    pub(super) const RETURN: Self = Self {
        aligned: None,
        depth: 0,
    };

    pub(super) fn deeper(self, bytes: i64) -> Self {
        Self {
            depth: self.depth.saturating_add(bytes),
            ..self
        }
    }
}

/// What a register or a word on the stack holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Unknown,
    /// What that register held when the function was entered.
    Entry(Register),
    /// The function's return address.
    Return,
    /// The address of a place on the stack.
    Stack(Place),
    /// What the loader wrote to that slot of the import address table.
    Import(Rva),
    Constant(i64),
}

/// What instructions are understood with.
pub(super) struct Context<'image> {
    pub(super) image: &'image Image<'image>,
    pub(super) slots: &'image Slots,
}

impl Context<'_> {
    /// The registers that a function must give back as it got them, by their full names.
    pub(super) fn preserved(&self) -> &'static [Register] {
        use Register::*;
        match self.image.arch {
            Arch::X86 => &[RBX, RBP, RSI, RDI],
            Arch::X64 => &[RBX, RBP, RSI, RDI, R12, R13, R14, R15],
        }
    }

    /// Bytes of an address.
    pub(super) fn word(&self) -> i64 {
        i64::from(self.image.word())
    }

    /// The slot of the import address table that the memory operand is.
    pub(super) fn slot(&self, instruction: &Instruction) -> Option<Rva> {
        let address = match (instruction.memory_base(), instruction.memory_index()) {
            (Register::RIP, Register::None) => instruction.ip_rel_memory_address(),
            (Register::None, Register::None) if self.image.arch == Arch::X86 => {
                u64::from(instruction.memory_displacement32())
            }
            _ => return None,
        };
        let own = matches!(instruction.segment_prefix(), Register::FS | Register::GS);
        let slot = self.image.rva(address).filter(|_| !own)?;
        self.slots.contains_key(&slot).then_some(slot)
    }
}

/// All general registers, by the names of their 64 bits on both machines.
pub(super) fn full_registers() -> impl Iterator<Item = Register> {
    use Register::*;
    [
        RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    ]
    .into_iter()
}
