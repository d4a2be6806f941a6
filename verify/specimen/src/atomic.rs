//! Atomic updates of a counter, in the measured idioms: `mov r, &counter`, an
//! addend, and `lock xadd [r], s` (x86), or one locked instruction on the
//! counter itself (both).

use super::arch::Arch;
use super::code::{Code, Direct, Form, MarkKind, Symbol};
use super::filler_code::Writer;

/// One update by 1, by -1 or by the value of the addend's register.
pub(super) fn update(writer: &mut Writer<'_>, code: &mut Code, counter: Symbol) {
    let (address, mut addend) = (writer.register(), writer.register());
    let through_register = writer.arch == Arch::X86 && writer.random.chance(800);
    if through_register && address == addend {
        addend = if address == 0 { 1 } else { 0 };
    }
    let add = writer.random.below(3);
    if through_register && add == 1 {
        code.registers(false, &[0x33], addend, addend);
    }
    let start = code.here();
    if through_register {
        code.emit(&[0xB8 + address]);
        code.refer(counter, Form::Absolute);
        match add {
            0 => code.emit(&[0x83, 0xC8 | addend, 0xFF]),
            1 => code.emit(&[0x40 | addend]),
            _ => {}
        }
        code.emit(&[0xF0, 0x0F, 0xC1, addend << 3 | address]);
    } else {
        let (opcode, reg): (&[u8], u8) = match add {
            0 => (&[0xFF], 1),
            1 => (&[0xFF], 0),
            _ => (&[0x0F, 0xC1], addend),
        };
        code.direct(
            counter,
            Direct {
                lock: true,
                ..Direct::plain(opcode, reg)
            },
        );
    }
    code.mark(MarkKind::Atomic, start);
}
