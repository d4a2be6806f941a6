//! The machine that a driver is for.

/// The machine a driver is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Arch {
    /// IMAGE_FILE_MACHINE_I386, PE32: operands are absolute and relocated.
    X86,
    /// IMAGE_FILE_MACHINE_AMD64, PE32+: operands are rip-relative.
    X64,
}

/// A register by its number in the instruction set. Any number is allowed;
/// [`Register::on`] maps it to one that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Register(pub u8);

impl Register {
    /// The register's number on `arch`: 0 to 7 or 0 to 15, never the stack
    /// pointer.
    pub fn on(self, arch: Arch) -> u8 {
        let number = match arch {
            Arch::X86 => self.0 & 7,
            Arch::X64 => self.0 & 15,
        };
        if number == 4 { 0 } else { number }
    }
}
