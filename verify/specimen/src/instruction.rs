//! Instructions that use neither variables nor other code: most of any driver.
//! They are drawn by their frequency in compiled code; of several, the one
//! whose bytes are most underrepresented is taken.

use super::arch::Arch;
use super::density::{Balance, Density};
use super::random::Random;

/// The number of candidates of which the best is taken.
const CHOICE: usize = 3;

/// The kind of operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operands {
    None,
    /// The register is part of the opcode.
    InOpcode,
    /// Two registers.
    Registers,
    /// `[ebp+8]`, `[rsp+20h]`: in the function's frame.
    Frame,
    /// `[esi+8]`: in a structure.
    Field,
    /// `[esi]`.
    Pointer,
    /// `[esi+120h]`.
    FarField,
}

/// One form of instruction.
#[derive(Debug, Clone, Copy)]
struct Encoding {
    /// Its approximate share of plain instructions, in thousandths.
    share: u16,
    opcode: &'static [u8],
    /// The opcode extension in ModRM, instead of a register.
    extension: Option<u8>,
    operands: Operands,
    /// Bytes of an immediate.
    immediate: usize,
}

const fn plain(share: u16, opcode: &'static [u8], operands: Operands) -> Encoding {
    Encoding {
        share,
        opcode,
        extension: None,
        operands,
        immediate: 0,
    }
}

const fn group(
    share: u16,
    opcode: &'static [u8],
    extension: u8,
    operands: Operands,
    immediate: usize,
) -> Encoding {
    Encoding {
        extension: Some(extension),
        immediate,
        ..plain(share, opcode, operands)
    }
}

const fn constant(
    share: u16,
    opcode: &'static [u8],
    operands: Operands,
    immediate: usize,
) -> Encoding {
    Encoding {
        immediate,
        ..plain(share, opcode, operands)
    }
}

use Operands::{FarField, Field, Frame, InOpcode, None as Nothing, Pointer, Registers};

/// On both machines.
const COMMON: &[Encoding] = &[
    plain(80, &[0x8B], Frame),
    plain(110, &[0x8B], Field),
    plain(25, &[0x8B], Pointer),
    plain(12, &[0x8B], FarField),
    plain(40, &[0x8B], Registers),
    plain(45, &[0x89], Frame),
    plain(45, &[0x89], Field),
    plain(12, &[0x89], Pointer),
    plain(6, &[0x89], FarField),
    plain(30, &[0x8D], Frame),
    plain(15, &[0x8D], Field),
    plain(4, &[0x8D], FarField),
    plain(10, &[0x8A], Field),
    plain(4, &[0x8A], Pointer),
    plain(4, &[0x8A], Frame),
    plain(10, &[0x88], Field),
    plain(4, &[0x88], Pointer),
    plain(4, &[0x88], Frame),
    plain(28, &[0x33], Registers),
    plain(10, &[0x03], Registers),
    plain(6, &[0x03], Field),
    plain(8, &[0x2B], Registers),
    plain(5, &[0x2B], Field),
    plain(6, &[0x23], Registers),
    plain(6, &[0x0B], Registers),
    plain(6, &[0x3B], Registers),
    plain(8, &[0x3B], Field),
    plain(5, &[0x3B], Frame),
    plain(8, &[0x39], Field),
    plain(5, &[0x39], Frame),
    plain(4, &[0x01], Field),
    plain(3, &[0x29], Field),
    plain(3, &[0x09], Field),
    plain(3, &[0x21], Field),
    plain(6, &[0x38], Field),
    plain(3, &[0x3A], Registers),
    plain(16, &[0x85], Registers),
    plain(8, &[0x84], Registers),
    plain(12, &[0x0F, 0xB7], Field),
    plain(4, &[0x0F, 0xB7], Registers),
    plain(4, &[0x0F, 0xB7], Frame),
    plain(8, &[0x0F, 0xB6], Field),
    plain(6, &[0x0F, 0xB6], Registers),
    plain(2, &[0x0F, 0xBE], Field),
    plain(2, &[0x0F, 0xAF], Registers),
    group(2, &[0x0F, 0x94], 0, Registers, 0),
    group(3, &[0x0F, 0x95], 0, Registers, 0),
    plain(6, &[0x66, 0x8B], Field),
    plain(6, &[0x66, 0x89], Field),
    plain(4, &[0x66, 0x3B], Field),
    group(4, &[0x66, 0x83], 7, Field, 1),
    group(6, &[0x66, 0xC1], 4, Registers, 1),
    group(8, &[0x83], 0, Registers, 1),
    group(4, &[0x83], 1, Registers, 1),
    group(8, &[0x83], 4, Registers, 1),
    group(4, &[0x83], 5, Registers, 1),
    group(6, &[0x83], 7, Registers, 1),
    group(8, &[0x83], 4, Field, 1),
    group(8, &[0x83], 7, Field, 1),
    group(6, &[0x83], 7, Frame, 1),
    group(4, &[0x83], 4, Frame, 1),
    group(4, &[0x80], 7, Field, 1),
    group(4, &[0x80], 4, Field, 1),
    group(3, &[0x80], 1, Field, 1),
    group(3, &[0x80], 7, Frame, 1),
    group(3, &[0x81], 4, Registers, 4),
    group(3, &[0x81], 7, Field, 4),
    group(2, &[0x81], 0, Registers, 4),
    group(2, &[0x81], 1, Field, 4),
    group(8, &[0xF6], 0, Field, 1),
    group(4, &[0xF6], 0, Registers, 1),
    group(2, &[0xF7], 0, Field, 4),
    group(2, &[0xF7], 2, Registers, 0),
    group(2, &[0xF7], 3, Registers, 0),
    group(2, &[0xF7], 6, Registers, 0),
    group(5, &[0xC1], 4, Registers, 1),
    group(6, &[0xC1], 5, Registers, 1),
    group(3, &[0xC1], 7, Registers, 1),
    group(3, &[0xD1], 5, Registers, 0),
    group(2, &[0xD3], 4, Registers, 0),
    group(6, &[0xC7], 0, Frame, 4),
    group(8, &[0xC7], 0, Field, 4),
    group(5, &[0xC6], 0, Field, 1),
    group(3, &[0xC6], 0, Frame, 1),
    group(4, &[0xFF], 0, Field, 0),
    group(3, &[0xFF], 1, Field, 0),
    group(4, &[0xFF], 2, Field, 0),
    group(2, &[0xFF], 2, Registers, 0),
    group(3, &[0xF0, 0xFF], 0, Field, 0),
    group(3, &[0xF0, 0xFF], 1, Field, 0),
    plain(5, &[0xF0, 0x0F, 0xC1], Pointer),
    plain(2, &[0xF0, 0x0F, 0xB1], Field),
    constant(10, &[0xB8], InOpcode, 4),
    constant(2, &[0xB0], InOpcode, 1),
    constant(3, &[0x25], Nothing, 4),
    constant(2, &[0x0D], Nothing, 4),
    constant(4, &[0x3D], Nothing, 4),
    constant(4, &[0xA8], Nothing, 1),
    constant(4, &[0x24], Nothing, 1),
    constant(4, &[0x3C], Nothing, 1),
    constant(2, &[0x04], Nothing, 1),
    constant(2, &[0x0C], Nothing, 1),
    plain(1, &[0x99], Nothing),
    plain(1, &[0xA5], Nothing),
    plain(1, &[0xAB], Nothing),
    plain(2, &[0xF3, 0xA5], Nothing),
    plain(2, &[0xF3, 0xAB], Nothing),
];

