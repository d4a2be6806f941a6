//! The gate: a load of one variable, a compare with another, and a signed jump.

use super::decode::{Access, access, decode};
use iced_x86::Code;

/// A gate as decoded by iced-x86. Addresses are virtual.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gate {
    /// Length of the three instructions, in bytes.
    pub len: usize,
    /// Address of the variable that is compared with the limit.
    pub count: u64,
    /// Address of the limit.
    pub threshold: u64,
    /// The target of the conditional jump.
    pub jump_target: u64,
}

/// Reads a gate at exactly `code[0]`, at address `ip`.
///
/// Only encodings that compilers emit count: no prefix but one REX without W, variables by address
/// (x86) or relative to the instruction pointer (x64).
#[must_use]
pub fn gate_at(code: &[u8], ip: u64, bits64: bool) -> Option<Gate> {
    gate_with_fields(code, ip, bits64).map(|(gate, _)| gate)
}

/// Like [`gate_at`], with the addresses of the load's and the compare's displacement fields.
pub(super) fn gate_with_fields(code: &[u8], ip: u64, bits64: bool) -> Option<(Gate, [u64; 2])> {
    let load = access(code, ip, bits64).filter(|load| is_load(code, load, bits64))?;
    let register = load.instruction.op0_register();
    let loaded = load.variable;

    let code = code.get(load.instruction.len()..)?;
    let compare = access(code, load.instruction.next_ip(), bits64)
        .filter(|compare| starts_with(code, &[0x39, 0x3B], bits64, compare))?;
    let (left, right) = match compare.instruction.code() {
        Code::Cmp_r32_rm32 if compare.instruction.op0_register() == register => {
            (loaded, compare.variable)
        }
        Code::Cmp_rm32_r32 if compare.instruction.op1_register() == register => {
            (compare.variable, loaded)
        }
        _ => return None,
    };
    if left == right {
        return None;
    }

    let code = code.get(compare.instruction.len()..)?;
    let jump = decode(code, compare.instruction.next_ip(), bits64)?;
    let (expected_len, count, threshold) = match jump.code() {
        Code::Jge_rel8_32 | Code::Jge_rel8_64 | Code::Jl_rel8_32 | Code::Jl_rel8_64 => {
            (2, left, right)
        }
        Code::Jge_rel32_32 | Code::Jge_rel32_64 | Code::Jl_rel32_32 | Code::Jl_rel32_64 => {
            (6, left, right)
        }
        Code::Jle_rel8_32 | Code::Jle_rel8_64 | Code::Jg_rel8_32 | Code::Jg_rel8_64 => {
            (2, right, left)
        }
        Code::Jle_rel32_32 | Code::Jle_rel32_64 | Code::Jg_rel32_32 | Code::Jg_rel32_64 => {
            (6, right, left)
        }
        _ => return None,
    };
    if jump.len() != expected_len {
        return None; // a prefix
    }
    let gate = Gate {
        len: load.instruction.len() + compare.instruction.len() + jump.len(),
        count,
        threshold,
        jump_target: jump.near_branch_target(),
    };
    Some((gate, [load.field, compare.field]))
}

fn is_load(code: &[u8], load: &Access, bits64: bool) -> bool {
    match load.instruction.code() {
        Code::Mov_EAX_moffs32 => !bits64 && load.instruction.len() == 5 && code[0] == 0xA1,
        Code::Mov_r32_rm32 => starts_with(code, &[0x8B], bits64, load),
        _ => false,
    }
}

