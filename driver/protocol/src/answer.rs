//! The driver's answer.

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::request::{Header, ModuleId};

/// The answer to a query, a set or a reset: the state of one module's limit.
/// Fields that don't apply are 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Answer {
    /// Size and version.
    pub header: Header,
    /// The driver's version, one byte each for major, minor and patch: 000102h
    /// is 0.1.2.
    pub driver: U32,
    /// The module, as in the request.
    pub module: ModuleId,
    /// Progress of the search for the limit: a [`State`].
    pub state: U32,
    /// 0 if the request was executed, else a [`Reason`](crate::Reason).
    pub reason: U32,
    /// A number that details the reason.
    pub detail: [U32; 2],
    /// The current limit.
    pub limit: U32,
    /// The current number of half-open connections.
    pub half_open: U32,
    /// The current number of queued attempts.
    pub queued: U32,
    /// The most half-open connections in any query since the driver was loaded.
    pub peak: U32,
    /// The limit that this driver wrote last since Windows started; 0 for none.
    pub written: U32,
    /// The limit before this driver first changed it; 0 if it never did.
    pub original: U32,
    /// The RVA of the limit: its offset from the module's base.
    pub limit_rva: U32,
    /// The RVA of the count of half-open connections.
    pub half_open_rva: U32,
    /// The RVA of the queue length.
    pub queued_rva: U32,
    /// The module's build.
    pub identity: Identity,
    /// The evidence that holds, one bit each.
    pub evidence: U32,
    /// The required evidence that is missing, one bit each.
    pub missing: U32,
    /// The limit stored for start-up; 0 for none.
    pub configured: U32,
    /// The outcome of the stored limit: a [`Start`].
    pub start: U32,
    /// Why it was refused: a [`Reason`](crate::Reason).
    pub start_reason: U32,
    /// Bits of [`Flags`].
    pub flags: U32,
}

/// Identifies a build of a module.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Identity {
    /// The link time, in seconds since 1970.
    pub time_date_stamp: U32,
    /// The checksum in its header.
    pub checksum: U32,
    /// Its length in memory, in bytes.
    pub size_of_image: U32,
}

impl Identity {
    /// The identity of an unknown module.
    pub const NONE: Identity = Identity {
        time_date_stamp: U32::ZERO,
        checksum: U32::ZERO,
        size_of_image: U32::ZERO,
    };
}

/// Progress of the search for the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The module is not loaded, or can't be inspected.
    Absent,
    /// The module is loaded, but its limit was not located.
    NotLocated,
    /// The limit was located.
    Located,
}

impl State {
    /// Its number in a record.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            State::Absent => 0,
            State::NotLocated => 1,
            State::Located => 2,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<State> {
        [State::Absent, State::NotLocated, State::Located]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// The outcome of the limit stored in the service key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// No limit is stored.
    NotConfigured,
    /// The stored limit was applied when the driver was loaded.
    Applied,
    /// Not applied: Windows runs in Safe Mode.
    SafeMode,
    /// Not applied: the previous attempt kept Windows from starting.
    Guarded,
    /// Not applied: see [`Answer::start_reason`].
    Refused,
}

impl Start {
    const ALL: [Start; 5] = [
        Start::NotConfigured,
        Start::Applied,
        Start::SafeMode,
        Start::Guarded,
        Start::Refused,
    ];

    /// Its number in a record.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Start::NotConfigured => 0,
            Start::Applied => 1,
            Start::SafeMode => 2,
            Start::Guarded => 3,
            Start::Refused => 4,
        }
    }

    /// The outcome with this number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Start> {
        Start::ALL.into_iter().find(|start| start.code() == code)
    }
}

/// Bits of [`Answer::flags`].
#[derive(Clone, Copy, Debug)]
pub struct Flags;

impl Flags {
    /// The test-only value is set that lets the driver write to a page of
    /// unknown rights. Never on a machine that matters.
    pub const ACCEPTS_UNKNOWN_RIGHTS: u32 = 1;
    /// The driver restores the limit when it is unloaded.
    pub const RESTORES_AT_UNLOAD: u32 = 1 << 1;
    /// The system's list of modules has no entry for the module, so nothing
    /// confirms its driver object: its limit is shown and not changed.
    pub const UNLISTED: u32 = 1 << 2;
    /// An earlier load of the driver made the recorded write.
    pub const WRITTEN_BY_EARLIER_LOAD: u32 = 1 << 3;
}
