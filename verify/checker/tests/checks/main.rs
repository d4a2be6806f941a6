//! Every check of shipped files accepts a correct file and refuses one with a
//! single violation.

mod assembler;
mod code;
mod content;
mod header;
mod linkage;
mod pe;
mod section;
mod stack;
mod whole;

use checker::Arch;

pub(crate) const BOTH: [Arch; 2] = [Arch::X86, Arch::X64];
