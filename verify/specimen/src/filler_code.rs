//! Plain driver code: functions that decode like compiled code and use the
//! variables in `.data`, imports and each other about as often as the measured
//! images do, but never a limiter's variables. A compare of two variables is
//! never followed by a signed jump.

use super::arch::Arch;
use super::code::{Code, Direct, Form, Label, Symbol};
use super::data::Data;
use super::density::Balance;
use super::instruction;
use super::name::Name;
use super::random::Random;

/// Conditions that end no gate: b, ae, e, ne, be, a.
const UNSIGNED: [u8; 6] = [2, 3, 4, 5, 6, 7];
/// Conditions as frequent as in genuine code.
const CONDITIONS: [u8; 32] = [
    4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2, 2, 3, 3, 6, 7, 8, 0xC, 0xD, 0xD,
    0xE, 0xF,
];
/// The minimum of calls through the import address table in `.text`.
pub(super) const IMPORT_CALLS: u32 = 48;
/// Bytes of `nop` before a function: room for a hot patch.
const HOT_PATCH: usize = 5;

/// The state of code generation, and the symbols that code may refer to.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) arch: Arch,
    pub(super) random: Random,
    pub(super) data: &'a Data,
    /// Offsets of the import address table's slots in `.rdata`.
    pub(super) slots: &'a [u32],
    /// Offsets of strings in `.rdata`.
    pub(super) strings: &'a [u32],
    /// Calls through pointers so far.
    pub(super) import_calls: u32,
    /// Rarely executed parts of functions, placed apart from them.
    pub(super) cold: Vec<Code>,
    balance: Balance,
    labels: usize,
}

