//! Instructions decoded by iced-x86, and the properties that the oracle checks.

use iced_x86::{
    Decoder, DecoderOptions, EncodingKind, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

/// An instruction whose memory operand is a variable: by its address (x86) or relative to the
/// instruction pointer (x64), with a 32-bit displacement and no base, index or segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// The decoded instruction; its `ip` is the address of its first byte.
    pub(super) instruction: Instruction,
    /// Address of the displacement field's first byte.
    pub(super) field: u64,
    /// Address of the variable.
    pub(super) variable: u64,
}

/// The instruction that starts at `code[0]`. Legacy encodings only: the supported systems are older
/// than VEX, EVEX and XOP.
pub(super) fn decode(code: &[u8], ip: u64, bits64: bool) -> Option<Instruction> {
    let instruction = decoder(code, ip, bits64).decode();
    (!instruction.is_invalid() && instruction.encoding() == EncodingKind::Legacy)
        .then_some(instruction)
}

/// Like [`decode`], with the variable that the instruction refers to; `None` if it refers to none.
pub(super) fn access(code: &[u8], ip: u64, bits64: bool) -> Option<Access> {
    let mut decoder = decoder(code, ip, bits64);
    let instruction = decoder.decode();
    if instruction.is_invalid() || instruction.encoding() != EncodingKind::Legacy {
        return None;
    }
    memory_operand(&instruction)?;
    let base = if bits64 {
        Register::RIP
    } else {
        Register::None
    };
    let offsets = decoder.get_constant_offsets(&instruction);
    let named_outright = instruction.memory_base() == base
        && instruction.memory_index() == Register::None
        && instruction.segment_prefix() == Register::None
        && offsets.displacement_size() == 4;
    named_outright.then(|| Access {
        instruction,
        field: ip.wrapping_add(offsets.displacement_offset() as u64),
        variable: instruction.memory_displacement64(),
    })
}

fn decoder(code: &[u8], ip: u64, bits64: bool) -> Decoder<'_> {
    Decoder::with_ip(if bits64 { 64 } else { 32 }, code, ip, DecoderOptions::NONE)
}

/// Whether the bytes start with at most a LOCK prefix, then at most a REX prefix (x64), then an
/// opcode. Any other leading prefix byte counts as the end of the previous instruction.
pub(super) fn starts_canonically(code: &[u8], bits64: bool) -> bool {
    let is_rex = |byte: &u8| bits64 && matches!(byte, 0x40..=0x4F);
    let mut bytes = code.iter().peekable();
    bytes.next_if_eq(&&0xF0);
    bytes.next_if(|byte| is_rex(byte));
    bytes.next().is_some_and(|byte| {
        let other = matches!(
            byte,
            0x26 | 0x2E | 0x36 | 0x3E | 0x64 | 0x65 | 0x66 | 0x67 | 0xF0 | 0xF2 | 0xF3
        );
        !other && !is_rex(byte)
    })
}

/// Whether a SIB byte follows the ModRM byte of an instruction that starts canonically.
pub(super) fn has_sib(code: &[u8], bits64: bool) -> bool {
    let mut bytes = code.iter().copied().peekable();
    bytes.next_if_eq(&0xF0);
    bytes.next_if(|byte| bits64 && matches!(byte, 0x40..=0x4F));
    bytes.next_if_eq(&0x0F);
    let mod_rm = bytes.nth(1);
    mod_rm.is_some_and(|byte| byte >> 6 != 3 && byte & 7 == 4)
}

/// The number of the instruction's memory operand.
pub(super) fn memory_operand(instruction: &Instruction) -> Option<u32> {
    (0..instruction.op_count()).find(|&operand| instruction.op_kind(operand) == OpKind::Memory)
}

/// Whether the instruction updates its memory operand atomically: a locked read-modify-write
/// (iced-x86 refuses LOCK on anything else), or an exchange, which locks by itself. Operands of
/// eight bytes don't count: no compiler updates a variable of four bytes that way.
pub(super) fn is_atomic(instruction: &Instruction) -> bool {
    memory_operand(instruction).is_some()
        && !matches!(
            instruction.mnemonic(),
            Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b
        )
        && (instruction.has_lock_prefix() || instruction.mnemonic() == Mnemonic::Xchg)
}