/// Whether the instruction is one of these opcodes, a ModRM byte and a displacement, after at most
/// a REX without W.
fn starts_with(code: &[u8], opcodes: &[u8], bits64: bool, access: &Access) -> bool {
    match (access.instruction.len(), code) {
        (6, [opcode, ..]) => opcodes.contains(opcode),
        (7, [0x40..=0x47, opcode, ..]) => bits64 && opcodes.contains(opcode),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: [u8; 4] = [0xA0, 0x04, 0x05, 0x00];
    const LIMIT: [u8; 4] = [0x9C, 0x04, 0x05, 0x00];

    fn x86(parts: &[&[u8]]) -> Option<Gate> {
        gate_at(&parts.concat(), 0x2_0000, false)
    }

    fn roles(parts: &[&[u8]]) -> Option<(u64, u64)> {
        x86(parts).map(|gate| (gate.count, gate.threshold))
    }

    #[test]
    fn xp_sp3_gates_are_read() {
        let near = x86(&[
            &[0xA1],
            &COUNT,
            &[0x3B, 0x05],
            &LIMIT,
            &[0x0F, 0x8D, 0, 1, 0, 0],
        ]);
        let expected = Gate {
            len: 17,
            count: 0x504A0,
            threshold: 0x5049C,
            jump_target: 0x2_0111,
        };
        assert_eq!(near, Some(expected));
        let short = x86(&[&[0xA1], &COUNT, &[0x3B, 0x05], &LIMIT, &[0x7D, 0x51]]);
        assert_eq!(
            short,
            Some(Gate {
                len: 13,
                jump_target: 0x2_005E,
                ..expected
            })
        );
    }

    #[test]
    fn x64_gates_are_read_with_and_without_rex() {
        let near = [
            0x8B, 0x0D, 0xFA, 0x0F, 0, 0, 0x39, 0x0D, 0xF8, 0x0F, 0, 0, 0x0F, 0x8D, 0, 0, 0, 0x80,
        ];
        let gate = gate_at(&near, 0xFFFF_F880_0000_0000, true).unwrap();
        assert_eq!(gate.len, 18);
        assert_eq!(gate.threshold, 0xFFFF_F880_0000_1000);
        assert_eq!(gate.count, 0xFFFF_F880_0000_1004);
        assert_eq!(gate.jump_target, 0xFFFF_F87F_8000_0012);

        let rex = [
            0x44, 0x8B, 0x1D, 0xF9, 0x0F, 0, 0, 0x44, 0x39, 0x1D, 0xF6, 0x0F, 0, 0, 0x7D, 0x2A,
        ];
        let gate = gate_at(&rex, 0, true).unwrap();
        assert_eq!((gate.len, gate.threshold, gate.count), (16, 0x1000, 0x1004));
        // The register is r11d in one and ebx in the other.
        assert_eq!(gate_at(&rex[1..], 1, true), None);
    }

    #[test]
    fn roles_follow_the_operands_and_the_condition() {
        let (c, t) = (0x504A0, 0x5049C);
        for (jump, count_left) in [(0x7C, true), (0x7D, true), (0x7E, false), (0x7F, false)] {
            // 3B: the loaded variable is on the left; 39: the memory operand is.
            let loaded_left = roles(&[&[0x8B, 0x0D], &COUNT, &[0x3B, 0x0D], &LIMIT, &[jump, 0]]);
            let loaded_right = roles(&[&[0x8B, 0x0D], &LIMIT, &[0x39, 0x0D], &COUNT, &[jump, 0]]);
            let expected = if count_left { (c, t) } else { (t, c) };
            assert_eq!(loaded_left, Some(expected), "{jump:X}");
            assert_eq!(loaded_right, Some(expected), "{jump:X}");
            let near = [0x0F, jump + 0x10, 0, 0, 0, 0];
            assert_eq!(
                roles(&[&[0x8B, 0x0D], &COUNT, &[0x3B, 0x0D], &LIMIT, &near]),
                Some(expected)
            );
        }
    }

    #[test]
    fn other_jumps_are_no_gate() {
        for jump in (0x70..=0x7F).chain([0xEB, 0xE3, 0x90]) {
            let gate = x86(&[&[0xA1], &COUNT, &[0x3B, 0x05], &LIMIT, &[jump, 0]]);
            assert_eq!(gate.is_some(), (0x7C..=0x7F).contains(&jump), "{jump:X}");
        }
        for jump in 0x80..=0x8F {
            let near = [0x0F, jump, 0, 0, 0, 0];
            let gate = x86(&[&[0xA1], &COUNT, &[0x3B, 0x05], &LIMIT, &near]);
            assert_eq!(gate.is_some(), (0x8C..=0x8F).contains(&jump), "{jump:X}");
        }
    }

    #[test]
    fn prefixes_are_no_gate() {
        let (load, compare, jump) = ([0xA1], [0x3B, 0x05], [0x7D, 0]);
        for prefix in [
            0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3,
        ] {
            let p = &[prefix][..];
            assert_eq!(
                x86(&[p, &load, &COUNT, &compare, &LIMIT, &jump]),
                None,
                "{prefix:X}"
            );
            assert_eq!(
                x86(&[&load, &COUNT, p, &compare, &LIMIT, &jump]),
                None,
                "{prefix:X}"
            );
            assert_eq!(
                x86(&[&load, &COUNT, &compare, &LIMIT, p, &jump]),
                None,
                "{prefix:X}"
            );
            let modrm = [0x8B, 0x05];
            assert_eq!(
                x86(&[p, &modrm, &COUNT, &compare, &LIMIT, &jump]),
                None,
                "{prefix:X}"
            );
            let x64 = [p, &modrm, &COUNT, &compare, &LIMIT, &jump].concat();
            assert_eq!(gate_at(&x64, 0, true), None, "{prefix:X}");
        }
        // Wide or doubled REX; REX on the jump; REX is an instruction of its own on x86.
        for rex in [&[0x48][..], &[0x4C], &[0x40, 0x40]] {
            let code = [rex, &[0x8B, 0x05], &COUNT, &compare, &LIMIT, &jump].concat();
            assert_eq!(gate_at(&code, 0, true), None, "{rex:X?}");
        }
        let code = [&[0x8B, 0x05][..], &COUNT, &compare, &LIMIT, &[0x40], &jump].concat();
        assert_eq!(gate_at(&code, 0, true), None);
        let code = [&[0x40, 0x8B, 0x05][..], &COUNT, &compare, &LIMIT, &jump].concat();
        assert!(gate_at(&code, 0, true).is_some());
        assert_eq!(gate_at(&code, 0, false), None);
    }

    #[test]
    fn other_operands_are_no_gate() {
        let jump = [0x7D, 0];
        let same = x86(&[&[0xA1], &LIMIT, &[0x3B, 0x05], &LIMIT, &jump]);
        let other_register = x86(&[&[0xA1], &COUNT, &[0x3B, 0x0D], &LIMIT, &jump]);
        let byte_compare = x86(&[&[0xA1], &COUNT, &[0x3A, 0x05], &LIMIT, &jump]);
        let subtract = x86(&[&[0xA1], &COUNT, &[0x2B, 0x05], &LIMIT, &jump]);
        let based_load = x86(&[&[0x8B, 0x81], &COUNT, &[0x3B, 0x05], &LIMIT, &jump]);
        let based_compare = x86(&[&[0xA1], &COUNT, &[0x3B, 0x80], &LIMIT, &jump]);
        let by_sib = x86(&[&[0x8B, 0x04, 0x25], &COUNT, &[0x3B, 0x05], &LIMIT, &jump]);
        let store = x86(&[&[0xA3], &COUNT, &[0x3B, 0x05], &LIMIT, &jump]);
        for gate in [
            same,
            other_register,
            byte_compare,
            subtract,
            based_load,
            based_compare,
            by_sib,
            store,
        ] {
            assert_eq!(gate, None);
        }
        // moffs has a 64-bit address on x64.
        let moffs = [
            &[0xA1][..],
            &COUNT,
            &[0, 0, 0, 0, 0x3B, 0x05],
            &LIMIT,
            &jump,
        ]
        .concat();
        assert_eq!(gate_at(&moffs, 0, true), None);
    }

    #[test]
    fn a_truncated_gate_is_no_gate() {
        let whole = [&[0xA1][..], &COUNT, &[0x3B, 0x05], &LIMIT, &[0x7D, 0]].concat();
        assert!(gate_at(&whole, 0, false).is_some());
        for end in 0..whole.len() {
            assert_eq!(gate_at(&whole[..end], 0, false), None, "{end}");
        }
    }
}
