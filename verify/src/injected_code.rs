//! Instructions put over a specimen's code, each with an operand that names
//! one of the three variables: what else could code do with them?

use iced_x86::{Decoder, DecoderOptions, OpKind};

use specimen::{Arch, Specimen};

/// One instruction, or what looks like one.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct InjectedCode {
    /// Where in the first section, as a fraction of it.
    pub place: u16,
    /// Prefixes and opcode.
    pub opcode: Opcode,
    /// What ModRM says of the register, or which opcode extension it is.
    pub register: u8,
    /// The variable that the operand names.
    pub variable: Variable,
    /// An immediate of so many bytes follows the operand.
    pub immediate: Immediate,
    /// What comes after.
    pub after: After,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Variable {
    /// T - 4.
    Queue,
    /// T.
    Threshold,
    /// T + 4.
    Count,
}

/// Bytes between the operand and the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Immediate {
    /// None.
    None,
    /// One.
    Byte(u8),
    /// Four.
    Dword(u32),
}

/// Bytes in front of ModRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Opcode {
    /// Any byte.
    One(u8),
    /// The same after LOCK.
    Locked(u8),
    /// The same after a REX prefix, which on x86 is `inc` or `dec`.
    Rex(u8, u8),
    /// LOCK, REX, opcode.
    LockedRex(u8, u8),
    /// After 0Fh.
    Two(u8),
    /// LOCK, 0Fh, opcode.
    LockedTwo(u8),
    /// On x86 an opcode without ModRM (`mov eax, [address]`, `push address`).
    Bare(u8),
}

/// What comes after the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum After {
    /// Whatever was there.
    Same,
    /// A test of a register.
    Test(u8),
    /// A locked update through a register, some bytes further.
    Locked(u8, u8),
}

impl InjectedCode {
    /// Whether iced-x86 reads it as one instruction of just these bytes, with
    /// an operand that names the variable.
    pub fn is_instruction(&self, arch: Arch) -> bool {
        let mut bytes = self.front(arch);
        bytes.extend([0; 4]);
        bytes.extend(self.immediate());
        let bits = match arch {
            Arch::X86 => 32,
            Arch::X64 => 64,
        };
        let instruction = Decoder::new(bits, &bytes, DecoderOptions::NONE).decode();
        // A wider operand would reach into the next variable.
        let names = arch == Arch::X86
            || instruction.is_ip_rel_memory_operand()
                && (1..=4).contains(&instruction.memory_size().size());
        // Drivers of the time don't use MMX or SSE: the locator is careful.
        let general = (0..instruction.op_count())
            .filter(|&operand| instruction.op_kind(operand) == OpKind::Register)
            .all(|operand| instruction.op_register(operand).is_gpr());
        !instruction.is_invalid() && instruction.len() == bytes.len() && names && general
    }

    /// The bytes before the operand.
    fn front(&self, arch: Arch) -> Vec<u8> {
        let modrm = self.register & 7 << 3 | 5;
        let bare = arch == Arch::X86;
        match self.opcode {
            Opcode::One(opcode) => vec![opcode, modrm],
            Opcode::Locked(opcode) => vec![0xF0, opcode, modrm],
            Opcode::Rex(rex, opcode) => vec![0x40 | rex & 15, opcode, modrm],
            Opcode::LockedRex(rex, opcode) => vec![0xF0, 0x40 | rex & 15, opcode, modrm],
            Opcode::Two(opcode) => vec![0x0F, opcode, modrm],
            Opcode::LockedTwo(opcode) => vec![0xF0, 0x0F, opcode, modrm],
            Opcode::Bare(opcode) if bare => vec![opcode],
            Opcode::Bare(opcode) => vec![opcode, modrm],
        }
    }

    /// The bytes behind the operand.
    fn immediate(&self) -> Vec<u8> {
        match self.immediate {
            Immediate::None => Vec::new(),
            Immediate::Byte(byte) => vec![byte],
            Immediate::Dword(dword) => dword.to_le_bytes().to_vec(),
        }
    }

    /// Overwrites the specimen's code.
    pub fn put(&self, specimen: &mut Specimen) {
        let section = &specimen.sections[0];
        let truth = &specimen.truth;
        let mut bytes = self.front(specimen.spec.arch);
        let immediate = self.immediate();
        let after = match self.after {
            After::Same => Vec::new(),
            After::Test(register) => vec![0x85, 0xC0 | register & 7 << 3 | register & 7],
            After::Locked(gap, register) => {
                let mut after = vec![0x90; usize::from(gap % 18)];
                after.extend([0xF0, 0x0F, 0xC1, 0x08 | register & 7]);
                after
            }
        };

        let room = section.raw_size.min(section.virtual_size) - 64;
        let place = (u64::from(self.place) * u64::from(room)) >> 16;
        let place = u32::try_from(place).expect("less than the room");
        let named = match self.variable {
            Variable::Queue => truth.queue,
            Variable::Threshold => truth.threshold,
            Variable::Count => truth.count,
        };
        let operand = match specimen.spec.arch {
            Arch::X86 => specimen.image_base + named,
            Arch::X64 => {
                let length = bytes.len() + 4 + immediate.len();
                let next = section.rva + place + u32::try_from(length).expect("a few bytes");
                named.wrapping_sub(next)
            }
        };
        bytes.extend(operand.to_le_bytes());
        bytes.extend(immediate);
        bytes.extend(after);
        let start = usize::try_from(section.offset + place).expect("inside the file");
        // What was there must not read as its prefix or escape byte.
        specimen.file[start - 1] = 0x90;
        specimen.file[start..start + bytes.len()].copy_from_slice(&bytes);
    }
}
