//! A specimen's code as read by an independent disassembler, iced-x86, and the
//! required facts that are broken there.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register,
};
use specimen::{Arch, Defect, Module, PlacedSection, Specimen};

use crate::specimen::file;

/// A section's instructions, one after the other, at RVA + the base that the
/// code was linked for.
#[derive(Debug)]
pub(crate) struct Listing {
    base: u64,
    pub(crate) instructions: Vec<Instruction>,
}

/// A load and compare of two variables with a conditional jump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) rva: u32,
    pub(crate) len: u32,
    pub(crate) threshold: u32,
    pub(crate) count: u32,
    pub(crate) signed: bool,
    pub(crate) target: u32,
}

pub(crate) fn base(specimen: &Specimen) -> u64 {
    u64::from(specimen.spec.image_base.address())
}

pub(crate) fn section<'a>(specimen: &'a Specimen, name: &[u8; 8]) -> &'a PlacedSection {
    specimen
        .sections
        .iter()
        .find(|placed| placed.name == *name)
        .expect("the section is there")
}

impl Listing {
    pub(crate) fn new(specimen: &Specimen, name: &[u8; 8]) -> Self {
        let placed = section(specimen, name);
        let start = placed.offset as usize;
        let bytes = &specimen.file[start..start + placed.virtual_size as usize];
        Self::decode(specimen, bytes, placed.rva)
    }

    /// The instructions of `bytes`, which are at `rva`.
    pub(crate) fn decode(specimen: &Specimen, bytes: &[u8], rva: u32) -> Self {
        let bits = if specimen.spec.arch == Arch::X86 {
            32
        } else {
            64
        };
        let base = base(specimen);
        let ip = base + u64::from(rva);
        let decoder = Decoder::with_ip(bits, bytes, ip, DecoderOptions::NONE);
        Self {
            base,
            instructions: decoder.into_iter().collect(),
        }
    }

    pub(crate) fn rva(&self, instruction: &Instruction) -> u32 {
        u32::try_from(instruction.ip() - self.base).expect("inside the image")
    }

    /// The variable that an instruction names as its memory operand.
    pub(crate) fn variable(&self, instruction: &Instruction) -> Option<u32> {
        let direct = instruction.is_ip_rel_memory_operand()
            || instruction.memory_base() == Register::None
                && instruction.memory_index() == Register::None;
        let memory = (0..instruction.op_count())
            .any(|operand| instruction.op_kind(operand) == OpKind::Memory);
        let address = instruction.memory_displacement64().checked_sub(self.base)?;
        (direct && memory)
            .then(|| u32::try_from(address).ok())
            .flatten()
    }

    pub(crate) fn gate(&self, index: usize) -> Option<Gate> {
        let [load, compare, jump] = self.instructions.get(index..index + 3)? else {
            return None;
        };
        let is_load = load.mnemonic() == Mnemonic::Mov && load.op0_kind() == OpKind::Register;
        if !is_load || compare.mnemonic() != Mnemonic::Cmp || !jump.is_jcc_short_or_near() {
            return None;
        }
        let (loaded, compared) = (self.variable(load)?, self.variable(compare)?);
        let register_first = compare.op0_kind() == OpKind::Register;
        let register = if register_first {
            compare.op0_register()
        } else {
            compare.op1_register()
        };
        if register != load.op0_register() {
            return None;
        }
        let (minuend, subtrahend) = if register_first {
            (loaded, compared)
        } else {
            (compared, loaded)
        };
        use ConditionCode::{a, ae, b, be, g, ge, l, le};
        let (signed, count_first) = match jump.condition_code() {
            ge | l => (true, true),
            le | g => (true, false),
            ae | b => (false, true),
            be | a => (false, false),
            _ => return None,
        };
        let (count, threshold) = if count_first {
            (minuend, subtrahend)
        } else {
            (subtrahend, minuend)
        };
        let rva = self.rva(load);
        let len = u32::try_from(jump.next_ip() - load.ip()).expect("three instructions");
        let target = u32::try_from(jump.near_branch_target() - self.base).expect("in the image");
        Some(Gate {
            rva,
            len,
            threshold,
            count,
            signed,
            target,
        })
    }

    pub(crate) fn gates(&self) -> Vec<Gate> {
        (0..self.instructions.len())
            .filter_map(|index| self.gate(index))
            .collect()
    }

    /// Instructions that name a variable as their memory operand.
    pub(crate) fn uses(&self, variable: u32) -> impl Iterator<Item = &Instruction> {
        self.instructions
            .iter()
            .filter(move |one| self.variable(one) == Some(variable))
    }

