//! The processors of Wine's tests.

use clap::ValueEnum;

/// A processor of Wine's tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    X64,
    X86,
}

impl Arch {
    pub(super) const ALL: [Self; 2] = [Self::X64, Self::X86];

    /// Its folder's name in `target/driver`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::X86 => "x86",
        }
    }
}
