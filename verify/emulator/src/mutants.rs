//! The shipped files with deliberate mistakes, for tests that must notice them.
//! Instructions are found by their effect, not by their address.

use std::cell::RefCell;

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use specimen::Arch;

use crate::address::to_usize;
use crate::code;
use crate::image::LoadedImage;

/// The preferred base of the files: no relocation overwrites changed code there.
pub const PREFERRED: u64 = 0x1_0000;

/// A file with some of its code changed, to be loaded at [`PREFERRED`].
#[derive(Debug, Clone)]
pub struct Mutant {
    file: Vec<u8>,
    image: LoadedImage,
    /// Number of changed instructions.
    pub changed: usize,
}

const NOP: u8 = 0x90;

impl Mutant {
    /// A file without a change.
    ///
    /// # Panics
    /// The file is no driver.
    #[must_use]
    pub fn new(file: &[u8]) -> Mutant {
        Mutant {
            file: file.to_vec(),
            image: LoadedImage::load(file, PREFERRED).expect("a driver"),
            changed: 0,
        }
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Changes every instruction for which `new` returns bytes, at most as many as
    /// the instruction has; the rest becomes `nop`.
    #[must_use]
    pub fn with_code(
        mut self,
        new: impl Fn(&LoadedImage, &Instruction) -> Option<Vec<u8>>,
    ) -> Mutant {
        let text = code::text_rva(&self.image);
        // The file offset of the code is that of its section.
        let raw = self.text_file_offset();
        let instructions: Vec<Instruction> = code::instructions(&self.image).collect();
        for instruction in instructions {
            let Some(mut bytes) = new(&self.image, &instruction) else {
                continue;
            };
            assert!(bytes.len() <= instruction.len(), "{instruction}: too long");
            bytes.resize(instruction.len(), NOP);
            let offset = instruction.ip() - self.image.base - text;
            let at = raw + usize::try_from(offset).expect("a small file");
            self.file[at..at + bytes.len()].copy_from_slice(&bytes);
            self.changed += 1;
        }
        self
    }

    /// File offset of the code.
    fn text_file_offset(&self) -> usize {
        let dword = |at| self.image.dword(at).expect("headers");
        let nt = dword(0x3C);
        let table = nt + 24 + (dword(nt + 20) & 0xFFFF);
        let mut headers = (table..).step_by(40).zip(&self.image.sections);
        let text = headers.find(|(_, section)| section.is_code());
        to_usize(dword(text.expect("code").0 + 20).into())
    }

    /// Removes the calls of an import. `dwords`: how many the callee removes from the
    /// stack on x86.
    #[must_use]
    pub fn without_call(self, import: &str, dwords: usize) -> Mutant {
        let slot = self.slot(import);
        // Registers that hold its address, following the instructions in the order
        // of their addresses.
        let holding = RefCell::new(Vec::new());
        self.with_code(|driver, instruction| {
            let of_slot = |operand| direct_operand(driver, instruction, operand) == Some(slot);
            let register = instruction.op0_register();
            if instruction.mnemonic() == Mnemonic::Mov && register != Register::None {
                holding.borrow_mut().retain(|&held| held != register);
                if of_slot(1) {
                    holding.borrow_mut().push(register);
                }
                return None;
            }
            if !of_slot(0) && !holding.borrow().contains(&register) {
                return None;
            }
            let dwords = if driver.arch == Arch::X86 { dwords } else { 0 };
            match instruction.mnemonic() {
                // pop eax, which a call may change.
                Mnemonic::Call => Some(vec![0x58; dwords]),
                // A tail call returns to the caller's caller.
                Mnemonic::Jmp if dwords == 0 => Some(vec![0xC3]),
                Mnemonic::Jmp => {
                    let bytes = u8::try_from(dwords * 4).expect("few arguments");
                    Some(vec![0xC2, bytes, 0])
                }
                _ => None,
            }
        })
    }

    /// The RVA of an import's slot.
    fn slot(&self, import: &str) -> u64 {
        let slots = self.image.imports().expect("imports");
        let slot = slots.iter().find(|slot| slot.name == import);
        slot.unwrap_or_else(|| panic!("{import} is not imported"))
            .rva
            .into()
    }

    /// Like [`Mutant::without_call`], but the call appears to succeed: the status is 0.
    #[must_use]
    pub fn with_successful_call(self, import: &str, dwords: usize) -> Mutant {
        let slot = self.slot(import);
        self.with_code(|driver, instruction| {
            let called = direct_operand(driver, instruction, 0) == Some(slot);
            if instruction.mnemonic() != Mnemonic::Call || !called {
                return None;
            }
            let dwords = if driver.arch == Arch::X86 { dwords } else { 0 };
            // xor eax, eax.
            let mut bytes = vec![0x58; dwords];
            bytes.extend([0x31, 0xC0]);
            Some(bytes)
        })
    }

    /// Overwrites the first instructions of DriverEntry.
    #[must_use]
    pub fn with_entry_code(self, bytes: &[u8]) -> Mutant {
        let places = RefCell::new(bytes.to_vec());
        self.with_code(|driver, instruction| {
            let entry = driver.base + u64::from(driver.entry);
            if instruction.ip() < entry || places.borrow().is_empty() {
                return None;
            }
            let mut left = places.borrow_mut();
            let count = left.len().min(instruction.len());
            Some(left.drain(..count).collect())
        })
    }

    /// Replaces the name of a value or an object by one of the same length.
    ///
    /// # Panics
    /// There is no such name, or more than one.
    #[must_use]
    pub fn with_name(mut self, name: &str, other: &str) -> Mutant {
        let [name, other] = [name, other].map(wide);
        assert_eq!(name.len(), other.len());
        let windows = self.file.windows(name.len());
        let places = windows.enumerate().filter(|(_, bytes)| *bytes == name);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        let [at] = places[..] else {
            panic!("the name occurs {} times", places.len())
        };
        self.file[at..at + other.len()].copy_from_slice(&other);
        self.changed += 1;
        self
    }

    /// Replaces the compare-exchange, the one instruction that writes to another
    /// driver.
    #[must_use]
    pub fn with_exchange(self, new: impl Fn(u8) -> Vec<u8>) -> Mutant {
        self.with_code(|driver, instruction| {
            let locked =
                instruction.mnemonic() == Mnemonic::Cmpxchg && instruction.has_lock_prefix();
            // With a memory operand that is a register without displacement.
            let plain = instruction.memory_displ_size() == 0
                && instruction.memory_index() == Register::None
                && instruction.op1_kind() == OpKind::Register;
            if !locked || !plain || instruction.len() != 4 {
                return None;
            }
            let at = usize::try_from(instruction.ip() - driver.base).expect("a small file");
            Some(new(driver.memory[at + 3]))
        })
    }
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The RVA of an instruction's direct memory operand.
fn direct_operand(driver: &LoadedImage, instruction: &Instruction, operand: u32) -> Option<u64> {
    let has = operand < instruction.op_count();
    if !has || instruction.op_kind(operand) != OpKind::Memory {
        return None;
    }
    let direct = instruction.is_ip_rel_memory_operand()
        || (instruction.memory_base() == Register::None
            && instruction.memory_index() == Register::None);
    direct.then(|| {
        instruction
            .memory_displacement64()
            .wrapping_sub(driver.base)
    })
}
