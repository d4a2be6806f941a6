//! Live code, decoded at every byte, and its references to a variable.

use super::decode::{
    Access, access, decode, has_register, has_sib, is_atomic, memory_operand, starts_canonically,
};
use super::gate::{Gate, gate_with_fields};
use super::pe::Image;
use iced_x86::{Code as Encoding, Instruction, Mnemonic, Register};
use std::collections::BTreeMap;

/// The largest distance from the instruction that takes an address to its use, in bytes.
const ADDRESS_USE: u64 = 16;

/// All live code of an image. Addresses are virtual.
#[derive(Debug)]
pub(super) struct LiveCode {
    bits64: bool,
    blocks: Vec<Block>,
    /// Every displacement field that refers to a variable, with its instruction.
    accesses: BTreeMap<u64, Access>,
}

/// The live code of one section.
#[derive(Debug)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

/// A gate and its address.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundGate {
    pub(super) at: u64,
    pub(super) gate: Gate,
    /// The displacement fields of its load and its compare.
    pub(super) fields: [u64; 2],
}

/// A reference to a variable in live code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    /// Address of the field that holds the variable's address or distance.
    pub(super) field: u64,
    /// The instruction whose memory operand it is; `None` for an immediate, an indexed operand, or
    /// any other bytes that hold the address.
    pub(super) by: Option<Instruction>,
}

impl LiveCode {
    pub(super) fn new(image: &Image) -> Self {
        let blocks = image
            .sections
            .iter()
            .filter(|section| section.is_live_code())
            .map(|section| Block {
                start: image.base + u64::from(section.rva),
                bytes: section.code.clone(),
            })
            .collect();
        let mut code = LiveCode {
            bits64: image.bits64,
            blocks,
            accesses: BTreeMap::new(),
        };
        code.accesses = code.find_accesses();
        code
    }

    /// A field belongs to the instruction with the most bytes before it: in address order, the
    /// first instruction to claim a field keeps it.
    fn find_accesses(&self) -> BTreeMap<u64, Access> {
        let mut accesses = BTreeMap::new();
        for (at, bytes) in self.places() {
            if starts_canonically(bytes, self.bits64)
                && let Some(found) = access(bytes, at, self.bits64)
            {
                accesses.entry(found.field).or_insert(found);
            }
        }
        accesses
    }

    /// Every address, with the bytes from there to the end of its section.
    fn places(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.blocks.iter().flat_map(|block| {
            (block.start..).zip((0..block.bytes.len()).map(|offset| &block.bytes[offset..]))
        })
    }

    fn bytes_from(&self, at: u64) -> Option<&[u8]> {
        self.blocks.iter().find_map(|block| {
            let offset = usize::try_from(at.checked_sub(block.start)?).ok()?;
            block.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
        })
    }

    /// All gates in address order. Of two that share a load (the byte before it reads as a REX
    /// prefix without effect), the shorter.
    pub(super) fn gates(&self) -> Vec<FoundGate> {
        let mut gates: Vec<FoundGate> = Vec::new();
        for (at, bytes) in self.places() {
            if let Some((gate, fields)) = gate_with_fields(bytes, at, self.bits64) {
                gates.pop_if(|before| before.fields == fields);
                gates.push(FoundGate { at, gate, fields });
            }
        }
        gates
    }

    /// Whether live code contains the dword, aligned or not.
    pub(super) fn has_dword(&self, dword: u32) -> bool {
        self.places()
            .any(|(_, bytes)| bytes.starts_with(&dword.to_le_bytes()))
    }

    /// The calls through a pointer in memory (`FF 15`).
    pub(super) fn calls_through_pointers(&self) -> Vec<Access> {
        self.places()
            .filter(|(_, bytes)| bytes.starts_with(&[0xFF, 0x15]))
            .filter_map(|(at, bytes)| access(bytes, at, self.bits64))
            .collect()
    }

    /// The direct calls (`E8`) within a section: the address of each, and its target.
    pub(super) fn direct_calls(&self) -> Vec<(u64, u64)> {
        self.places()
            .filter(|(_, bytes)| bytes.starts_with(&[0xE8]))
            .filter_map(|(at, bytes)| {
                let call = decode(bytes, at, self.bits64)?;
                Some((at, call.near_branch_target()))
            })
            .filter(|&(at, called)| self.are_together(at, called))
            .collect()
    }

    /// Whether both addresses are in live code of one section.
    pub(super) fn are_together(&self, one: u64, other: u64) -> bool {
        self.blocks.iter().any(|block| {
            let end = block.start + block.bytes.len() as u64;
            [one, other]
                .iter()
                .all(|at| (block.start..end).contains(at))
        })
    }

