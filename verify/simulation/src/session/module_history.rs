//! The driver's history of a module, in the model.

use tcplimit_driver::V0_1_RECORD_SIZE;
use tcplimit_protocol::Reason;

use super::request::dword;
use crate::kernel::{CodeState, Instance};

/// The outcome where no limit is stored.
pub(super) const NOT_CONFIGURED: u32 = 0;

/// The driver's history of a module.
#[derive(Debug, Clone)]
pub(super) struct ModuleHistory {
    /// Whether all of this is certain. After a fault it is not, until the
    /// driver's next answer.
    pub(super) certain: bool,
    pub(super) located: Option<Location>,
    pub(super) peak: u32,
    pub(super) memory: Option<Memory>,
    /// An earlier load wrote the record.
    pub(super) earlier: bool,
    pub(super) start: Start,
}

/// A located limit, by all that the driver can distinguish it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) identity: Identity,
    pub(super) base: u64,
    build: usize,
    code: CodeState,
    pub(super) threshold: u32,
}

/// TimeDateStamp, CheckSum and SizeOfImage.
pub(super) type Identity = [u32; 3];

/// The build written to, the value written last, and the value before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) identity: Identity,
    pub(super) last: u32,
    pub(super) original: u32,
}

/// The outcome of a stored limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The stored limit; 0 for none.
    pub(super) configured: u32,
    /// Not stored, applied, Safe Mode, guarded, refused.
    pub(super) outcome: u32,
    pub(super) reason: Reason,
}

impl ModuleHistory {
    pub(super) fn nothing() -> ModuleHistory {
        ModuleHistory {
            certain: true,
            located: None,
            peak: 0,
            memory: None,
            earlier: false,
            start: Start {
                configured: 0,
                outcome: NOT_CONFIGURED,
                reason: Reason::Done,
            },
        }
    }
}

impl Location {
    pub(super) fn new(module: &Instance) -> Location {
        Location {
            identity: module.identity(),
            base: module.base,
            build: module.build,
            code: module.code,
            threshold: module.threshold(),
        }
    }
}

impl Memory {
    /// Reads a record of version 0.1.0.
    pub(super) fn read(former: &[u8; V0_1_RECORD_SIZE]) -> Memory {
        let field = |number: usize| dword(former, number * 4).expect("a field");
        Memory {
            identity: [0, 1, 2].map(field),
            last: field(3),
            original: field(4),
        }
    }
}
