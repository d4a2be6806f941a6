//! Plain driver code: functions that decode as a compiler's work and use the
//! variables in `.data` about as often as the measured images do, yet never a
//! limiter's. A compare of two variables is never followed by a signed jump.

use super::code::{Code, Direct, Form, Label, Symbol};
use super::data::Data;
use super::random::Random;
use super::section::Name;
use super::spec::Arch;

/// Conditional jumps that no gate ends with: b, ae, e, ne, be, a.
const UNSIGNED: [u8; 6] = [2, 3, 4, 5, 6, 7];
/// Calls through the import address table that `.text` has at least.
pub(super) const IMPORT_CALLS: u32 = 48;

/// What code is written with: the things it may refer to.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) arch: Arch,
    pub(super) random: Random,
    pub(super) data: &'a Data,
    /// Offsets of the import address table's slots in `.rdata`.
    pub(super) slots: &'a [u32],
    /// Offsets of strings in `.rdata`.
    pub(super) strings: &'a [u32],
    /// Calls through the import address table so far.
    pub(super) import_calls: u32,
    labels: usize,
}

/// What a function's prologue saved.
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
    ) -> Self {
        Self {
            arch,
            random,
            data,
            slots,
            strings,
            import_calls: 0,
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

    /// A whole function and the label at its start.
    pub(super) fn function(&mut self) -> (Label, Code) {
        let mut code = self.code();
        let label = self.label();
        code.define(label);
        let frame = self.open(&mut code);
        let count = 8 + self.random.below(40);
        for _ in 0..count / 2 {
            self.statement(&mut code);
        }
        if self.import_calls < IMPORT_CALLS {
            self.import_call(&mut code);
        }
        for _ in 0..count / 2 {
            self.statement(&mut code);
        }
        self.close(&mut code, frame);
        (label, code)
    }

    /// A prologue.
    pub(super) fn open(&mut self, code: &mut Code) -> Frame {
        let saved = self.random.chance(600);
        match self.arch {
            Arch::X86 => {
                code.emit(&[0x8B, 0xFF, 0x55, 0x8B, 0xEC, 0x83, 0xEC]);
                code.emit(&[4 * (1 + self.random.small(24))]);
                if saved {
                    code.emit(&[0x53, 0x56, 0x57]);
                }
            }
            Arch::X64 => {
                if saved {
                    code.emit(&[0x48, 0x89, 0x5C, 0x24, 0x08]);
                }
                code.emit(&[0x57, 0x48, 0x83, 0xEC, 0x20]);
            }
        }
        Frame { saved }
    }

    /// An epilogue, and the padding up to the next function.
    pub(super) fn close(&mut self, code: &mut Code, frame: Frame) {
        match self.arch {
            Arch::X86 => {
                if frame.saved {
                    code.emit(&[0x5F, 0x5E, 0x5B]);
                }
                code.emit(&[0xC9]);
                if self.random.chance(800) {
                    code.emit(&[0xC2, 4 * (1 + self.random.small(6)), 0]);
                } else {
                    code.emit(&[0xC3]);
                }
            }
            Arch::X64 => {
                if frame.saved {
                    code.emit(&[0x48, 0x8B, 0x5C, 0x24, 0x30]);
                }
                code.emit(&[0x48, 0x83, 0xC4, 0x20, 0x5F, 0xC3]);
            }
        }
        let padding = self.random.pick(&[0x90, 0xCC]);
        for _ in 0..self.random.below(9) {
            code.emit(&[padding]);
        }
    }

    /// Statements until `code` has grown by `bytes` or a little more: at most
    /// 32 bytes.
    pub(super) fn run(&mut self, code: &mut Code, bytes: u32) {
        let end = code.here() + bytes;
        while code.here() < end {
            self.statement(code);
        }
    }

    /// One to a few instructions of plain code, at most 32 bytes.
    pub(super) fn statement(&mut self, code: &mut Code) {
        match self.random.below(1000) {
            0..=899 => self.simple(code),
            900..=939 => {
                // Any jump may follow a compare with a constant.
                let register = self.register();
                let value = self.random.small(0x40);
                code.registers(false, &[0x83], 7, register);
                code.emit(&[value]);
                let condition = self.random.small(16);
                self.skip(code, condition);
            }
            940..=984 => {
                let register = self.register();
                code.registers(false, &[0x85], register, register);
                let condition = self.random.pick(&[4, 5, 5, 8, 9]);
                self.skip(code, condition);
            }
            985..=988 => {
                let variable = self.data.any(&mut self.random);
                let opcode = self.random.pick(&[0x39, 0x39, 0x3B]);
                let register = self.register();
                code.direct(variable, Direct::plain(&[opcode], register));
                self.skip_unsigned(code);
            }
            989..=994 => {
                let variable = self.data.any(&mut self.random);
                let immediate = [self.random.small(4)];
                let compare = Direct {
                    immediate: &immediate,
                    ..Direct::plain(&[0x83], 7)
                };
                code.direct(variable, compare);
                self.skip_unsigned(code);
            }
            _ if self.random.chance(60) => {
                let register = self.register();
                self.load_global(code, register);
                let variable = self.data.any(&mut self.random);
                code.direct(variable, Direct::plain(&[0x3B], register));
                self.skip_unsigned(code);
            }
            _ => self.import_call(code),
        }
    }

    /// One instruction without a jump, at most 12 bytes.
    fn simple(&mut self, code: &mut Code) {
        let (first, second) = (self.register(), self.register());
        let wide = self.arch == Arch::X64 && self.random.chance(500);
        let displacement = 4 * self.random.small(24);
        let frame = if self.arch == Arch::X86 { 5 } else { 4 };
        let x86 = self.arch == Arch::X86;
        match self.random.below(900) {
            0..=149 => code.based(wide, &[0x8B], first, frame, displacement),
            150..=219 => code.based(wide, &[0x89], first, frame, displacement),
            220..=269 => code.based(!x86, &[0x8D], first, frame, displacement),
            270..=359 => code.based(wide, &[0x8B], first, second, displacement),
            360..=419 => code.based(wide, &[0x89], first, second, displacement),
            420..=489 => code.registers(wide, &[0x8B], first, second),
            490..=559 => {
                let opcode = self.random.pick(&[0x03, 0x0B, 0x23, 0x2B, 0x33, 0x33]);
                code.registers(wide, &[opcode], first, second);
            }
            560..=599 => {
                let extension = self.random.pick(&[0, 1, 4, 5, 6]);
                code.registers(wide, &[0x83], extension, first);
                code.emit(&[self.random.small(0x80)]);
            }
            600..=639 if x86 => code.emit(&[0x50 + first]),
            640..=669 if x86 => code.emit(&[0x6A, self.random.small(0x20)]),
            600..=669 => code.registers(true, &[0x8B], first, second),
            670..=699 => code.registers(false, &[0x0F, 0xB7], first, second),
            700..=714 => {
                let value = self.number();
                code.immediate(first, value);
            }
            715..=774 => {
                let function = self.random.below(u32::MAX);
                code.call(Symbol::Function(function));
            }
            775..=804 => self.import_call(code),
            805..=822 => self.load_global(code, first),
            823..=835 => self.store(code, first),
            836..=845 => {
                let variable = self.data.any(&mut self.random);
                let extension = self.random.small(2);
                code.direct(variable, Direct::plain(&[0xFF], extension));
            }
            846..=848 => self.locked(code, first, second),
            849..=863 => self.pointer(code, first),
            _ => {
                code.registers(wide, &[0xC1], self.random.pick(&[4, 5, 7]), first);
                code.emit(&[1 + self.random.small(7)]);
            }
        }
    }

    /// A number as code has them: small, a pool tag, or a status.
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
        let short = self.random.chance(900);
        code.load(register, variable, short);
    }

    fn store(&mut self, code: &mut Code, register: u8) {
        let variable = self.data.any(&mut self.random);
        if self.random.chance(300) {
            let value = match self.number() {
                // Stores of 10 are decoys, to be asked for.
                10 => 11,
                value => value,
            };
            let immediate = value.to_le_bytes();
            let store = Direct {
                immediate: &immediate,
                ..Direct::plain(&[0xC7], 0)
            };
            code.direct(variable, store);
        } else if register == 0 && self.arch == Arch::X86 {
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

    /// The address of something, or a pointer from `.data`.
    fn pointer(&mut self, code: &mut Code, register: u8) {
        let symbol = match self.random.below(3) {
            0 => Symbol::At(Name::Rdata, self.random.pick(self.strings)),
            1 => Symbol::Function(self.random.below(u32::MAX)),
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

    /// A jump over one instruction.
    fn skip(&mut self, code: &mut Code, condition: u8) {
        let hole = code.jump_short(condition);
        self.simple(code);
        code.land(&hole);
    }

    fn skip_unsigned(&mut self, code: &mut Code) {
        let condition = self.random.pick(&UNSIGNED);
        self.skip(code, condition);
    }
}
