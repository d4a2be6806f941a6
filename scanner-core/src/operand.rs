//! Direct memory operands: how x86 and x64 name a variable, and what an
//! instruction does with it.
//!
//! Source of the encodings: Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 2, appendix A.

use crate::bytes::before;
use crate::image::{Arch, Image};
use crate::rva::Rva;

/// ModRM bytes with a direct operand, mod 00 and r/m 101, have these bits
pub(crate) const DIRECT: u8 = 0x05;
/// among these.
pub(crate) const DIRECT_MASK: u8 = 0xC7;

/// Whether this ModRM byte has a direct operand: absolute on x86, relative to
/// the next instruction on x64.
#[inline]
pub(crate) fn is_direct(modrm: u8) -> bool {
    modrm & DIRECT_MASK == DIRECT
}

/// The register field of a ModRM byte.
#[inline]
pub(crate) fn register(modrm: u8) -> u8 {
    (modrm >> 3) & 7
}

/// The variable that a direct operand names: `value` are its four bytes,
/// `next` is where the next instruction begins.
#[inline]
pub(crate) fn resolve(image: &Image<'_>, value: u32, next: Rva) -> Option<Rva> {
    match image.arch() {
        Arch::X86 => image.rva_of(u64::from(value)),
        Arch::X64 => {
            let target = next.0.wrapping_add(value);
            (target < image.headers().size_of_image()).then_some(Rva(target))
        }
    }
}

/// What an instruction does with the variable that its operand names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// `mov register, [variable]`: the register, 0 to 15.
    Load(u8),
    /// `cmp` or `test` of the dword: it only sets flags.
    Compare,
    /// Any other reading.
    Read,
    /// Writing.
    Write,
    /// Reading and writing, not in one step, as LOCK would make it.
    Update,
    /// Updating it in one step that no other processor sees half done.
    Locked,
    /// Taking its address into a register, 0 to 15.
    Address(u8),
    /// Something else, or not to be told.
    Unknown,
}

/// An access and the bytes of an immediate that follow its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) access: Access,
    pub(crate) immediate: u32,
    /// With 0Fh or 66h in front, which may begin this instruction or end the one
    /// before: immediates that other readings have.
    pub(crate) others: [u32; 2],
    /// Whether another reading is as good: the opcode after 0Fh is not known,
    /// or the immediate may be a word.
    pub(crate) doubtful: bool,
}

const fn plain(access: Access) -> Use {
    with_immediate(access, 0)
}

const fn with_immediate(access: Access, immediate: u32) -> Use {
    Use {
        access,
        immediate,
        others: [immediate; 2],
        doubtful: false,
    }
}

/// What the instruction does whose direct operand's four bytes begin at `at`,
/// by the bytes before them: ModRM, opcode, prefixes.
pub(crate) fn classify(arch: Arch, code: &[u8], at: usize) -> Use {
    let Some(modrm) = before(code, at, 1) else {
        return plain(Access::Unknown);
    };
    // ModRM and a SIB byte that adds nothing say the same as ModRM alone, on
    // x86. (The ModRM byte would be an opcode that has none.)
    if let (Arch::X86, 0x25, Some(before_sib)) = (arch, modrm, before(code, at, 2))
        && before_sib & 0xC7 == 0x04
    {
        return modrm_use(arch, code, at.saturating_sub(1), before_sib);
    }
    if is_direct(modrm) {
        return modrm_use(arch, code, at, modrm);
    }
    if arch == Arch::X86 {
        return plain(match modrm {
            // mov eax, [moffs32] and its like: no ModRM, an opcode.
            0xA1 => Access::Load(0),
            0xA0 => Access::Read,
            0xA2 | 0xA3 => Access::Write,
            // mov register, address
            0xB8..=0xBF => Access::Address(modrm & 7),
            _ => Access::Unknown,
        });
    }
    plain(Access::Unknown)
}

