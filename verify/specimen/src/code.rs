//! A small assembler: bytes, and references that are filled in once every
//! section has its address.

use std::ops::Range;

use super::arch::Arch;
use super::name::Name;

/// A place in code or data that others refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(pub(super) usize);

/// The target of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Label(Label),
    /// A filler function with an entry in the exception table; numbers beyond
    /// the last wrap around.
    Function(u32),
    /// A filler function without one.
    Leaf(u32),
    /// An offset in a section.
    At(Name, u32),
    /// The image's first byte.
    Base,
}

/// The encoding of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The pointer itself, 4 or 8 bytes, relocated.
    Absolute,
    /// 4 bytes from the end of the instruction, `trailing` bytes further on.
    Relative { trailing: u8 },
    /// The 4-byte RVA.
    Rva,
}

/// A reference to fill in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixup {
    pub(super) at: u32,
    pub(super) symbol: Symbol,
    pub(super) form: Form,
}

/// The kind of evidence that a range of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkKind {
    Gate,
    QueueTest,
    Event,
    Atomic,
    StartUp,
}

/// A range of bytes that is evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) kind: MarkKind,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A short jump whose target is not yet known.
#[derive(Debug)]
#[must_use]
pub(super) struct ShortJump(usize);

/// One instruction whose memory operand is a variable: absolute on x86,
/// rip-relative on x64.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direct<'a> {
    pub(super) lock: bool,
    /// A 64-bit operand (x64 only).
    pub(super) wide: bool,
    pub(super) opcode: &'a [u8],
    /// The register, or the opcode's extension.
    pub(super) reg: u8,
    pub(super) immediate: &'a [u8],
}

impl Direct<'_> {
    /// A 32-bit instruction without prefix and immediate.
    pub(super) fn plain(opcode: &[u8], reg: u8) -> Direct<'_> {
        Direct {
            lock: false,
            wide: false,
            opcode,
            reg,
            immediate: &[],
        }
    }
}

/// Bytes under construction.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) arch: Arch,
    pub(super) bytes: Vec<u8>,
    pub(super) fixups: Vec<Fixup>,
    pub(super) labels: Vec<(Label, u32)>,
    pub(super) marks: Vec<Mark>,
    /// Functions and parts of them, each with an entry in the exception table,
    /// ascending.
    pub(super) covered: Vec<Range<u32>>,
}

impl Code {
    pub(super) fn new(arch: Arch) -> Self {
        Self {
            arch,
            bytes: Vec::new(),
            fixups: Vec::new(),
            labels: Vec::new(),
            marks: Vec::new(),
            covered: Vec::new(),
        }
    }

    /// Bytes so far: the offset of the next one.
    pub(super) fn here(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a section is smaller than 4 GiB")
    }

