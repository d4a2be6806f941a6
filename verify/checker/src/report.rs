//! The summary of a file without a violation.

use std::fmt;

use scanner_core::Rva;

use super::code::Code;
use super::image::Image;
use super::linkage::Slots;
use super::{Arch, Stack, Violation, control_register, instruction, locked_exchange};

/// The parts of a file that passed all checks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The machine of the file.
    pub arch: Arch,
    /// The size of the file, in bytes.
    pub file_size: usize,
    /// DLL (in lower case) and name of every import, in the order of the import address table.
    pub imports: Vec<(String, String)>,
    /// Reached functions: the entry point, called functions, and code whose address is taken.
    pub functions: usize,
    /// Reached instructions.
    pub instructions: usize,
    /// `lock cmpxchg` among them: the only way the driver writes to another driver's memory.
    pub locked_exchanges: usize,
    /// Reads of CR4 among them: one in the driver for x86, none elsewhere.
    pub control_reads: usize,
    /// Reached traps (int3, ud2), which only a program may have.
    pub traps: Vec<Rva>,
    /// The deepest stack use, without that of imports. For a program possibly the reasons why it is
    /// unknown.
    pub stack: Result<Stack, Vec<Violation>>,
}

impl Report {
    pub(super) fn new(
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
            // Programs only: some of their calls go through pointers.
            Err(reasons) => writeln!(f, "stack unknown, for {} reasons", reasons.len())?,
        }
        write!(f, "{} imports:", self.imports.len())?;
        self.imports
            .iter()
            .try_for_each(|(dll, name)| write!(f, "\n  {dll} {name}"))
    }
}
