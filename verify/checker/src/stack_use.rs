//! The stack use of a file.

use std::fmt;

use scanner_core::Rva;

/// The worst case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stack {
    /// Bytes below the return address of the first function of the chain.
    pub depth: u32,
    /// The functions on the stack at that depth, the outermost first, with the
    /// bytes of each: from below its return address to the return address of
    /// the next, or to its own deepest push.
    pub chain: Vec<(Rva, u32)>,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes:", self.depth)?;
        self.chain
            .iter()
            .try_for_each(|(function, bytes)| write!(f, " {function} ({bytes})"))
    }
}