fn modrm_use(arch: Arch, code: &[u8], at: usize, modrm: u8) -> Use {
    let Some(opcode) = before(code, at, 2) else {
        return plain(Access::Unknown);
    };
    let escaped = before(code, at, 3) == Some(0x0F);
    let one_byte = one_byte_use(opcode, register(modrm));
    let (found, [rex_at, lock_at]) = match two_byte_use(opcode) {
        Some(found) if escaped => {
            let others = [one_byte.immediate; 2];
            (Use { others, ..found }, [4, 5])
        }
        None if escaped => {
            let (others, doubtful) = ([0, 1], true);
            let found = Use {
                others,
                doubtful,
                ..one_byte
            };
            (found, [3, 4])
        }
        _ => (one_byte, [3, 4]),
    };

    // Before the opcode: on x64 a REX prefix, before that LOCK.
    let mut prefix = before(code, at, rex_at);
    let mut register_bit = 0;
    if let (Arch::X64, Some(rex @ 0x40..=0x4F)) = (arch, prefix) {
        register_bit = (rex & 0b100) << 1;
        prefix = before(code, at, lock_at);
    }
    let access = match found.access {
        Access::Update if prefix == Some(0xF0) => Access::Locked,
        Access::Load(_) => Access::Load(register(modrm) | register_bit),
        Access::Address(_) => Access::Address(register(modrm) | register_bit),
        other => other,
    };
    let found = match found.immediate {
        // Dwords are what the variables are.
        4 if prefix == Some(0x66) => Use {
            others: [2; 2],
            doubtful: true,
            ..found
        },
        _ => found,
    };
    Use { access, ..found }
}

/// The one-byte opcodes that compilers use on variables. Anything else is
/// `Unknown`, which counts against a candidate.
fn one_byte_use(opcode: u8, extension: u8) -> Use {
    let access = match opcode {
        0x8B => Access::Load(0),
        0x8D => Access::Address(0),
        0x39 | 0x3B | 0x85 => Access::Compare,
        0x81 | 0x83 if extension == 7 => Access::Compare,
        0xF7 if extension == 0 => Access::Compare,
        // the same of a byte
        0x38 | 0x3A | 0x84 => Access::Read,
        0x80 | 0x82 if extension == 7 => Access::Read,
        0xF6 | 0xF7 if extension <= 1 => Access::Read,
        // add, or, adc, sbb, and, sub, xor: register from memory
        0x02 | 0x03 | 0x0A | 0x0B | 0x12 | 0x13 | 0x1A | 0x1B => Access::Read,
        0x22 | 0x23 | 0x2A | 0x2B | 0x32 | 0x33 => Access::Read,
        0x63 | 0x69 | 0x6B | 0x8A => Access::Read,
        // mul, imul, div, idiv; call, jmp, push
        0xF6 | 0xF7 if extension >= 4 => Access::Read,
        0xFF if matches!(extension, 2 | 4 | 6) => Access::Read,
        // the same to memory; not, neg; inc, dec
        0x00 | 0x01 | 0x08 | 0x09 | 0x10 | 0x11 | 0x18 | 0x19 => Access::Update,
        0x20 | 0x21 | 0x28 | 0x29 | 0x30 | 0x31 => Access::Update,
        0x80..=0x83 | 0xF6 | 0xF7 => Access::Update,
        0xFE | 0xFF if extension <= 1 => Access::Update,
        // shifts; mov, pop: LOCK must not precede them
        0xC0 | 0xC1 | 0xD0..=0xD3 | 0x88 | 0x89 | 0x8F | 0xC6 | 0xC7 => Access::Write,
        // xchg locks by itself
        0x86 | 0x87 => Access::Locked,
        _ => Access::Unknown,
    };
    let immediate = match opcode {
        0x80 | 0x82 | 0x83 | 0x6B | 0xC0 | 0xC1 | 0xC6 => 1,
        0xF6 if extension <= 1 => 1,
        0x69 | 0x81 | 0xC7 => 4,
        0xF7 if extension <= 1 => 4,
        _ => 0,
    };
    with_immediate(access, immediate)
}