const ONLY_X86: &[Encoding] = &[
    plain(170, &[0x50], InOpcode),
    plain(16, &[0x58], InOpcode),
    plain(12, &[0x40], InOpcode),
    plain(6, &[0x48], InOpcode),
    group(60, &[0xFF], 6, Frame, 0),
    group(18, &[0xFF], 6, Field, 0),
    constant(34, &[0x6A], Nothing, 1),
    constant(8, &[0x68], Nothing, 4),
    group(6, &[0x83], 0, Frame, 1),
];

const ONLY_X64: &[Encoding] = &[
    plain(30, &[0x8D], Frame),
    plain(20, &[0x8B], Registers),
    plain(10, &[0x63], Registers),
    group(4, &[0x83], 0, Registers, 1),
];

/// Encodings by ten random bits.
#[derive(Debug)]
struct Table([Encoding; 1 << 10]);

impl Table {
    fn for_arch(arch: Arch) -> &'static Self {
        use std::sync::LazyLock;
        static X86: LazyLock<Table> = LazyLock::new(|| Table::new(ONLY_X86));
        static X64: LazyLock<Table> = LazyLock::new(|| Table::new(ONLY_X64));
        match arch {
            Arch::X86 => &X86,
            Arch::X64 => &X64,
        }
    }

    fn new(own: &[Encoding]) -> Self {
        let all = || COMMON.iter().chain(own);
        let total: usize = all().map(|one| usize::from(one.share)).sum();
        let mut table = [COMMON[0]; 1 << 10];
        let (mut from, mut sum) = (0, 0);
        for one in all() {
            sum += usize::from(one.share) * table.len();
            table[from..sum / total].fill(*one);
            from = sum / total;
        }
        Self(table)
    }
}

/// The bytes of one instruction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Instruction {
    bytes: [u8; 16],
    length: usize,
}

/// Draws several instructions and returns the one whose bytes are most
/// underrepresented.
pub(super) fn choose(arch: Arch, random: &mut Random, balance: &Balance) -> Instruction {
    let table = Table::for_arch(arch);
    let mut draw = || {
        let (bits, values) = (random.next(), random.next());
        let encoding = &table.0[usize::try_from(bits >> 54).expect("ten bits")];
        encoding.encode(arch, bits, Values(values), balance.density)
    };
    let first = draw();
    let mut best = (balance.shortage(first.bytes()), first);
    for _ in 1..CHOICE {
        let other = draw();
        let shortage = balance.shortage(other.bytes());
        if shortage > best.0 {
            best = (shortage, other);
        }
    }
    best.1
}

