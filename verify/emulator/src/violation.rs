//! Violations by the driver.

use std::fmt;

/// A violation; it ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// An access to unmapped memory, or one without the right to it.
    Access {
        /// Kind of the access.
        access: Access,
        /// Address.
        address: u64,
        /// Bytes.
        size: usize,
        /// Address of the instruction.
        pc: u64,
    },
    /// A write to memory that the driver must not write.
    Write {
        /// Address.
        address: u64,
        /// Bytes.
        size: usize,
        /// Address of the instruction.
        pc: u64,
    },
    /// An unsupported instruction, or an exception.
    Exception {
        /// Address of the instruction.
        pc: u64,
        /// The emulator's name for it.
        detail: String,
    },
    /// An endless call: the number of instructions so far.
    Endless(u64),
    /// The file can't be loaded.
    File(String),
    /// An import without a model.
    Unmodelled(String),
    /// A forbidden call of the system.
    Call {
        /// The called function.
        import: &'static str,
        /// The violated rule.
        detail: String,
    },
    /// A resource was not released.
    Unbalanced(String),
    /// A return that breaks the calling convention.
    Return(String),
    /// A request was completed incorrectly.
    Completion(String),
    /// The limit was changed against the rules, or not changed.
    Limit(String),
    /// Two implementations disagree.
    Disagreement(String),
}

/// Kind of a memory access.
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
                write!(
                    f,
                    "invalid {access} of {size} bytes at {address:X}, by {pc:X}"
                )
            }
            Violation::Write { address, size, pc } => write!(
                f,
                "forbidden write of {size} bytes at {address:X}, by {pc:X}"
            ),
            Violation::Exception { pc, detail } => write!(f, "{detail} at {pc:X}"),
            Violation::Endless(count) => write!(f, "endless: {count} instructions"),
            Violation::File(detail) => write!(f, "the file: {detail}"),
            Violation::Unmodelled(name) => write!(f, "the import {name} has no model"),
            Violation::Call { import, detail } => write!(f, "{import}: {detail}"),
            Violation::Unbalanced(detail) => write!(f, "not released: {detail}"),
            Violation::Return(detail) => write!(f, "on return: {detail}"),
            Violation::Completion(detail) => write!(f, "the request: {detail}"),
            Violation::Limit(detail) => write!(f, "the limit: {detail}"),
            Violation::Disagreement(detail) => write!(f, "disagreement: {detail}"),
        }
    }
}

impl std::error::Error for Violation {}
