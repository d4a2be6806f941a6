//! The instructions that a shipped file may have.
//!
//! The list names the instructions that compilers emit for plain code. Any other is privileged,
//! uses control, debug or segment registers, or was never considered. The one exception is in
//! [`is_control_read`].

use iced_x86::{CpuidFeature, Instruction, Mnemonic, OpKind, Register};
use scanner_core::Rva;

use super::{Arch, Kind, Violation};

/// Checks a reached instruction. A program may have traps: they end it.
pub(super) fn check(
    instruction: &Instruction,
    at: Rva,
    arch: Arch,
    kind: Kind,
) -> Option<Violation> {
    let code = instruction.code();
    if is_control_read(instruction, arch, kind) {
        return None;
    }
    if is_trap(instruction) {
        return (kind == Kind::Driver).then_some(Violation::Trap(at));
    }
    let mut features = instruction.cpuid_features().iter();
    if let Some(&needs) = features.find(|&&feature| !is_everywhere(feature, arch, kind)) {
        return Some(Violation::Processor { at, code, needs });
    }
    if operand_registers(instruction).any(Register::is_mm) {
        let needs = CpuidFeature::MMX;
        return Some(Violation::Processor { at, code, needs });
    }
    let floating = instruction
        .cpuid_features()
        .iter()
        .all(|feature| matches!(feature, CpuidFeature::SSE | CpuidFeature::SSE2));
    let plain = is_plain(instruction.mnemonic()) || floating;
    let far = instruction.is_jmp_far()
        || instruction.is_call_far()
        || instruction.is_jmp_far_indirect()
        || instruction.is_call_far_indirect();
    let special = operand_registers(instruction)
        .any(|it| it.is_segment_register() || it.is_cr() || it.is_dr() || it.is_tr());
    // In a program the thread's block; in a driver the processor's, which no driver needs.
    let segment =
        kind == Kind::Driver && matches!(instruction.segment_prefix(), Register::FS | Register::GS);
    (!plain || far || special || segment || instruction.is_privileged())
        .then_some(Violation::Forbidden { at, code })
}

/// Whether an instruction is the one read of CR4 (see `control_register`), in a file that may have
/// it.
fn is_control_read(instruction: &Instruction, arch: Arch, kind: Kind) -> bool {
    let is_register =
        |operand, register| instruction.op_kind(operand) == OpKind::Register && register;
    kind == Kind::Driver
        && arch == Arch::X86
        && instruction.mnemonic() == Mnemonic::Mov
        && is_register(0, instruction.op0_register().is_gpr32())
        && is_register(1, instruction.op1_register() == Register::CR4)
}

/// Whether the instruction is a trap, which compilers emit for unreachable code.
pub(super) fn is_trap(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Int3 | Mnemonic::Ud2)
}

fn operand_registers(instruction: &Instruction) -> impl Iterator<Item = Register> {
    (0..instruction.op_count())
        .filter(|&operand| instruction.op_kind(operand) == OpKind::Register)
        .map(|operand| instruction.op_register(operand))
}

/// Whether every processor that runs the system has the feature, and, in a driver, whether it
/// preserves the floating point state of the interrupted thread.
///
/// On x86 that is a Pentium, which Windows XP requires: no CMOV, no multi-byte NOP. `pause` is a
/// `nop` to older processors.
fn is_everywhere(feature: CpuidFeature, arch: Arch, kind: Kind) -> bool {
    use CpuidFeature::*;
    match feature {
        INTEL8086 | INTEL186 | INTEL286 | INTEL386 | INTEL486 | CX8 | PAUSE => true,
        X64 | CMOV | MULTIBYTENOP => arch == Arch::X64,
        SSE | SSE2 => arch == Arch::X64 && kind != Kind::Driver,
        _ => false,
    }
}

fn is_plain(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        mnemonic,
        Mov | Movzx
            | Movsx
            | Movsxd
            | Lea
            | Xchg
            | Bswap
            | Push
            | Pop
            | Enter
            | Leave
            | Cmove
            | Cmovne
            | Cmovb
            | Cmovae
            | Cmovbe
            | Cmova
            | Cmovs
            | Cmovns
            | Cmovp
            | Cmovnp
            | Cmovl
            | Cmovge
            | Cmovle
            | Cmovg
            | Cmovo
            | Cmovno
            | Sete
            | Setne
            | Setb
            | Setae
            | Setbe
            | Seta
            | Sets
            | Setns
            | Setp
            | Setnp
            | Setl
            | Setge
            | Setle
            | Setg
            | Seto
            | Setno
            | Add
            | Adc
            | Sub
            | Sbb
            | Inc
            | Dec
            | Neg
            | Cmp
            | Mul
            | Imul
            | Div
            | Idiv
            | Cbw
            | Cwde
            | Cdqe
            | Cwd
            | Cdq
            | Cqo
            | And
            | Or
            | Xor
            | Not
            | Test
            | Bt
            | Bts
            | Btr
            | Btc
            | Bsf
            | Bsr
            | Shl
            | Shr
            | Sar
            | Sal
            | Rol
            | Ror
            | Rcl
            | Rcr
            | Shld
            | Shrd
            | Cmpxchg
            | Cmpxchg8b
            | Xadd
            | Movsb
            | Movsw
            | Movsd
            | Movsq
            | Stosb
            | Stosw
            | Stosd
            | Stosq
            | Lodsb
            | Lodsw
            | Lodsd
            | Lodsq
            | Scasb
            | Scasw
            | Scasd
            | Scasq
            | Cmpsb
            | Cmpsw
            | Cmpsd
            | Cmpsq
            | Cld
            | Std
            | Clc
            | Stc
            | Cmc
            | Je
            | Jne
            | Jb
            | Jae
            | Jbe
            | Ja
            | Js
            | Jns
            | Jp
            | Jnp
            | Jl
            | Jge
            | Jle
            | Jg
            | Jo
            | Jno
            | Jcxz
            | Jecxz
            | Jrcxz
            | Jmp
            | Call
            | Ret
            | Nop
            | Pause
    )
}