/// Random bits, taken a few at a time.
#[derive(Debug, Clone, Copy)]
struct Values(u64);

impl Values {
    fn take(&mut self, count: u32) -> u64 {
        let bits = self.0;
        self.0 = bits >> count;
        bits & ((1 << count) - 1)
    }
}

impl Encoding {
    /// Encodes the instruction; `bits` select the registers.
    fn encode(&self, arch: Arch, bits: u64, mut values: Values, density: &Density) -> Instruction {
        let x64 = arch == Arch::X64;
        let (first, second) = registers(arch, bits);
        let mut instruction = Instruction::default();
        let mut opcode = self.opcode;
        while let [prefix @ (0x66 | 0xF0 | 0xF3), rest @ ..] = opcode
            && !rest.is_empty()
        {
            instruction.push(*prefix);
            opcode = rest;
        }
        let (reg, rm) = match (self.extension, self.operands) {
            (_, Operands::None) => (0, 0),
            (_, Operands::InOpcode) => (0, first),
            (Some(extension), Operands::Frame) => (extension, 0),
            (Some(extension), _) => (extension, second),
            (None, Operands::Frame) => (first, 0),
            (None, _) => (first, second),
        };
        let can_be_wide = self.operands != Operands::None
            && self.operands != Operands::InOpcode
            && !matches!(
                self.opcode,
                [0x66, ..]
                    | [0xF0, 0x0F, ..]
                    | [0x80 | 0x84 | 0x88 | 0x8A | 0x38 | 0x3A | 0xC6 | 0xF6, ..]
            )
            && !matches!(self.opcode, [0x0F, 0x94..=0x95])
            && !(matches!(self.opcode, [0xFF]) && self.extension >= Some(2));
        if x64 {
            let wide = can_be_wide && (bits >> 20) % 8 < 5 || self.opcode == [0x8D];
            let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | rm >> 3;
            if rex != 0x40 {
                instruction.push(rex);
            }
        }
        let (last, before) = opcode.split_last().expect("an opcode");
        instruction.extend(before);
        let in_opcode = if self.operands == Operands::InOpcode {
            rm & 7
        } else {
            0
        };
        instruction.push(last + in_opcode);
        let modrm = (reg & 7) << 3 | rm & 7;
        match self.operands {
            Operands::None | Operands::InOpcode => {}
            Operands::Registers => instruction.push(0xC0 | modrm),
            Operands::Pointer => instruction.push(modrm),
            Operands::Field => {
                instruction.push(0x40 | modrm);
                instruction.push(density.offset(values.take(12)));
            }
            Operands::FarField => {
                instruction.push(0x80 | modrm);
                let low = density.offset(values.take(12));
                let second = u8::try_from(values.take(2)).expect("two bits");
                instruction.extend(&[low, second, 0, 0]);
            }
            Operands::Frame if x64 => {
                instruction.push(0x44 | modrm);
                instruction.push(0x24);
                instruction.push(density.offset(values.take(12)) & 0x7F);
            }
            Operands::Frame => {
                instruction.push(0x45 | modrm);
                instruction.push(density.offset(values.take(12)));
            }
        }
        self.immediate(&mut instruction, values, density);
        instruction
    }

    fn immediate(&self, instruction: &mut Instruction, mut values: Values, density: &Density) {
        let byte = |values: &mut Values| density.any(values.take(12));
        match self.immediate {
            4 => {
                let kind = values.take(3);
                let [a, b] = [byte(&mut values), byte(&mut values)];
                let bytes = match kind {
                    0..=3 => [a, 0, 0, 0],
                    4 => [a, b, 0, 0],
                    // A pool tag, a status, a mask.
                    5 => [b'T', b'C', b'a' + a % 26, b'A' + b % 26],
                    6 => [a, 0, 0, 0xC0],
                    _ => [a, 0xFF, 0xFF, 0xFF],
                };
                // A store of 10 is a decoy, added only on request.
                let bytes = if bytes == [10, 0, 0, 0] {
                    [11, 0, 0, 0]
                } else {
                    bytes
                };
                instruction.extend(&bytes);
            }
            1 => instruction.push(byte(&mut values)),
            _ => {}
        }
    }
}

/// Two registers, neither the stack pointer nor one that needs another
/// encoding.
fn registers(arch: Arch, bits: u64) -> (u8, u8) {
    const LOW: [u8; 8] = [0, 0, 1, 1, 2, 3, 6, 7];
    let pick = |bits: u64| {
        let low = LOW[usize::try_from(bits & 7).expect("three bits")];
        match arch {
            Arch::X86 => low,
            // Some of the upper eight, as in genuine code.
            Arch::X64 if bits & 0x38 == 0 => 8 + low,
            Arch::X64 if bits & 0x38 == 8 => 11 - low % 2,
            Arch::X64 => low,
        }
    };
    (pick(bits), pick(bits >> 8))
}

impl Instruction {
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn extend(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.push(byte));
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
