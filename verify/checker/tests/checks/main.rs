//! Every check of shipped files says yes to a file that is right, and no to one that is wrong in
//! just that.

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