    /// Atomic updates: locked instructions on the variable, or `mov` of its
    /// address with a locked instruction on that register right behind.
    pub(crate) fn atomics(&self, variable: u32) -> usize {
        let address = self.base + u64::from(variable);
        let direct = self
            .uses(variable)
            .filter(|one| one.has_lock_prefix())
            .count();
        let indirect = self.instructions.windows(3).filter(|window| {
            let [load, next, last] = window else {
                return false;
            };
            let locked = |one: &Instruction| {
                one.has_lock_prefix() && one.memory_base() == load.op0_register()
            };
            load.code() == Code::Mov_r32_imm32
                && u64::from(load.immediate32()) == address
                && (locked(next) || locked(last))
        });
        direct + indirect.count()
    }
}

/// The required facts that don't hold for T at `threshold`, from the bytes.
/// The specimen may not have data between its functions.
pub(crate) fn broken(specimen: &Specimen, threshold: u32) -> Vec<Defect> {
    let text = Listing::new(specimen, b".text\0\0\0");
    let page = Listing::new(specimen, b"PAGE\0\0\0\0");
    let own = |gate: &Gate| gate.threshold == threshold;
    let gates: Vec<Gate> = text.gates().into_iter().filter(own).collect();
    let pageable: Vec<Gate> = page.gates().into_iter().filter(own).collect();
    let all: Vec<Gate> = gates.iter().chain(&pageable).copied().collect();
    let count = all.first().map_or(threshold + 4, |gate| gate.count);
    let starts: Vec<u32> = all.iter().map(|gate| gate.rva).collect();
    let in_gate = |one: &Instruction| {
        let rva = text.rva(one);
        all.iter()
            .any(|gate| (gate.rva..gate.rva + gate.len).contains(&rva))
    };
    let extra = |variable| text.uses(variable).filter(|one| !in_gate(one));
    let is_write = |one: &Instruction| one.op0_kind() == OpKind::Memory;
    let listing = |gate: &Gate| {
        if pageable.iter().any(|one| one.rva == gate.rva) {
            &page
        } else {
            &text
        }
    };
    let tested = all.iter().any(|gate| {
        listing(gate).uses(threshold - 4).any(|one| {
            let rva = listing(gate).rva(one);
            let writes = match one.mnemonic() {
                Mnemonic::Inc | Mnemonic::Dec | Mnemonic::Add => true,
                Mnemonic::Mov => is_write(one),
                _ => false,
            };
            !writes && (gate.rva..gate.rva + 0x80).contains(&rva)
        })
    });
    let event = text.instructions.iter().any(|one| {
        (0..one.op_count()).any(|operand| {
            matches!(
                one.op_kind(operand),
                OpKind::Immediate32 | OpKind::Immediate32to64
            ) && one.immediate32() == 0x8000_1082
        })
    });
    let owner = specimen
        .sections
        .iter()
        .find(|placed| (placed.rva..placed.rva + placed.virtual_size).contains(&threshold))
        .expect("T is in a section");
    [
        (all.len() < 2, Defect::OneGate),
        (!pageable.is_empty(), Defect::GatesPageable),
        (all.iter().any(|gate| !gate.signed), Defect::UnsignedJumps),
        (
            count != threshold + 4 || starts.is_empty(),
            Defect::NotAdjacent,
        ),
        (owner.flags & 0x8000_0000 == 0, Defect::ReadOnlyData),
        (text.atomics(count) < 3, Defect::FewAtomics),
        (!tested, Defect::NoQueueTest),
        (
            extra(threshold).any(|one| !is_write(one)),
            Defect::OtherReadOfThreshold,
        ),
        (
            extra(count).any(|one| one.mnemonic() == Mnemonic::Mov),
            Defect::OtherLoadOfCount,
        ),
        (
            extra(threshold).any(|one| is_write(one) && !one.has_lock_prefix()),
            Defect::LiveWriter,
        ),
        (text.atomics(threshold) > 0, Defect::AtomicThreshold),
        (!file::anchored(specimen), Defect::NoAnchor),
        (
            event != (specimen.spec.module == Module::Tcpip),
            Defect::NoEventId,
        ),
        (
            u64::from(specimen.image_base) != base(specimen),
            Defect::SwappedBase,
        ),
    ]
    .into_iter()
    .filter_map(|(is, defect)| is.then_some(defect))
    .collect()
}
