//! Addresses relative to the image base.

use core::fmt;

/// A relative virtual address: bytes from the image base, the one kind of
/// address that is the same in the file and at every load address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rva(pub u32);

impl Rva {
    /// The address `offset` bytes further, or `None` past 4 GiB.
    #[must_use]
    pub fn plus(self, offset: u32) -> Option<Rva> {
        self.0.checked_add(offset).map(Rva)
    }

    /// The address `offset` bytes before, or `None` before the base.
    #[must_use]
    pub fn minus(self, offset: u32) -> Option<Rva> {
        self.0.checked_sub(offset).map(Rva)
    }

    /// The absolute distance in bytes.
    #[must_use]
    pub fn distance(self, other: Rva) -> u32 {
        self.0.abs_diff(other.0)
    }
}

/// Upper-case hexadecimal without a prefix: `4049C`.
impl fmt::Display for Rva {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", self.0)
    }
}