/// How the instruction accesses its memory operand.
pub(super) fn memory_access(instruction: &Instruction) -> OpAccess {
    memory_operand(instruction).map_or(OpAccess::None, |operand| {
        InstructionInfoFactory::new()
            .info(instruction)
            .op_access(operand)
    })
}

/// Whether one of the operands is exactly this register.
pub(super) fn has_register(instruction: &Instruction, register: Register) -> bool {
    (0..instruction.op_count()).any(|operand| {
        instruction.op_kind(operand) == OpKind::Register
            && instruction.op_register(operand) == register
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_by_address_on_x86_and_by_distance_on_x64() {
        let absolute = access(&[0x83, 0x3D, 0x44, 0x33, 0x22, 0x11, 0], 0x1000, false).unwrap();
        assert_eq!((absolute.field, absolute.variable), (0x1002, 0x1122_3344));
        let offset = access(&[0xA3, 0x44, 0x33, 0x22, 0x11], 0x1000, false).unwrap();
        assert_eq!((offset.field, offset.variable), (0x1001, 0x1122_3344));
        // The distance counts from the end of the instruction, behind the immediate.
        let relative = access(&[0x83, 0x3D, 0x10, 0, 0, 0, 0], 0x1000, true).unwrap();
        assert_eq!((relative.field, relative.variable), (0x1002, 0x1017));
    }

    #[test]
    fn a_register_or_a_segment_in_the_address_names_no_variable() {
        let based = [0x8B, 0x81, 0x44, 0x33, 0x22, 0x11];
        let indexed = [0x8B, 0x04, 0x85, 0x44, 0x33, 0x22, 0x11];
        let in_segment = [0x64, 0xA1, 0x44, 0x33, 0x22, 0x11];
        for code in [&based[..], &indexed, &in_segment] {
            assert!(access(code, 0, false).is_none(), "{code:02X?}");
        }
        // x64 without rip: an absolute address below 2 GiB.
        assert!(access(&[0x8B, 0x04, 0x25, 0x44, 0x33, 0x22, 0x11], 0, true).is_none());
    }

    #[test]
    fn only_lock_then_rex_may_stand_before_the_opcode() {
        assert!(starts_canonically(&[0xF0, 0xFF], false));
        assert!(starts_canonically(&[0xF0, 0x41, 0xFF], true));
        assert!(starts_canonically(&[0x41, 0xFF], false), "inc ecx");
        for code in [
            &[0x66, 0x8B][..],
            &[0x41, 0x42, 0x8B],
            &[0x41, 0xF0, 0xFF],
            &[0x41],
            &[],
        ] {
            assert!(!starts_canonically(code, true), "{code:02X?}");
        }
    }

    #[test]
    fn updates_are_atomic_when_locked_or_exchanged() {
        let is_atomic = |code: &[u8]| decode(code, 0, false).is_some_and(|i| super::is_atomic(&i));
        assert!(is_atomic(&[0xF0, 0xFF, 0x05, 0, 0, 1, 0]));
        assert!(is_atomic(&[0xF0, 0x0F, 0xC1, 0x08]));
        assert!(is_atomic(&[0x87, 0x0D, 0, 0, 1, 0]));
        assert!(!is_atomic(&[0x87, 0xC8]), "exchange of registers");
        assert!(!is_atomic(&[0xFF, 0x05, 0, 0, 1, 0]));
        assert!(
            !is_atomic(&[0xF0, 0x0F, 0xC7, 0x0D, 0, 0, 1, 0]),
            "eight bytes"
        );
        assert!(
            !is_atomic(&[0xF0, 0x83, 0x3D, 0, 0, 1, 0, 0]),
            "LOCK on a compare"
        );
    }

    #[test]
    fn memory_access_is_read_write_or_both() {
        let access_of = |code: &[u8]| memory_access(&decode(code, 0, false).unwrap());
        assert_eq!(access_of(&[0xA1, 0, 0, 1, 0]), OpAccess::Read);
        assert_eq!(access_of(&[0xA3, 0, 0, 1, 0]), OpAccess::Write);
        assert_eq!(access_of(&[0xFF, 0x05, 0, 0, 1, 0]), OpAccess::ReadWrite);
        assert_eq!(access_of(&[0x8D, 0x05, 0, 0, 1, 0]), OpAccess::NoMemAccess);
    }
}
