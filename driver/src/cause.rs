//! Why something was not done: scanner-core's errors as the protocol's reasons.

use scanner_core::policy::Refusal;
use scanner_core::{ImageError, NotLocated, NotLocatedReason};
use tcplimit_protocol::{Reason, Status};

use crate::kernel::Exchange;

/// A reason with its two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: Reason,
    pub(crate) detail: [u32; 2],
}

impl Cause {
    /// What was asked for was done.
    pub(crate) const DONE: Cause = Cause {
        reason: Reason::Done,
        detail: [0; 2],
    };

    pub(crate) fn with(reason: Reason, detail: u32) -> Cause {
        Cause {
            reason,
            detail: [detail, 0],
        }
    }

    /// The same where the caller has named the value that was expected.
    pub(crate) fn where_named(self, named: bool) -> Cause {
        match self.reason {
            Reason::UnexpectedValue if named => Cause {
                reason: Reason::NotAsNamed,
                ..self
            },
            _ => self,
        }
    }

    /// Whether the limit of a located module could be read all the same.
    pub(crate) fn shows_limit(self) -> bool {
        !matches!(self.reason, Reason::Changed | Reason::PageInvalid)
    }

    pub(crate) fn status(reason: Reason, status: Status) -> Cause {
        Cause::with(reason, status.0)
    }
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Cause {
        Cause::with(reason, 0)
    }
}

impl From<ImageError> for Cause {
    fn from(error: ImageError) -> Cause {
        match error {
            ImageError::NotPe | ImageError::BadOptionalHeader | ImageError::Truncated => {
                Reason::NotAnImage.into()
            }
            ImageError::UnsupportedMachine(_) => Reason::WrongMachine.into(),
            ImageError::SectionsDontTile(section) => {
                Cause::with(Reason::Inconsistent, u32::from(section))
            }
            ImageError::SectionNotMapped(section) => {
                Cause::with(Reason::CodeUnreadable, u32::from(section))
            }
            // Of these and of what later versions may add: the headers don't
            // hold together.
            _ => Reason::Inconsistent.into(),
        }
    }
}

impl From<&NotLocated> for Cause {
    fn from(refusal: &NotLocated) -> Cause {
        match refusal.reason() {
            NotLocatedReason::Missing(missing) => {
                Cause::with(Reason::EvidenceMissing, u32::from(missing.bits()))
            }
            NotLocatedReason::Ambiguous(one, other) => Cause {
                reason: Reason::Ambiguous,
                detail: [one.0, other.0],
            },
            NotLocatedReason::TooManyCandidates => Reason::TooManyCandidates.into(),
            _ => Reason::NoGate.into(),
        }
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Cause {
        match refusal {
            Refusal::LimitOutOfRange(limit) => Cause::with(Reason::LimitOutOfRange, limit),
            Refusal::SectionRights | Refusal::SectionChanged => Reason::SectionRights.into(),
            Refusal::PageInvalid => Reason::PageInvalid.into(),
            Refusal::PageReadOnly => Reason::PageReadOnly.into(),
            Refusal::PageUnknown => Reason::PageUnknown.into(),
            Refusal::ImplausibleValue(value) => Cause::with(Reason::ImplausibleValue, value),
            Refusal::UnexpectedValue { current, expected } => Cause {
                reason: Reason::UnexpectedValue,
                detail: [current, expected],
            },
            // A file, or an address that is no multiple of 4: neither comes
            // from a module in memory.
            _ => Reason::NotPermitted.into(),
        }
    }
}

impl From<Exchange> for Cause {
    fn from(failure: Exchange) -> Cause {
        match failure {
            Exchange::NotPermitted => Reason::NotPermitted.into(),
            Exchange::Found(value) => Cause::with(Reason::ChangedMeanwhile, value),
        }
    }
}
