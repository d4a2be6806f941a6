//! Direct memory operands: the variable that an instruction names, and its access
//! to it.
//!
//! Source of the encodings: Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 2, appendix A.

use crate::arch::Arch;
use crate::image::Image;
use crate::read::before;
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

/// The variable that a direct operand names: `value` is its four bytes, `next` the
/// RVA of the next instruction.
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

/// An instruction's access to the variable that its operand names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// `mov register, [variable]`: the register, 0 to 15.
    Load(u8),
    /// `cmp` or `test` of the dword: it only sets flags.
    Compare,
    /// Any other read.
    Read,
    /// A write.
    Write,
    /// A read and a write that are not atomic.
    Update,
    /// An atomic update.
    Locked,
    /// A load of its address into a register, 0 to 15.
    Address(u8),
    /// Another access, or an unknown one.
    Unknown,
}

/// An access, and the size of the immediate behind its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) access: Access,
    pub(crate) immediate: u32,
    /// After 0Fh or 66h, which may begin this instruction or end the previous one:
    /// the immediates of other readings.
    pub(crate) others: [u32; 2],
    /// Whether another reading is as likely: the opcode after 0Fh is unknown, or
    /// the immediate may be a word.
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

/// Classifies the instruction whose direct operand's four bytes begin at `at`, by
/// the bytes before them: ModRM, opcode, prefixes.
pub(crate) fn classify(arch: Arch, code: &[u8], at: usize) -> Use {
    let Some(modrm) = before(code, at, 1) else {
        return plain(Access::Unknown);
    };
    // On x86, ModRM with a SIB byte that adds nothing means the same as ModRM
    // alone. (The ModRM byte would be an opcode without one.)
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
            // mov eax, [moffs32] and similar: an opcode without ModRM.
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
        // The variables are dwords.
        4 if prefix == Some(0x66) => Use {
            others: [2; 2],
            doubtful: true,
            ..found
        },
        _ => found,
    };
    Use { access, ..found }
}

