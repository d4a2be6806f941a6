//! What is worth knowing of a file without a violation.

use std::fmt;

use scanner_core::Rva;

use super::code::Code;
use super::image::Image;
use super::linkage::Slots;
use super::{Arch, Stack, Violation, control_register, instruction, locked_exchange};

/// What a file is made of. It is right in everything that is checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The machine it is for.
    pub arch: Arch,
    /// In bytes.
    pub file_size: usize,
    /// DLL (in lower case) and name of every import, in the order of the import address table.
    pub imports: Vec<(String, String)>,
    /// Functions that are reached: the entry point, what is called, and code of which the address
    /// is taken.
    pub functions: usize,
    /// Instructions that are reached.
    pub instructions: usize,
    /// `lock cmpxchg` among them: the only way that the driver writes to another one's memory.
    pub locked_exchanges: usize,
    /// Reads of CR4 among them: one in the driver for x86, none elsewhere.
    pub control_reads: usize,
    /// Reached traps (int3, ud2), which only a program may have.
    pub traps: Vec<Rva>,
    /// The stack it needs at most, without what imports need. For a program maybe why it can't be
    /// told.
    pub stack: Result<Stack, Vec<Violation>>,
}

impl Report {
    pub(super) fn of(
        image: &Image<'_>,
        slots: &Slots,
        code: &Code,
        stack: Result<Stack, Vec<Violation>>,
    ) -> Self {
        let instructions = &code.instructions;
        Self {
            arch: image.arch,
            file_size: image.file.len(),
            imports: slots
                .values()
                .map(|linked| (linked.dll.clone(), linked.name.clone()))
                .collect(),
            functions: code.functions.len(),
            instructions: instructions.len(),
            locked_exchanges: locked_exchange::places(code).len(),
            control_reads: control_register::places(code).len(),
            traps: instructions
                .iter()
                .filter(|(_, it)| instruction::is_trap(it))
                .map(|(&at, _)| at)
                .collect(),
            stack,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, {} bytes", self.arch, self.file_size)?;
        writeln!(
            f,
            "{} functions, {} instructions, {} lock cmpxchg, {} reads of CR4, {} traps",
            self.functions,
            self.instructions,
            self.locked_exchanges,
            self.control_reads,
            self.traps.len()
        )?;
        match &self.stack {
            Ok(stack) => writeln!(f, "stack {stack}")?,
            // Of a program only, whose calls go through pointers here and there.
            Err(reasons) => writeln!(f, "stack unknown, for {} reasons", reasons.len())?,
        }
        write!(f, "{} imports:", self.imports.len())?;
        self.imports
            .iter()
            .try_for_each(|(dll, name)| write!(f, "\n  {dll} {name}"))
    }
}
