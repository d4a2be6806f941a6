//! The code of the tested files.

use checker::Arch;

use crate::pe::{BASE, RDATA, TEXT, word};

pub(crate) const RET: &[u8] = b"\xC3";
/// Returns and removes two arguments, as the entry point of a driver for x86 does.
pub(crate) const RET_8: &[u8] = b"\xC2\x08\x00";

/// A position in the code, known once defined.
#[derive(Clone, Copy)]
pub(crate) struct Label(usize);

/// A distance to be filled in, counted from its own end.
struct Distance {
    at: usize,
    size: usize,
    target: Label,
}

/// Code at the beginning of .text.
pub(crate) struct Assembler {
    pub(crate) arch: Arch,
    bytes: Vec<u8>,
    /// The offset of each label.
    labels: Vec<Option<usize>>,
    distances: Vec<Distance>,
    /// Functions whose address is stored in .data.
    taken: Vec<u64>,
}

/// A general register by its number in ModRM.
#[derive(Clone, Copy)]
pub(crate) enum Register {
    Ax = 0,
    Si = 6,
}

impl Assembler {
    pub(crate) fn new(arch: Arch) -> Self {
        Self {
            arch,
            bytes: Vec::new(),
            labels: Vec::new(),
            distances: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The code, and the taken addresses.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u64>) {
        for Distance { at, size, target } in self.distances {
            let end = at + size;
            let distance = self.labels[target.0].unwrap() as i64 - end as i64;
            self.bytes[at..end].copy_from_slice(&distance.to_le_bytes()[..size]);
        }
        (self.bytes, self.taken)
    }

    pub(crate) fn emit(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label in front of the next instruction.
    pub(crate) fn define(&mut self, label: Label) {
        self.labels[label.0] = Some(self.bytes.len());
    }

    /// Bytes that end in a distance of `size` bytes.
    fn emit_distance(&mut self, bytes: &[u8], size: usize, target: Label) {
        self.emit(bytes);
        let at = self.bytes.len();
        self.distances.push(Distance { at, size, target });
        self.bytes.resize(at + size, 0);
    }

    pub(crate) fn call(&mut self, target: Label) {
        self.emit_distance(b"\xE8", 4, target);
    }

    pub(crate) fn jmp(&mut self, target: Label) {
        self.emit_distance(b"\xEB", 1, target);
    }

    pub(crate) fn je(&mut self, target: Label) {
        self.emit_distance(b"\x74", 1, target);
    }

    pub(crate) fn jne(&mut self, target: Label) {
        self.emit_distance(b"\x75", 1, target);
    }

    /// `lea rcx,[rip+target]`.
    pub(crate) fn lea_rcx(&mut self, target: Label) {
        self.emit_distance(b"\x48\x8D\x0D", 4, target);
    }

    /// An instruction on a slot of the import address table: absolute on x86,
    /// relative to the next instruction on x64.
    fn on_slot(&mut self, opcode: u8, reg: u8, slot: u32) {
        let slot = RDATA + slot * word(self.arch);
        let address = match self.arch {
            Arch::X86 => u32::try_from(BASE).unwrap() + slot,
            Arch::X64 => slot - (TEXT + u32::try_from(self.bytes.len()).unwrap() + 6),
        };
        self.emit(&[opcode, reg << 3 | 5]);
        self.emit(&address.to_le_bytes());
    }

    pub(crate) fn call_import(&mut self, slot: u32) {
        self.on_slot(0xFF, 2, slot);
    }

    pub(crate) fn jump_to_import(&mut self, slot: u32) {
        self.on_slot(0xFF, 4, slot);
    }

    pub(crate) fn load_import(&mut self, register: Register, slot: u32) {
        if self.arch == Arch::X64 {
            self.emit(b"\x48");
        }
        self.on_slot(0x8B, register as u8, slot);
    }

    /// Starts a function whose address is taken.
    pub(crate) fn root(&mut self) {
        let at = u64::from(TEXT) + self.bytes.len() as u64;
        self.taken.push(BASE + at);
    }
}