/// The one-byte opcodes that compilers use on variables. All others are
/// `Unknown`, which counts against a candidate.
fn one_byte_use(opcode: u8, extension: u8) -> Use {
    let access = match opcode {
        0x8B => Access::Load(0),
        0x8D => Access::Address(0),
        0x39 | 0x3B | 0x85 => Access::Compare,
        0x81 | 0x83 if extension == 7 => Access::Compare,
        0xF7 if extension == 0 => Access::Compare,
        // the same for a byte
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

/// The opcodes after 0Fh that compilers use on variables; `None` for those where
/// the preceding 0Fh is more likely chance.
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

/// Whether an atomic update of `[register]` begins at `code[at]`: `lock xadd`,
/// `lock inc` and similar, or `xchg`.
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

#[cfg(test)]
mod tests {
    use super::Access::*;
    use super::*;

    /// The classification of an operand behind these bytes.
    fn used(arch: Arch, before: &[u8]) -> Use {
        classify(arch, before, before.len())
    }

    #[test]
    fn each_opcode_uses_its_operand_as_documented() {
        for (before, access, immediate) in [
            (&[0x8B, 0x0D][..], Load(1), 0),
            (&[0x8B, 0x3D], Load(7), 0),
            (&[0x8D, 0x15], Address(2), 0),
            (&[0x39, 0x05], Compare, 0),
            (&[0x3B, 0x05], Compare, 0),
            (&[0x85, 0x05], Compare, 0),
            (&[0x81, 0x3D], Compare, 4),
            (&[0x81, 0x05], Update, 4),
            (&[0x83, 0x3D], Compare, 1),
            (&[0x83, 0x0D], Update, 1),
            (&[0x80, 0x3D], Read, 1),
            (&[0x80, 0x05], Update, 1),
            (&[0x82, 0x3D], Read, 1),
            (&[0x82, 0x05], Update, 1),
            // test with extensions 0 and 1; not, neg; mul to idiv.
            (&[0xF6, 0x05], Read, 1),
            (&[0xF6, 0x0D], Read, 1),
            (&[0xF6, 0x15], Update, 0),
            (&[0xF6, 0x25], Read, 0),
            (&[0xF7, 0x05], Compare, 4),
            (&[0xF7, 0x0D], Read, 4),
            (&[0xF7, 0x15], Update, 0),
            (&[0xF7, 0x1D], Update, 0),
            (&[0xF7, 0x25], Read, 0),
            (&[0xF7, 0x3D], Read, 0),
            (&[0x69, 0x0D], Read, 4),
            (&[0x6B, 0x0D], Read, 1),
            // inc, dec; call, jmp, push; nothing.
            (&[0xFE, 0x05], Update, 0),
            (&[0xFE, 0x0D], Update, 0),
            (&[0xFE, 0x15], Unknown, 0),
            (&[0xFF, 0x05], Update, 0),
            (&[0xFF, 0x0D], Update, 0),
            (&[0xFF, 0x15], Read, 0),
            (&[0xFF, 0x1D], Unknown, 0),
            (&[0xFF, 0x25], Read, 0),
            (&[0xFF, 0x35], Read, 0),
            (&[0xFF, 0x3D], Unknown, 0),
            (&[0xC0, 0x05], Write, 1),
            (&[0xC1, 0x05], Write, 1),
            (&[0xC6, 0x05], Write, 1),
            (&[0xC7, 0x05], Write, 4),
            (&[0x8C, 0x05], Unknown, 0),
        ] {
            for arch in [Arch::X86, Arch::X64] {
                let expected = with_immediate(access, immediate);
                assert_eq!(used(arch, before), expected, "{before:X?}");
            }
        }
        let reads = [
            0x02, 0x03, 0x0A, 0x0B, 0x12, 0x13, 0x1A, 0x1B, 0x22, 0x23, 0x2A, 0x2B, 0x32, 0x33,
            0x38, 0x3A, 0x63, 0x84, 0x8A,
        ];
        let updates = [
            0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31,
        ];
        let writes = [0xD0, 0xD1, 0xD2, 0xD3, 0x88, 0x89, 0x8F];
        let locked = [0x86, 0x87];
        for (opcodes, access) in [
            (&reads[..], Read),
            (&updates, Update),
            (&writes, Write),
            (&locked, Locked),
        ] {
            for &opcode in opcodes {
                assert_eq!(
                    used(Arch::X86, &[opcode, 0x05]),
                    plain(access),
                    "{opcode:X}"
                );
            }
        }
    }

    #[test]
    fn without_modrm_x86_has_five_kinds_of_opcodes_and_x64_none() {
        for (opcode, access) in [
            (0xA0, Read),
            (0xA1, Load(0)),
            (0xA2, Write),
            (0xA3, Write),
            (0xB8, Address(0)),
            (0xBE, Address(6)),
            (0xC0, Unknown),
        ] {
            assert_eq!(used(Arch::X86, &[opcode]), plain(access), "{opcode:X}");
            assert_eq!(used(Arch::X64, &[opcode]), plain(Unknown), "{opcode:X}");
        }
        for arch in [Arch::X86, Arch::X64] {
            assert_eq!(used(arch, &[]), plain(Unknown));
            assert_eq!(used(arch, &[0x05]), plain(Unknown));
        }
    }

    #[test]
    fn a_sib_byte_that_adds_nothing_is_passed_over_on_x86() {
        assert_eq!(used(Arch::X86, &[0x8B, 0x0C, 0x25]), plain(Load(1)));
        // With another displacement size or a register it is not a load.
        for modrm in [0x4C, 0x8C, 0xCC, 0x0D, 0xC8] {
            let found = used(Arch::X86, &[0x8B, modrm, 0x25]);
            assert_ne!(found.access, Load(1), "{modrm:X}");
        }
        assert_eq!(used(Arch::X64, &[0x8B, 0x0C, 0x25]).access, Unknown);
    }

    #[test]
    fn a_rex_prefix_extends_the_register_on_x64() {
        for (before, x64, x86) in [
            (&[0x44, 0x8B, 0x0D][..], Load(9), Load(1)),
            (&[0x4C, 0x8D, 0x15], Address(10), Address(2)),
            (&[0x41, 0x8B, 0x0D], Load(1), Load(1)),
            (&[0x50, 0x8B, 0x0D], Load(1), Load(1)),
        ] {
            assert_eq!(used(Arch::X64, before), plain(x64), "{before:X?}");
            assert_eq!(used(Arch::X86, before), plain(x86), "{before:X?}");
        }
    }

    #[test]
    fn lock_stands_before_the_opcode_or_before_rex() {
        for (before, x86, x64) in [
            (&[0xF0, 0x01, 0x05][..], Locked, Locked),
            (&[0xF0, 0x48, 0x01, 0x05], Update, Locked),
            (&[0xF0, 0x90, 0x01, 0x05], Update, Update),
            (&[0xF0, 0x8B, 0x05], Load(0), Load(0)),
            (&[0xF0, 0x89, 0x05], Write, Write),
            (&[0xF0, 0x0F, 0xC1, 0x05], Locked, Locked),
            (&[0xF0, 0x48, 0x0F, 0xC1, 0x05], Update, Locked),
            (&[0x0F, 0xC1, 0x05], Update, Update),
        ] {
            assert_eq!(used(Arch::X86, before).access, x86, "{before:X?}");
            assert_eq!(used(Arch::X64, before).access, x64, "{before:X?}");
        }
    }

    #[test]
    fn an_escape_byte_yields_both_readings_of_an_immediate() {
        for (opcode, access, immediate, others) in [
            (0x40, Read, 0, 0),
            (0x4F, Read, 0, 0),
            (0xA3, Read, 0, 0),
            (0xAF, Read, 0, 0),
            (0xB6, Read, 0, 0),
            (0xB7, Read, 0, 0),
            (0xBE, Read, 0, 0),
            (0xBF, Read, 0, 0),
            (0xC0, Update, 0, 1),
            (0xC1, Update, 0, 1),
            (0xB0, Update, 0, 0),
            (0xB1, Update, 0, 0),
            (0xAB, Update, 0, 0),
            (0xB3, Update, 0, 0),
            (0xBB, Update, 0, 0),
            (0xBA, Update, 1, 0),
            (0x90, Write, 0, 0),
            (0x9F, Write, 0, 0),
            (0xA4, Write, 1, 0),
            (0xA5, Write, 0, 0),
            (0xAC, Write, 1, 0),
            (0xAD, Write, 0, 0),
        ] {
            let expected = Use {
                access,
                immediate,
                others: [others; 2],
                doubtful: false,
            };
            assert_eq!(
                used(Arch::X86, &[0x0F, opcode, 0x05]),
                expected,
                "{opcode:X}"
            );
        }
        let doubtful = Use {
            others: [0, 1],
            doubtful: true,
            ..plain(Load(1))
        };
        assert_eq!(used(Arch::X86, &[0x0F, 0x8B, 0x0D]), doubtful);
        // Any other preceding byte is no escape.
        assert_eq!(used(Arch::X86, &[0x90, 0x8B, 0x0D]), plain(Load(1)));
        let shift = with_immediate(Write, 1);
        assert_eq!(used(Arch::X86, &[0x90, 0xC1, 0x05]), shift);
    }

    #[test]
    fn an_operand_size_prefix_makes_a_dword_doubtful() {
        let doubtful = Use {
            others: [2; 2],
            doubtful: true,
            ..with_immediate(Update, 4)
        };
        assert_eq!(used(Arch::X86, &[0x66, 0x81, 0x05]), doubtful);
        assert_eq!(used(Arch::X64, &[0x66, 0x41, 0x81, 0x05]), doubtful);
        let sound = with_immediate(Update, 4);
        assert_eq!(used(Arch::X86, &[0x65, 0x81, 0x05]), sound);
        let byte = with_immediate(Update, 1);
        assert_eq!(used(Arch::X86, &[0x66, 0x83, 0x05]), byte);
    }

    #[test]
    fn a_locked_access_through_a_register_needs_that_register() {
        for (arch, code, pointer, expected) in [
            (Arch::X86, &[0xF0, 0xFF, 0x01][..], 1, true),
            (Arch::X86, &[0xF0, 0xFF, 0x01], 2, false),
            (Arch::X86, &[0xFF, 0x01], 1, false),
            (Arch::X86, &[0x87, 0x01], 1, true),
            (Arch::X86, &[0xF0, 0x87, 0x01], 1, true),
            (Arch::X86, &[0xF0, 0x8B, 0x01], 1, false),
            (Arch::X86, &[0xF0, 0x0F, 0xC1, 0x01], 1, true),
            (Arch::X86, &[0x0F, 0xC1, 0x01], 1, false),
            (Arch::X86, &[0xF0, 0x0F, 0xB6, 0x01], 1, false),
            (Arch::X86, &[0xF0, 0x0F, 0x05, 0x01], 1, false),
            // Not [register] alone.
            (Arch::X86, &[0xF0, 0xFF, 0x41], 1, false),
            (Arch::X86, &[0xF0, 0xFF, 0x81], 1, false),
            (Arch::X86, &[0xF0, 0xFF, 0xC1], 1, false),
            (Arch::X86, &[0xF0, 0xFF, 0x04], 4, false),
            (Arch::X86, &[0xF0, 0xFF, 0x05], 5, false),
            (Arch::X86, &[0xF0, 0xFF, 0x07], 7, true),
            (Arch::X64, &[0xF0, 0x48, 0xFF, 0x01], 1, true),
            (Arch::X64, &[0xF0, 0x41, 0xFF, 0x01], 9, true),
            (Arch::X64, &[0xF0, 0x41, 0xFF, 0x01], 1, false),
            (Arch::X64, &[0xF0, 0x44, 0xFF, 0x01], 9, false),
            (Arch::X64, &[0x49, 0x87, 0x01], 9, true),
            (Arch::X86, &[0xF0, 0x48, 0xFF, 0x01], 1, false),
            (Arch::X86, &[0xF0, 0xFF], 1, false),
            (Arch::X86, &[0xF0], 1, false),
            (Arch::X86, &[], 1, false),
        ] {
            let found = is_locked_through(arch, code, 0, pointer);
            assert_eq!(found, expected, "{arch:?} {code:X?} {pointer}");
        }
        assert!(is_locked_through(Arch::X86, &[0x90, 0x87, 0x01], 1, 1));
        assert!(!is_locked_through(Arch::X86, &[0x87, 0x01], 3, 1));
    }

    #[test]
    fn a_test_of_a_register_names_it_in_either_field() {
        for (arch, code, registers) in [
            (Arch::X86, &[0x3B, 0xC8][..], &[0, 1][..]),
            (Arch::X86, &[0x39, 0xC8], &[0, 1]),
            (Arch::X86, &[0x3B, 0xC0], &[0]),
            (Arch::X86, &[0x85, 0xFA], &[2, 7]),
            (Arch::X86, &[0x3D, 0xC8], &[0]),
            (Arch::X86, &[0xA9, 0xC8], &[0]),
            (Arch::X86, &[0x83, 0xF9], &[1]),
            (Arch::X86, &[0x81, 0xF9], &[1]),
            (Arch::X86, &[0xF7, 0xC1], &[1]),
            (Arch::X64, &[0x41, 0x3B, 0xC8], &[1, 8]),
            (Arch::X64, &[0x44, 0x3B, 0xC8], &[0, 9]),
            (Arch::X64, &[0x40, 0x3B, 0xC8], &[0, 1]),
            (Arch::X64, &[0x47, 0x3B, 0xC8], &[8, 9]),
            (Arch::X64, &[0x41, 0x83, 0xF9], &[9]),
            // Another operation, a comparison of memory or of 64 bits, or no REX.
            (Arch::X86, &[0x83, 0xC1], &[]),
            (Arch::X86, &[0xF7, 0xF9], &[]),
            (Arch::X86, &[0x3B, 0x08], &[]),
            (Arch::X86, &[0x90, 0xC8], &[]),
            (Arch::X64, &[0x48, 0x3B, 0xC8], &[]),
            (Arch::X86, &[0x41, 0x3B, 0xC8], &[]),
            (Arch::X86, &[0x3B], &[]),
        ] {
            for register in 0..16 {
                let found = is_register_test(arch, code, 0, register);
                assert_eq!(found, registers.contains(&register), "{code:X?} {register}");
            }
        }
        assert!(!is_register_test(Arch::X86, &[0x3B, 0xC8], 3, 1));
    }
}
