//! The shipped files, broken on purpose, for the tests that must notice it.
//! Instructions are found by what they do, not by where they are.

use std::cell::RefCell;

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use verify::specimen::Arch;

use crate::address::index;
use crate::code;
use crate::image::Laid;

/// Where the files prefer to lie: there nothing is relocated, and changed code
/// stays as it is.
pub const PREFERRED: u64 = 0x1_0000;

/// A file with some of its code changed, to be loaded at [`PREFERRED`].
#[derive(Debug, Clone)]
pub struct Broken {
    file: Vec<u8>,
    laid: Laid,
    /// How many instructions were changed.
    pub changed: usize,
}

const NOP: u8 = 0x90;

impl Broken {
    /// A file that is still whole.
    ///
    /// # Panics
    /// When it is no driver.
    #[must_use]
    pub fn of(file: &[u8]) -> Broken {
        Broken {
            file: file.to_vec(),
            laid: Laid::at(file, PREFERRED).expect("a driver"),
            changed: 0,
        }
    }

    /// Which processor it is for.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.laid.arch
    }

    /// Its bytes.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Changes every instruction for which `new` has other bytes, as many as
    /// it is long at most; the rest becomes `nop`.
    #[must_use]
    pub fn with(mut self, new: impl Fn(&Laid, &Instruction) -> Option<Vec<u8>>) -> Broken {
        let text = code::text_rva(&self.laid);
        // Code begins in the file where its section's bytes do.
        let raw = self.raw_of_text();
        let instructions: Vec<Instruction> = code::instructions(&self.laid).collect();
        for instruction in instructions {
            let Some(mut bytes) = new(&self.laid, &instruction) else {
                continue;
            };
            assert!(bytes.len() <= instruction.len(), "{instruction}: too long");
            bytes.resize(instruction.len(), NOP);
            let offset = instruction.ip() - self.laid.base - text;
            let at = raw + usize::try_from(offset).expect("a small file");
            self.file[at..at + bytes.len()].copy_from_slice(&bytes);
            self.changed += 1;
        }
        self
    }

    fn raw_of_text(&self) -> usize {
        index(self.header_of_text(20).into())
    }

    /// A dword of the header that the code's section has.
    fn header_of_text(&self, field: u32) -> u32 {
        let header = self.place_of_text();
        self.laid.dword(header + field).expect("headers")
    }

    fn place_of_text(&self) -> u32 {
        let mut sections = self.section_headers().zip(&self.laid.sections);
        let text = sections.find(|(_, section)| section.is_code());
        text.expect("code").0
    }

    /// Without the calls of an import: `dwords` are what it would take off the
    /// stack on x86.
    #[must_use]
    pub fn without(self, import: &str, dwords: usize) -> Broken {
        let slot = self.slot(import);
        // Registers that hold its address, as far as instructions are read in
        // the order in which they stand.
        let holding = RefCell::new(Vec::new());
        self.with(|driver, instruction| {
            let of_slot = |operand| memory(driver, instruction, operand) == Some(slot);
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
                // pop eax, which a call may change anyway.
                Mnemonic::Call => Some(vec![0x58; dwords]),
                // A tail call: what it would return to is the caller's.
                Mnemonic::Jmp if dwords == 0 => Some(vec![0xC3]),
                Mnemonic::Jmp => {
                    let bytes = u8::try_from(dwords * 4).expect("few arguments");
                    Some(vec![0xC2, bytes, 0])
                }
                _ => None,
            }
        })
    }

    /// With a reference to a driver object given back as soon as it is had.
    ///
    /// # Panics
    /// Where there is no room behind the code.
    #[must_use]
    pub fn letting_go(mut self) -> Broken {
        let [by_name, let_go] =
            ["ObReferenceObjectByName", "ObfDereferenceObject"].map(|name| self.slot(name));
        let (size, raw) = (self.header_of_text(8), self.header_of_text(16));
        let cave = u64::from(self.header_of_text(12) + size);
        let code = match self.laid.arch {
            Arch::X86 => releasing_x86(by_name, let_go),
            Arch::X64 => releasing_x64(cave, by_name, let_go),
        };
        // There is room in memory to the end of the page, and in the file none.
        let longer = size + u32::try_from(code.len()).expect("a few bytes");
        assert!(size.div_ceil(0x1000) == longer.div_ceil(0x1000), "no room");
        let at = self.raw_of_text() + index(size.into());
        self.lengthen_text(raw, longer);
        self.file[at..at + code.len()].copy_from_slice(&code);
        self.with(|driver, instruction| {
            let called = memory(driver, instruction, 0) == Some(by_name);
            if instruction.mnemonic() != Mnemonic::Call || !called {
                return None;
            }
            let mut call = vec![0xE8];
            call.extend(relative(instruction.ip() - driver.base + 5, cave));
            Some(call)
        })
    }

    /// Makes room in the file behind the code, for which all behind it moves up.
    fn lengthen_text(&mut self, raw: u32, size: u32) {
        /// The file's alignment.
        const ROOM: u32 = 0x200;
        let text = index(self.place_of_text().into());
        let end = self.raw_of_text() + index(raw.into());
        self.file.splice(end..end, [0; ROOM as usize]);
        for header in self.section_headers() {
            let field = index((header + 20).into());
            let place = u32::from_le_bytes(self.file[field..field + 4].try_into().expect("four"));
            if index(place.into()) >= end {
                self.file[field..field + 4].copy_from_slice(&(place + ROOM).to_le_bytes());
            }
        }
        for (field, value) in [(8, size), (16, raw + ROOM)] {
            self.file[text + field..text + field + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Where the sections' headers are.
    fn section_headers(&self) -> impl Iterator<Item = u32> + use<> {
        let nt = self.laid.dword(0x3C).expect("headers");
        let table = nt + 24 + (self.laid.dword(nt + 20).expect("headers") & 0xFFFF);
        let count = u32::try_from(self.laid.sections.len()).expect("a few");
        (0..count).map(move |number| table + 40 * number)
    }

    /// The RVA of an import's slot.
    fn slot(&self, import: &str) -> u64 {
        let slots = self.laid.imports().expect("imports");
        let slot = slots.iter().find(|slot| slot.name == import);
        slot.unwrap_or_else(|| panic!("{import} is not imported"))
            .rva
            .into()
    }

    /// Like [`Broken::without`], for a call that leads to success: the status is 0
    /// then, and not what was in the register.
    #[must_use]
    pub fn pretending(self, import: &str, dwords: usize) -> Broken {
        let slot = self.slot(import);
        self.with(|driver, instruction| {
            let called = memory(driver, instruction, 0) == Some(slot);
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

    /// With bytes over its very first instructions.
    #[must_use]
    pub fn first(self, bytes: &[u8]) -> Broken {
        let places = RefCell::new(bytes.to_vec());
        self.with(|driver, instruction| {
            let entry = driver.base + u64::from(driver.entry);
            if instruction.ip() < entry || places.borrow().is_empty() {
                return None;
            }
            let mut left = places.borrow_mut();
            let count = left.len().min(instruction.len());
            Some(left.drain(..count).collect())
        })
    }

    /// With another name for a value or an object, of the same length.
    ///
    /// # Panics
    /// Where there is no such name, or more than one.
    #[must_use]
    pub fn renamed(mut self, name: &str, other: &str) -> Broken {
        let [name, other] = [name, other].map(wide);
        assert_eq!(name.len(), other.len());
        let windows = self.file.windows(name.len());
        let places = windows.enumerate().filter(|(_, bytes)| *bytes == name);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        let [at] = places[..] else {
            panic!("the name is there {} times", places.len())
        };
        self.file[at..at + other.len()].copy_from_slice(&other);
        self.changed += 1;
        self
    }

    /// With other bits in a dword among the constants: of those that are this
    /// number, the one behind `skip` others.
    ///
    /// # Panics
    /// Where there is no such one.
    #[must_use]
    pub fn constant(mut self, number: u32, bits: u8, skip: usize) -> Broken {
        let sections = self.laid.sections.iter();
        let places = sections
            .filter(|section| !section.is_code() && !section.is_writable())
            .flat_map(|section| (section.rva..section.end().saturating_sub(3)).step_by(4))
            .filter(|&rva| self.laid.dword(rva) == Some(number));
        let rva = places.clone().nth(skip).expect("the number is there");
        let at = self.raw_of(rva);
        self.file[at] ^= bits;
        self.changed += 1;
        self
    }

    /// Where the byte at an RVA is in the file.
    fn raw_of(&self, rva: u32) -> usize {
        let head = &self.laid;
        let headers = self.section_headers();
        let headers = headers
            .map(|header| [12, 16, 20].map(|field| head.dword(header + field).expect("headers")));
        let mut places = headers.filter_map(|[first, length, raw]| {
            let inside = rva.checked_sub(first).filter(|&inside| inside < length)?;
            Some(index(u64::from(raw + inside)))
        });
        places.next().expect("bytes of the file")
    }

    /// With another number in instructions that hold this one: the bits of it that
    /// are to be changed. The first `skip` of them stay.
    #[must_use]
    pub fn immediate(self, number: u32, bits: u8, skip: usize) -> Broken {
        let seen = std::cell::Cell::new(0);
        self.with(|laid, instruction| {
            let mut operands = (0..instruction.op_count()).filter(|&operand| {
                let kind = instruction.op_kind(operand);
                let wide = matches!(kind, OpKind::Immediate32 | OpKind::Immediate32to64);
                wide && instruction.immediate(operand) & 0xFFFF_FFFF == u64::from(number)
            });
            operands.next()?;
            if seen.replace(seen.get() + 1) < skip {
                return None;
            }
            // An immediate stands at an instruction's end.
            let at = index(instruction.ip() - laid.base);
            let mut bytes = laid.memory[at..at + instruction.len()].to_vec();
            let lowest = bytes.len() - 4;
            bytes[lowest] ^= bits;
            Some(bytes)
        })
    }

    /// Where the compare-exchange stands: the one instruction that writes to
    /// another driver.
    #[must_use]
    pub fn exchange(self, new: impl Fn(u8) -> Vec<u8>) -> Broken {
        self.with(|driver, instruction| {
            let locked =
                instruction.mnemonic() == Mnemonic::Cmpxchg && instruction.has_lock_prefix();
            // On memory that a plain register points to.
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

/// Calls ObReferenceObjectByName with the same eight arguments, and then
/// ObfDereferenceObject with what came of it. Slots are told by their RVAs.
fn releasing_x86(by_name: u64, let_go: u64) -> Vec<u8> {
    let call = |slot: u64| {
        let [a, b, c, d, ..] = (PREFERRED + slot).to_le_bytes();
        [0xFF, 0x15, a, b, c, d]
    };
    // push [esp + 20h], which is each argument in turn, from the last.
    let mut code = [0xFF, 0x74, 0x24, 0x20].repeat(8);
    code.extend(call(by_name));
    // push eax; mov ecx, [esp + 24h]; mov ecx, [ecx].
    code.extend([0x50, 0x8B, 0x4C, 0x24, 0x24, 0x8B, 0x09]);
    code.extend(call(let_go));
    // pop eax; ret 20h.
    code.extend([0x58, 0xC2, 0x20, 0]);
    code
}

/// The same, to stand at an RVA.
fn releasing_x64(at: u64, by_name: u64, let_go: u64) -> Vec<u8> {
    let call = |code: &mut Vec<u8>, slot| {
        let next = at + code.len() as u64 + 6;
        code.extend([0xFF, 0x15]);
        code.extend(relative(next, slot));
    };
    // sub rsp, 48h.
    let mut code = vec![0x48, 0x83, 0xEC, 0x48];
    for (from, to) in [(0x70, 0x20), (0x78, 0x28), (0x80, 0x30), (0x88, 0x38)] {
        // mov rax, [rsp + from]; mov [rsp + to], rax.
        code.extend([0x48, 0x8B, 0x84, 0x24, from, 0, 0, 0]);
        code.extend([0x48, 0x89, 0x44, 0x24, to]);
    }
    call(&mut code, by_name);
    // mov [rsp + 40h], rax; mov rcx, [rsp + 88h]; mov rcx, [rcx].
    code.extend([0x48, 0x89, 0x44, 0x24, 0x40]);
    code.extend([0x48, 0x8B, 0x8C, 0x24, 0x88, 0, 0, 0, 0x48, 0x8B, 0x09]);
    call(&mut code, let_go);
    // mov rax, [rsp + 40h]; add rsp, 48h; ret.
    code.extend([0x48, 0x8B, 0x44, 0x24, 0x40, 0x48, 0x83, 0xC4, 0x48, 0xC3]);
    code
}

/// An operand that leads from behind an instruction to a place.
fn relative(from: u64, to: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = to.wrapping_sub(from).to_le_bytes();
    [a, b, c, d]
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The RVA that a direct memory operand of an instruction names.
fn memory(driver: &Laid, instruction: &Instruction, operand: u32) -> Option<u64> {
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