/// Which registers a function's prologue saved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) saved: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        arch: Arch,
        random: Random,
        data: &'a Data,
        slots: &'a [u32],
        strings: &'a [u32],
        address: u32,
    ) -> Self {
        Self {
            arch,
            random,
            data,
            slots,
            strings,
            import_calls: 0,
            cold: Vec::new(),
            balance: Balance::new(arch, address),
            labels: 0,
        }
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub(super) fn code(&self) -> Code {
        Code::new(self.arch)
    }

    /// A register that plain code may change.
    pub(super) fn register(&mut self) -> u8 {
        match self.arch {
            Arch::X86 => self.random.pick(&[0, 0, 1, 1, 2, 3, 6, 7]),
            Arch::X64 => self
                .random
                .pick(&[0, 0, 1, 1, 2, 3, 6, 7, 8, 9, 10, 11, 13]),
        }
    }

    /// Writes a whole function and returns the label at its start. Its cold
    /// parts go to `cold`.
    pub(super) fn function(&mut self) -> (Label, Code) {
        let mut code = self.code();
        let label = self.label();
        code.define(label);
        let frame = self.prologue(&mut code);
        let exit = self.label();
        let count = 12 + self.random.below(130);
        let cold = if self.arch == Arch::X86 { 66 } else { 46 };
        for number in 0..count {
            match self.random.below(1000) {
                number if number < cold => self.cold_part(&mut code),
                900..=929 => {
                    let condition = self.random.pick(&CONDITIONS);
                    self.instruction(&mut code);
                    self.counted(&mut code, |_, code| code.jump_near(condition, exit));
                }
                _ => self.statement(&mut code),
            }
            if number == count / 2 && self.import_calls < IMPORT_CALLS {
                self.import_call(&mut code);
            }
        }
        code.define(exit);
        self.epilogue(&mut code, frame);
        (label, code)
    }

    /// A function that calls nothing and keeps nothing on the stack, so it has
    /// no entry in the exception table.
    pub(super) fn leaf(&mut self) -> (Label, Code) {
        let mut code = self.code();
        let label = self.label();
        code.define(label);
        for _ in 0..4 + self.random.below(8) {
            self.instruction(&mut code);
        }
        code.emit(&[0xC3]);
        self.pad(&mut code);
        (label, code)
    }

    /// A jump to code for an unlikely case, and that code.
    fn cold_part(&mut self, code: &mut Code) {
        let (there, back) = (self.label(), self.label());
        let condition = self.random.pick(&CONDITIONS);
        self.instruction(code);
        self.counted(code, |_, code| code.jump_near(condition, there));
        code.define(back);
        let mut part = self.code();
        part.define(there);
        for _ in 0..1 + self.random.below(6) {
            self.statement(&mut part);
        }
        self.counted(&mut part, |_, part| part.jump(back));
        part.covered.push(0..part.here());
        self.cold.push(part);
    }

    /// Writes code and counts its bytes.
    fn counted(&mut self, code: &mut Code, write: impl FnOnce(&mut Self, &mut Code)) {
        let (start, fixup) = (code.here(), code.fixups.len());
        write(self, code);
        self.balance.count(code, start, fixup);
    }

    /// A prologue.
    pub(super) fn prologue(&mut self, code: &mut Code) -> Frame {
        let saved = self
            .random
            .chance(if self.arch == Arch::X86 { 600 } else { 300 });
        self.counted(code, |writer, code| match writer.arch {
            Arch::X86 => {
                code.emit(&[0x8B, 0xFF, 0x55, 0x8B, 0xEC, 0x83, 0xEC]);
                code.emit(&[4 * (1 + writer.random.small(24))]);
                if saved {
                    code.emit(&[0x53, 0x56, 0x57]);
                }
            }
            Arch::X64 => {
                if saved {
                    code.emit(&[0x48, 0x89, 0x5C, 0x24, 0x08, 0x57]);
                }
                code.emit(&[0x48, 0x83, 0xEC, if saved { 0x20 } else { 0x28 }]);
            }
        });
        Frame { saved }
    }

    /// An epilogue, and the padding up to the next function.
    pub(super) fn epilogue(&mut self, code: &mut Code, frame: Frame) {
        self.counted(code, |writer, code| match writer.arch {
            Arch::X86 => {
                if frame.saved {
                    code.emit(&[0x5F, 0x5E, 0x5B]);
                }
                code.emit(&[0xC9]);
                if writer.random.chance(800) {
                    code.emit(&[0xC2, 4 * (1 + writer.random.small(6)), 0]);
                } else {
                    code.emit(&[0xC3]);
                }
            }
            Arch::X64 => {
                if frame.saved {
                    code.emit(&[0x48, 0x8B, 0x5C, 0x24, 0x30, 0x48, 0x83, 0xC4, 0x20, 0x5F]);
                } else {
                    code.emit(&[0x48, 0x83, 0xC4, 0x28]);
                }
                code.emit(&[0xC3]);
            }
        });
        code.covered.push(0..code.here());
        self.pad(code);
    }

    /// The padding between two functions.
    fn pad(&mut self, code: &mut Code) {
        let padding = if self.random.chance(900) { 0x90 } else { 0xCC };
        // On x64 functions are aligned.
        let count = match self.arch {
            Arch::X86 => HOT_PATCH + usize::from(self.random.small(4)),
            Arch::X64 => 0,
        };
        self.counted(code, |_, code| code.emit(&[padding; 16][..count]));
    }

    /// Writes statements until `code` has grown by `bytes`, or at most 40 bytes
    /// more.
    pub(super) fn statements(&mut self, code: &mut Code, bytes: u32) {
        let end = code.here() + bytes;
        while code.here() < end {
            self.statement(code);
        }
    }

    /// One to a few instructions of plain code, at most 40 bytes.
    pub(super) fn statement(&mut self, code: &mut Code) {
        self.counted(code, |writer, code| match writer.random.below(1000) {
            0..=129 => {
                // Any jump may follow a compare with a constant.
                let register = writer.register();
                let condition = writer.random.pick(&CONDITIONS);
                match writer.random.below(4) {
                    0 => {
                        code.registers(false, &[0x83], 7, register);
                        code.emit(&[writer.random.small(0x40)]);
                    }
                    1 => code.registers(false, &[0x85], register, register),
                    2 => {
                        code.registers(false, &[0x3B], register, writer.register());
                    }
                    _ => writer.plain(code),
                }
                writer.skip(code, condition);
            }
            // Variables are compared less often on x64.
            number @ 130..=134 if writer.arch == Arch::X86 || number < 132 => {
                let variable = writer.data.any(&mut writer.random);
                let opcode = writer.random.pick(&[0x39, 0x39, 0x3B]);
                let register = writer.register();
                code.direct(variable, Direct::plain(&[opcode], register));
                writer.skip_unsigned(code);
            }
            135..=136 => {
                let variable = writer.data.any(&mut writer.random);
                let immediate = [writer.random.small(4)];
                let compare = Direct {
                    immediate: &immediate,
                    ..Direct::plain(&[0x83], 7)
                };
                code.direct(variable, compare);
                writer.skip_unsigned(code);
            }
            137 if writer.random.chance(500) => {
                let register = writer.register();
                writer.load_global(code, register);
                let variable = writer.data.any(&mut writer.random);
                code.direct(variable, Direct::plain(&[0x3B], register));
                writer.skip_unsigned(code);
            }
            _ => writer.simple(code),
        });
    }

    /// One plain instruction, counted.
    fn instruction(&mut self, code: &mut Code) {
        self.counted(code, Self::plain);
    }

    /// One instruction without references, at most 11 bytes.
    fn plain(&mut self, code: &mut Code) {
        let instruction = instruction::choose(self.arch, &mut self.random, &self.balance);
        code.emit(instruction.bytes());
    }

    /// One instruction without a jump, at most 12 bytes.
    fn simple(&mut self, code: &mut Code) {
        let (first, second) = (self.register(), self.register());
        let shares = match self.arch {
            Arch::X86 => [46, 40, 13, 7, 6, 3, 16],
            Arch::X64 => [38, 62, 14, 5, 4, 2, 26],
        };
        let mut number = self.random.below(1000);
        let kind = shares.iter().position(|&share| {
            let there = number < share;
            number = number.saturating_sub(share);
            there
        });
        match kind {
            Some(0) => {
                let function = self.random.below(u32::MAX);
                code.call(Symbol::Function(function));
            }
            Some(1) => self.import_call(code),
            Some(2) => self.load_global(code, first),
            Some(3) => self.store(code, first),
            Some(4) => {
                let variable = self.data.any(&mut self.random);
                let extension = self.random.small(2);
                code.direct(variable, Direct::plain(&[0xFF], extension));
            }
            Some(5) => self.locked(code, first, second),
            Some(_) => self.pointer(code, first),
            None => self.plain(code),
        }
    }

    /// A constant as in genuine code: small, a pool tag, or a status.
    fn number(&mut self) -> u32 {
        match self.random.below(3) {
            0 => self.random.below(0x1000),
            1 => 0xC000_0000 | self.random.below(0x300),
            _ => u32::from_le_bytes([
                b'T',
                b'C',
                b'a' + self.random.small(26),
                b'A' + self.random.small(26),
            ]),
        }
    }

    fn load_global(&mut self, code: &mut Code, register: u8) {
        let variable = self.data.any(&mut self.random);
        // Half of the loads use the short form.
        let short = self.arch == Arch::X86 && self.random.chance(500);
        code.load(if short { 0 } else { register }, variable, short);
    }

    fn store(&mut self, code: &mut Code, register: u8) {
        let variable = self.data.any(&mut self.random);
        if self.random.chance(300) {
            let value = match self.number() {
                // Stores of 10 are decoys, added only on request.
                10 => 11,
                value => value,
            };
            let immediate = value.to_le_bytes();
            let store = Direct {
                immediate: &immediate,
                ..Direct::plain(&[0xC7], 0)
            };
            code.direct(variable, store);
        } else if self.arch == Arch::X86 && self.random.chance(600) {
            code.emit(&[0xA3]);
            code.refer(variable, Form::Absolute);
        } else {
            code.direct(variable, Direct::plain(&[0x89], register));
        }
    }

    fn locked(&mut self, code: &mut Code, first: u8, second: u8) {
        let variable = self.data.any(&mut self.random);
        if self.arch == Arch::X86 && first != second && self.random.chance(500) {
            code.address(first, variable);
            code.emit(&[0xF0, 0x0F, 0xC1, second << 3 | first]);
        } else {
            let extension = self.random.small(2);
            code.direct(
                variable,
                Direct {
                    lock: true,
                    ..Direct::plain(&[0xFF], extension)
                },
            );
        }
    }

    /// Loads an address, or a pointer from `.data`.
    fn pointer(&mut self, code: &mut Code, register: u8) {
        let symbol = match self.random.below(5) {
            0 | 1 => Symbol::At(Name::Rdata, self.random.pick(self.strings)),
            2 | 3 => Symbol::Function(self.random.below(u32::MAX)),
            _ => {
                let slot = Symbol::At(Name::Data, self.random.pick(&self.data.pointers));
                let wide = self.arch == Arch::X64;
                code.direct(
                    slot,
                    Direct {
                        wide,
                        ..Direct::plain(&[0x8B], register)
                    },
                );
                return;
            }
        };
        code.address(register, symbol);
    }

    /// `call [import]`.
    fn import_call(&mut self, code: &mut Code) {
        let slot = Symbol::At(Name::Rdata, self.random.pick(self.slots));
        code.direct(slot, Direct::plain(&[0xFF], 2));
        self.import_calls += 1;
    }

    /// A jump over one instruction, or to one of two.
    fn skip(&mut self, code: &mut Code, condition: u8) {
        let hole = code.jump_short(condition);
        self.simple(code);
        if self.random.chance(180) {
            // The else branch.
            let end = code.jump_over();
            code.land(&hole);
            self.simple(code);
            code.land(&end);
        } else {
            code.land(&hole);
        }
    }

    fn skip_unsigned(&mut self, code: &mut Code) {
        let condition = self.random.pick(&UNSIGNED);
        self.skip(code, condition);
    }
}