    pub(super) fn emit(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn word(&mut self, value: u16) {
        self.emit(&value.to_le_bytes());
    }

    pub(super) fn dword(&mut self, value: u32) {
        self.emit(&value.to_le_bytes());
    }

    pub(super) fn align(&mut self, alignment: u32, filler: u8) {
        while !self.here().is_multiple_of(alignment) {
            self.emit(&[filler]);
        }
    }

    pub(super) fn define(&mut self, label: Label) {
        let here = self.here();
        self.labels.push((label, here));
    }

    /// Marks the bytes since `start` as evidence.
    pub(super) fn mark(&mut self, kind: MarkKind, start: u32) {
        let end = self.here();
        self.marks.push(Mark { kind, start, end });
    }

    /// A reference to be filled in.
    pub(super) fn refer(&mut self, symbol: Symbol, form: Form) {
        let at = self.here();
        self.fixups.push(Fixup { at, symbol, form });
        let size = if form == Form::Absolute {
            pointer_size(self.arch)
        } else {
            4
        };
        self.bytes.resize(self.bytes.len() + size, 0);
    }

    /// Adds other code, with its references, labels and marks, to the end.
    pub(super) fn append(&mut self, other: &Self) {
        let by = self.here();
        self.bytes.extend_from_slice(&other.bytes);
        self.fixups.extend(other.fixups.iter().map(|&fixup| Fixup {
            at: fixup.at + by,
            ..fixup
        }));
        self.labels
            .extend(other.labels.iter().map(|&(label, at)| (label, at + by)));
        self.marks.extend(other.marks.iter().map(|mark| Mark {
            start: mark.start + by,
            end: mark.end + by,
            ..*mark
        }));
        let covered = other.covered.iter();
        self.covered
            .extend(covered.map(|range| range.start + by..range.end + by));
    }

    /// An instruction on a variable.
    pub(super) fn direct(&mut self, symbol: Symbol, instruction: Direct<'_>) {
        if instruction.lock {
            self.emit(&[0xF0]);
        }
        self.rex(instruction.wide, instruction.reg, 0);
        self.emit(instruction.opcode);
        self.emit(&[(instruction.reg & 7) << 3 | 5]);
        let trailing = u8::try_from(instruction.immediate.len()).expect("at most 4 bytes");
        match self.arch {
            Arch::X86 => self.refer(symbol, Form::Absolute),
            Arch::X64 => self.refer(symbol, Form::Relative { trailing }),
        }
        self.emit(instruction.immediate);
    }

    /// `mov reg, [variable]`: `8B`, or with `short` `A1` where that exists.
    pub(super) fn load(&mut self, reg: u8, symbol: Symbol, short: bool) {
        if short && reg == 0 && self.arch == Arch::X86 {
            self.emit(&[0xA1]);
            self.refer(symbol, Form::Absolute);
        } else {
            self.direct(symbol, Direct::plain(&[0x8B], reg));
        }
    }

    /// `mov reg, offset variable` or `lea reg, [rip+variable]`.
    pub(super) fn address(&mut self, reg: u8, symbol: Symbol) {
        match self.arch {
            Arch::X86 => {
                self.emit(&[0xB8 + (reg & 7)]);
                self.refer(symbol, Form::Absolute);
            }
            Arch::X64 => self.direct(
                symbol,
                Direct {
                    wide: true,
                    ..Direct::plain(&[0x8D], reg)
                },
            ),
        }
    }

    /// An instruction on two registers; `rm` is the second ModRM operand.
    pub(super) fn registers(&mut self, wide: bool, opcode: &[u8], reg: u8, rm: u8) {
        self.rex(wide, reg, rm);
        self.emit(opcode);
        self.emit(&[0xC0 | (reg & 7) << 3 | rm & 7]);
    }

    /// `mov reg, imm32`.
    pub(super) fn immediate(&mut self, reg: u8, value: u32) {
        self.rex(false, 0, reg);
        self.emit(&[0xB8 + (reg & 7)]);
        self.dword(value);
    }

    /// `call target`.
    pub(super) fn call(&mut self, target: Symbol) {
        self.emit(&[0xE8]);
        self.refer(target, Form::Relative { trailing: 0 });
    }

    /// `jmp target`, near.
    pub(super) fn jump(&mut self, target: Label) {
        self.emit(&[0xE9]);
        self.refer(Symbol::Label(target), Form::Relative { trailing: 0 });
    }

    /// `jcc target`, near.
    pub(super) fn jump_near(&mut self, condition: u8, target: Label) {
        self.emit(&[0x0F, 0x80 | condition]);
        self.refer(Symbol::Label(target), Form::Relative { trailing: 0 });
    }

    /// `jcc`, short; [`Code::land`] sets the target.
    pub(super) fn jump_short(&mut self, condition: u8) -> ShortJump {
        self.emit(&[0x70 | condition, 0]);
        ShortJump(self.bytes.len())
    }

    /// `jmp`, short; [`Code::land`] sets the target.
    pub(super) fn jump_over(&mut self) -> ShortJump {
        self.emit(&[0xEB, 0]);
        ShortJump(self.bytes.len())
    }

    /// Sets the target of a short jump to here.
    pub(super) fn land(&mut self, hole: &ShortJump) {
        let distance = self.bytes.len() - hole.0;
        let distance = i8::try_from(distance).expect("a short jump reaches 127 bytes");
        self.bytes[hole.0 - 1] = distance.cast_unsigned();
    }

    /// A REX prefix, where one is needed.
    pub(super) fn rex(&mut self, wide: bool, reg: u8, rm: u8) {
        if self.arch == Arch::X64 && (wide || reg > 7 || rm > 7) {
            self.emit(&[0x40 | u8::from(wide) << 3 | u8::from(reg > 7) << 2 | u8::from(rm > 7)]);
        }
    }
}

/// Bytes of a pointer.
pub(super) fn pointer_size(arch: Arch) -> usize {
    match arch {
        Arch::X86 => 4,
        Arch::X64 => 8,
    }
}
