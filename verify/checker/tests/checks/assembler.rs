//! Code of the files that are tested.

use checker::Arch;
use iced_x86::code_asm::{CodeAssembler, CodeLabel};
use iced_x86::{BlockEncoderOptions, Code, IcedError, Instruction, MemoryOperand, Register};

use crate::pe::{BASE, RDATA, TEXT, word};

/// The assembler at the beginning of .text, with what code_asm lacks.
pub(crate) struct Assembler {
    pub(crate) arch: Arch,
    pub(crate) asm: CodeAssembler,
    /// Functions whose address is stored in .data.
    pub(crate) taken: Vec<CodeLabel>,
}

pub(crate) type Assembled = Result<(), IcedError>;

impl Assembler {
    pub(crate) fn new(arch: Arch) -> Self {
        Self {
            arch,
            asm: CodeAssembler::new(word(arch) * 8).unwrap(),
            taken: Vec::new(),
        }
    }

    /// The code at the beginning of .text, and the addresses that are taken.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u64>) {
        let start = BASE + u64::from(TEXT);
        let assembled = self
            .asm
            .assemble_options(start, BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)
            .unwrap();
        let taken = self.taken.iter();
        let taken = taken
            .map(|label| assembled.label_ip(label).unwrap())
            .collect();
        (assembled.inner.code_buffer, taken)
    }

    /// The memory operand that is a slot of the import address table.
    fn slot(&self, slot: u32) -> MemoryOperand {
        let address = BASE + u64::from(RDATA + slot * word(self.arch));
        let base = match self.arch {
            Arch::X86 => Register::None,
            Arch::X64 => Register::RIP,
        };
        MemoryOperand::with_base_displ_size(base, address.cast_signed(), word(self.arch))
    }

    pub(crate) fn call_import(&mut self, slot: u32) -> Assembled {
        let code = match self.arch {
            Arch::X86 => Code::Call_rm32,
            Arch::X64 => Code::Call_rm64,
        };
        self.asm
            .add_instruction(Instruction::with1(code, self.slot(slot))?)
    }

    pub(crate) fn jump_to_import(&mut self, slot: u32) -> Assembled {
        let code = match self.arch {
            Arch::X86 => Code::Jmp_rm32,
            Arch::X64 => Code::Jmp_rm64,
        };
        self.asm
            .add_instruction(Instruction::with1(code, self.slot(slot))?)
    }

    pub(crate) fn load_import(&mut self, register: Register, slot: u32) -> Assembled {
        let code = match self.arch {
            Arch::X86 => Code::Mov_r32_rm32,
            Arch::X64 => Code::Mov_r64_rm64,
        };
        self.asm
            .add_instruction(Instruction::with2(code, register, self.slot(slot))?)
    }

    /// Starts a function whose address is taken.
    pub(crate) fn root(&mut self) -> Assembled {
        let mut label = self.asm.create_label();
        self.asm.set_label(&mut label)?;
        self.taken.push(label);
        Ok(())
    }
}
