//! Instructions that overwrite a specimen's code, each with an operand that
//! refers to one of the three variables.

use iced_x86::{Decoder, DecoderOptions, OpKind};

use specimen::{Arch, Specimen};

/// One instruction, or bytes that resemble one.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct InjectedCode {
    /// The position in the first section, as a fraction of 10000h.
    pub position: u16,
    /// Prefixes and opcode.
    pub opcode: Opcode,
    /// The register or opcode extension in ModRM.
    pub register: u8,
    /// The variable that the operand refers to.
    pub variable: Variable,
    /// The immediate behind the operand.
    pub immediate: Immediate,
    /// The bytes behind the instruction.
    pub suffix: Suffix,
}

/// One of the three variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Variable {
    /// T - 4.
    Queue,
    /// T.
    Threshold,
    /// T + 4.
    Count,
}

/// The bytes between the operand and the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Immediate {
    /// None.
    None,
    /// One.
    Byte(u8),
    /// Four.
    Dword(u32),
}

/// The bytes before ModRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Opcode {
    /// Any byte.
    One(u8),
    /// Any byte after LOCK.
    Locked(u8),
    /// Any byte after a REX prefix, which on x86 is `inc` or `dec`.
    Rex(u8, u8),
    /// LOCK, REX, opcode.
    LockedRex(u8, u8),
    /// Suffix 0Fh.
    Two(u8),
    /// LOCK, 0Fh, opcode.
    LockedTwo(u8),
    /// On x86 an opcode without ModRM (`mov eax, [address]`, `push address`).
    Bare(u8),
}

/// The bytes behind the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Suffix {
    /// The bytes that were there.
    Same,
    /// A test of a register.
    Test(u8),
    /// A locked update through a register, some bytes later.
    Locked(u8, u8),
}

impl InjectedCode {
    /// Whether iced-x86 decodes it as one instruction of exactly these bytes,
    /// with an operand that refers to the variable.
    pub fn is_instruction(&self, arch: Arch) -> bool {
        let mut bytes = self.leading_bytes(arch);
        bytes.extend([0; 4]);
        bytes.extend(self.immediate_bytes());
        let bits = match arch {
            Arch::X86 => 32,
            Arch::X64 => 64,
        };
        let instruction = Decoder::new(bits, &bytes, DecoderOptions::NONE).decode();
        // A wider operand would reach into the next variable.
        let names = arch == Arch::X86
            || instruction.is_ip_rel_memory_operand()
                && (1..=4).contains(&instruction.memory_size().size());
        // Drivers of the time don't use MMX or SSE, so there the locator may
        // refuse more.
        let general = (0..instruction.op_count())
            .filter(|&operand| instruction.op_kind(operand) == OpKind::Register)
            .all(|operand| instruction.op_register(operand).is_gpr());
        !instruction.is_invalid() && instruction.len() == bytes.len() && names && general
    }

    /// The bytes before the operand.
    fn leading_bytes(&self, arch: Arch) -> Vec<u8> {
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
    fn immediate_bytes(&self) -> Vec<u8> {
        match self.immediate {
            Immediate::None => Vec::new(),
            Immediate::Byte(byte) => vec![byte],
            Immediate::Dword(dword) => dword.to_le_bytes().to_vec(),
        }
    }

    /// Overwrites the specimen's code.
    pub fn inject(&self, specimen: &mut Specimen) {
        let section = &specimen.sections[0];
        let truth = &specimen.truth;
        let mut bytes = self.leading_bytes(specimen.spec.arch);
        let immediate = self.immediate_bytes();
        let suffix = match self.suffix {
            Suffix::Same => Vec::new(),
            Suffix::Test(register) => vec![0x85, 0xC0 | register & 7 << 3 | register & 7],
            Suffix::Locked(gap, register) => {
                let mut suffix = vec![0x90; usize::from(gap % 18)];
                suffix.extend([0xF0, 0x0F, 0xC1, 0x08 | register & 7]);
                suffix
            }
        };

        let room = section.raw_size.min(section.virtual_size) - 64;
        let position = (u64::from(self.position) * u64::from(room)) >> 16;
        let position = u32::try_from(position).expect("less than the room");
        let named = match self.variable {
            Variable::Queue => truth.queue,
            Variable::Threshold => truth.threshold,
            Variable::Count => truth.count,
        };
        let operand = match specimen.spec.arch {
            Arch::X86 => specimen.image_base + named,
            Arch::X64 => {
                let length = bytes.len() + 4 + immediate.len();
                let next = section.rva + position + u32::try_from(length).expect("a few bytes");
                named.wrapping_sub(next)
            }
        };
        bytes.extend(operand.to_le_bytes());
        bytes.extend(immediate);
        bytes.extend(suffix);
        let start = usize::try_from(section.offset + position).expect("inside the file");
        // The byte before must not read as its prefix or escape byte.
        specimen.file[start - 1] = 0x90;
        specimen.file[start..start + bytes.len()].copy_from_slice(&bytes);
    }
}
