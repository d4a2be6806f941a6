//! What the driver did that no driver may do, or not with this effect.

use std::fmt;

/// One thing that is wrong. It ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// It touched memory that is not there, or not in this way.
    Access {
        /// What it tried.
        access: Access,
        /// Where.
        address: u64,
        /// How many bytes.
        size: usize,
        /// The instruction.
        pc: u64,
    },
    /// It wrote to memory that it has no business to write.
    Write {
        /// Where.
        address: u64,
        /// How many bytes.
        size: usize,
        /// The instruction.
        pc: u64,
    },
    /// An instruction that the processor does not have, or an exception.
    Exception {
        /// The instruction.
        pc: u64,
        /// What the emulator calls it.
        detail: String,
    },
    /// It runs and runs: so many instructions in one call.
    Endless(u64),
    /// The file can't be loaded.
    File(String),
    /// It imports what no model is made for.
    Unmodelled(String),
    /// It called the system in a way that is not allowed.
    Call {
        /// What it called.
        import: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// Something was taken and not given back, or given back twice.
    Unbalanced(String),
    /// It returned without what a caller relies on.
    Return(String),
    /// It completed a request in another way than it must.
    Completion(String),
    /// It changed the limit where it must not, or did not where it must.
    Limit(String),
    /// Two that must be of one mind are not.
    Disagreement(String),
}

/// A way to touch memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction.
    Fetch,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Access {
                access,
                address,
                size,
                pc,
            } => {
                let access = match access {
                    Access::Read => "read",
                    Access::Write => "write",
                    Access::Fetch => "execution",
                };
                write!(f, "{access} of {size} bytes at {address:X}, by {pc:X}")
            }
            Violation::Write { address, size, pc } => write!(
                f,
                "{size} bytes written at {address:X}, which is not its own, by {pc:X}"
            ),
            Violation::Exception { pc, detail } => write!(f, "{detail} at {pc:X}"),
            Violation::Endless(count) => write!(f, "no end after {count} instructions"),
            Violation::File(detail) => write!(f, "the file: {detail}"),
            Violation::Unmodelled(name) => write!(f, "{name} is imported, and has no model"),
            Violation::Call { import, detail } => write!(f, "{import}: {detail}"),
            Violation::Unbalanced(detail) => write!(f, "out of balance: {detail}"),
            Violation::Return(detail) => write!(f, "on return {detail}"),
            Violation::Completion(detail) => write!(f, "the request: {detail}"),
            Violation::Limit(detail) => write!(f, "the limit: {detail}"),
            Violation::Disagreement(detail) => write!(f, "disagreement: {detail}"),
        }
    }
}

impl std::error::Error for Violation {}
