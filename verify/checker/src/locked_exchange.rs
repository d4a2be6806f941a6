//! `lock cmpxchg`: the one instruction by which the driver writes to another
//! driver's memory.

use iced_x86::Mnemonic;
use scanner_core::Rva;

use super::code::Code;
use super::{Kind, Violation};

/// The places of `lock cmpxchg`.
pub(super) fn places(code: &Code) -> Vec<Rva> {
    let instructions = code.instructions.iter();
    instructions
        .filter(|(_, it)| it.mnemonic() == Mnemonic::Cmpxchg && it.has_lock_prefix())
        .map(|(&at, _)| at)
        .collect()
}

/// Refuses a second one, which would be another way to write.
pub(super) fn check(code: &Code, kind: Kind) -> Option<Violation> {
    let places = places(code);
    (kind == Kind::Driver && places.len() > 1).then_some(Violation::LockedExchanges(places))
}