    /// All references to the variable. On x86 that is every occurrence of its address.
    pub(super) fn references(&self, variable: u64) -> Vec<Reference> {
        if self.bits64 {
            return self
                .accesses
                .values()
                .filter(|access| access.variable == variable)
                .map(|access| Reference {
                    field: access.field,
                    by: Some(access.instruction),
                })
                .collect();
        }
        let Ok(address) = u32::try_from(variable) else {
            return Vec::new();
        };
        self.places()
            .filter(|(_, bytes)| bytes.starts_with(&address.to_le_bytes()))
            .map(|(field, _)| {
                let by = self.accesses.get(&field).map(|access| access.instruction);
                Reference { field, by }
            })
            .collect()
    }

    /// The number of atomic updates of the variable.
    pub(super) fn atomic_updates(&self, variable: u64) -> usize {
        self.references(variable)
            .iter()
            .filter(|reference| self.is_atomic_update(reference))
            .count()
    }

    /// Whether the reference updates its variable atomically: directly, or by taking its address
    /// for an update shortly after.
    pub(super) fn is_atomic_update(&self, reference: &Reference) -> bool {
        reference
            .by
            .is_some_and(|instruction| is_atomic(&instruction))
            || self
                .address_taken(reference)
                .is_some_and(|(register, end)| self.updates_through(register, end))
    }

    /// The register that receives the variable's address, and the end of the instruction.
    fn address_taken(&self, reference: &Reference) -> Option<(Register, u64)> {
        let taken = match reference.by {
            Some(instruction) if instruction.mnemonic() == Mnemonic::Lea => instruction,
            Some(_) => return None,
            None => {
                let start = reference.field.checked_sub(1)?;
                let taken = decode(self.bytes_from(start)?, start, self.bits64)?;
                let is_move = taken.code() == Encoding::Mov_r32_imm32 && taken.len() == 5;
                is_move.then_some(taken)?
            }
        };
        Some((taken.op0_register(), taken.next_ip()))
    }

    fn updates_through(&self, register: Register, end: u64) -> bool {
        (end..=end.saturating_add(ADDRESS_USE)).any(|at| {
            let Some(bytes) = self.bytes_from(at) else {
                return false;
            };
            // No compiler uses a SIB byte for `[register]`: it is part of another instruction.
            starts_canonically(bytes, self.bits64)
                && !has_sib(bytes, self.bits64)
                && decode(bytes, at, self.bits64).is_some_and(|update| {
                    is_atomic(&update)
                        && update.memory_base().full_register() == register.full_register()
                        && update.memory_index() == Register::None
                        && update.memory_displ_size() == 0
                })
        })
    }

    /// The instructions that compare or test the variable, in memory or just loaded: the addresses
    /// of the instruction and of the field that refers to the variable.
    pub(super) fn tests_of(&self, variable: u64) -> Vec<(u64, u64)> {
        self.references(variable)
            .iter()
            .filter_map(|reference| Some((reference.by?, reference.field)))
            .filter(|(instruction, _)| match instruction.code() {
                Encoding::Cmp_rm32_r32
                | Encoding::Cmp_r32_rm32
                | Encoding::Cmp_rm32_imm8
                | Encoding::Cmp_rm32_imm32
                | Encoding::Test_rm32_r32
                | Encoding::Test_rm32_imm32 => true,
                // REX.W may also be the last byte of the previous instruction.
                Encoding::Cmp_rm64_r64
                | Encoding::Cmp_r64_rm64
                | Encoding::Cmp_rm64_imm8
                | Encoding::Cmp_rm64_imm32
                | Encoding::Test_rm64_r64
                | Encoding::Test_rm64_imm32 => true,
                _ => is_plain_load(instruction) && self.tests_register_next(instruction),
            })
            .map(|(instruction, field)| (instruction.ip(), field))
            .collect()
    }

    /// A REX prefix that selects an upper register may also be the last byte of the previous
    /// instruction: then the register is the lower one.
    fn tests_register_next(&self, load: &Instruction) -> bool {
        let register = load.op0_register().full_register32();
        let lower = Register::EAX + u32::try_from(register.number() & 7).unwrap_or(0);
        let next = load.next_ip();
        self.bytes_from(next)
            .and_then(|bytes| decode(bytes, next, self.bits64))
            .is_some_and(|test| {
                matches!(test.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
                    && memory_operand(&test).is_none()
                    && (has_register(&test, register) || has_register(&test, lower))
            })
    }
}

/// Whether the instruction only copies a dword from memory to a register. (REX.W before it may also
/// be the last byte of the previous instruction.)
pub(super) fn is_plain_load(instruction: &Instruction) -> bool {
    memory_operand(instruction).is_some()
        && matches!(
            instruction.code(),
            Encoding::Mov_EAX_moffs32 | Encoding::Mov_r32_rm32 | Encoding::Mov_r64_rm64
        )
}

#[cfg(test)]
mod tests;
