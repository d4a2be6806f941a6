//! The one instruction by which the driver writes to another one's memory.

use iced_x86::Mnemonic;
use scanner_core::Rva;

use super::code::Code;
use super::{Kind, Violation};

/// Where a `lock cmpxchg` is.
pub(super) fn places(code: &Code) -> Vec<Rva> {
    let instructions = code.instructions.iter();
    instructions
        .filter(|(_, it)| it.mnemonic() == Mnemonic::Cmpxchg && it.has_lock_prefix())
        .map(|(&at, _)| at)
        .collect()
}

/// A second one would be another way to write.
pub(super) fn check(code: &Code, kind: Kind) -> Option<Violation> {
    let places = places(code);
    (kind == Kind::Driver && places.len() > 1).then_some(Violation::LockedExchanges(places))
}