/// The opcodes after 0Fh that compilers use on variables; `None` for those
/// that a byte 0Fh in front more likely precedes by chance.
fn two_byte_use(opcode: u8) -> Option<Use> {
    let access = match opcode {
        // cmovcc, movzx, movsx, imul, bt
        0x40..=0x4F | 0xB6 | 0xB7 | 0xBE | 0xBF | 0xAF | 0xA3 => Access::Read,
        // xadd, cmpxchg, bts, btr, btc
        0xC0 | 0xC1 | 0xB0 | 0xB1 | 0xAB | 0xB3 | 0xBB | 0xBA => Access::Update,
        // setcc, shld, shrd: LOCK must not precede them
        0x90..=0x9F | 0xA4 | 0xA5 | 0xAC | 0xAD => Access::Write,
        _ => return None,
    };
    let immediate = u32::from(matches!(opcode, 0xA4 | 0xAC | 0xBA));
    Some(with_immediate(access, immediate))
}

/// Whether an update that no other processor sees half done of `[register]`
/// begins at `code[at]`: `lock xadd`, `lock inc` and their like, or `xchg`.
pub(crate) fn is_locked_through(arch: Arch, code: &[u8], at: usize, pointer: u8) -> bool {
    let Some(bytes) = code.get(at..) else {
        return false;
    };
    let mut bytes = bytes.iter().copied();
    let Some(first) = bytes.next() else {
        return false;
    };
    let locked = first == 0xF0;
    let mut opcode = if locked { bytes.next() } else { Some(first) };
    let mut base_bit = 0;
    if let (Arch::X64, Some(rex @ 0x40..=0x4F)) = (arch, opcode) {
        base_bit = (rex & 1) << 3;
        opcode = bytes.next();
    }
    let two_byte = opcode == Some(0x0F);
    if two_byte {
        opcode = bytes.next();
    }
    let (Some(opcode), Some(modrm)) = (opcode, bytes.next()) else {
        return false;
    };
    // [register] alone: mod 00; r/m 100 and 101 mean something else.
    if modrm & 0xC0 != 0 || matches!(modrm & 7, 4 | 5) || modrm & 7 | base_bit != pointer {
        return false;
    }
    let found = if two_byte {
        two_byte_use(opcode).map(|found| found.access)
    } else {
        Some(one_byte_use(opcode, register(modrm)).access)
    };
    match found {
        Some(Access::Locked) => true,
        Some(Access::Update) => locked,
        _ => false,
    }
}

/// Whether the instruction at `code[at]` compares or tests `register` with
/// a register or an immediate.
pub(crate) fn is_register_test(arch: Arch, code: &[u8], at: usize, register: u8) -> bool {
    let Some(bytes) = code.get(at..) else {
        return false;
    };
    let mut bytes = bytes.iter().copied();
    let mut opcode = bytes.next();
    let (mut reg_bit, mut rm_bit) = (0, 0);
    if let (Arch::X64, Some(rex @ 0x40..=0x47)) = (arch, opcode) {
        reg_bit = (rex & 0b100) << 1;
        rm_bit = (rex & 1) << 3;
        opcode = bytes.next();
    }
    let (Some(opcode), Some(modrm)) = (opcode, bytes.next()) else {
        return false;
    };
    // cmp eax, imm32; test eax, imm32
    if matches!(opcode, 0x3D | 0xA9) {
        return register == 0;
    }
    if modrm < 0xC0 {
        return false;
    }
    let field = self::register(modrm);
    let is_rm = modrm & 7 | rm_bit == register;
    match opcode {
        0x39 | 0x3B | 0x85 => is_rm || field | reg_bit == register,
        0x81 | 0x83 => is_rm && field == 7,
        0xF7 => is_rm && field == 0,
        _ => false,
    }
}
