//! What the driver knows of a module, in the model.

use tcplimit_driver::V0_1_RECORD_SIZE;
use tcplimit_protocol::Reason;

use super::request::dword;
use crate::kernel::{CodeState, Instance};

/// What becomes of a stored limit, where none is stored.
pub(super) const NOT_CONFIGURED: u32 = 0;

/// What the driver knows of a module.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Whether all of this is certain. After a fault it is not, until the
    /// driver has told.
    pub(super) certain: bool,
    pub(super) located: Option<Location>,
    pub(super) peak: u32,
    pub(super) memory: Option<Memory>,
    /// The memory is from an earlier load.
    pub(super) earlier: bool,
    pub(super) start: Start,
}

/// Where the limit was located, as far as the driver can tell one such place
/// from another.
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

/// What was written to which build: last, and what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) identity: Identity,
    pub(super) last: u32,
    pub(super) original: u32,
}

/// What became of a stored limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The limit asked for; 0 for none.
    pub(super) configured: u32,
    /// Not asked for, applied, Safe Mode, guarded, refused.
    pub(super) outcome: u32,
    pub(super) reason: Reason,
}

impl Known {
    pub(super) fn nothing() -> Known {
        Known {
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
    pub(super) fn of(module: &Instance) -> Location {
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
    /// As version 0.1.0 has left it.
    pub(super) fn read(former: &[u8; V0_1_RECORD_SIZE]) -> Memory {
        let field = |number: usize| dword(former, number * 4).expect("a field");
        Memory {
            identity: [0, 1, 2].map(field),
            last: field(3),
            original: field(4),
        }
    }
}
