//! The two processors.

use core::fmt;

/// Bytes of a page on both processors.
pub(crate) const PAGE_SIZE: u32 = 0x1000;

/// The supported processors of Windows XP and Server 2003.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32-bit: operands are absolute addresses.
    X86,
    /// 64-bit: operands are relative to the next instruction.
    X64,
}

impl Arch {
    /// Bytes of a pointer.
    #[must_use]
    pub fn pointer_size(self) -> u32 {
        match self {
            Arch::X86 => 4,
            Arch::X64 => 8,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::X86 => "x86",
            Arch::X64 => "x64",
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn processors_have_names_and_pointers() {
        let both = [Arch::X86, Arch::X64];
        assert_eq!(both.map(|it| it.to_string()), ["x86", "x64"]);
        assert_eq!(both.map(Arch::pointer_size), [4, 8]);
    }
}
