//! The outcome of a command: scanner-core's errors as the protocol's reasons.

use scanner_core::policy::Refusal;
use scanner_core::{ImageError, NotLocated, NotLocatedReason};
use tcplimit_protocol::{Reason, Status};

use crate::kernel::ExchangeError;

/// A reason with its two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) reason: Reason,
    pub(crate) detail: [u32; 2],
}

impl Outcome {
    /// Success.
    pub(crate) const DONE: Outcome = Outcome {
        reason: Reason::Done,
        detail: [0; 2],
    };

    pub(crate) fn with(reason: Reason, detail: u32) -> Outcome {
        Outcome {
            reason,
            detail: [detail, 0],
        }
    }

    /// The outcome where the caller named the expected value.
    pub(crate) fn with_named_value(self, named: bool) -> Outcome {
        match self.reason {
            Reason::UnexpectedValue if named => Outcome {
                reason: Reason::NotAsNamed,
                ..self
            },
            _ => self,
        }
    }

    /// Whether the limit of a located module was readable nevertheless.
    pub(crate) fn limit_is_readable(self) -> bool {
        !matches!(self.reason, Reason::Changed | Reason::PageInvalid)
    }

    pub(crate) fn status(reason: Reason, status: Status) -> Outcome {
        Outcome::with(reason, status.0)
    }
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Outcome {
        Outcome::with(reason, 0)
    }
}

impl From<ImageError> for Outcome {
    fn from(error: ImageError) -> Outcome {
        match error {
            ImageError::NotPe | ImageError::BadOptionalHeader | ImageError::Truncated => {
                Reason::NotAnImage.into()
            }
            ImageError::UnsupportedMachine(_) => Reason::WrongMachine.into(),
            ImageError::SectionsDontTile(section) => {
                Outcome::with(Reason::Inconsistent, u32::from(section))
            }
            ImageError::SectionNotMapped(section) => {
                Outcome::with(Reason::CodeUnreadable, u32::from(section))
            }
            // These, and any that later versions add: contradictory headers.
            _ => Reason::Inconsistent.into(),
        }
    }
}

impl From<&NotLocated> for Outcome {
    fn from(refusal: &NotLocated) -> Outcome {
        match refusal.reason() {
            NotLocatedReason::Missing(missing) => {
                Outcome::with(Reason::EvidenceMissing, u32::from(missing.bits()))
            }
            NotLocatedReason::Ambiguous(one, other) => Outcome {
                reason: Reason::Ambiguous,
                detail: [one.0, other.0],
            },
            NotLocatedReason::TooManyCandidates => Reason::TooManyCandidates.into(),
            _ => Reason::NoGate.into(),
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Outcome {
        match refusal {
            Refusal::LimitOutOfRange(limit) => Outcome::with(Reason::LimitOutOfRange, limit),
            Refusal::SectionRights | Refusal::SectionChanged => Reason::SectionRights.into(),
            Refusal::PageInvalid => Reason::PageInvalid.into(),
            Refusal::PageReadOnly => Reason::PageReadOnly.into(),
            Refusal::PageUnknown => Reason::PageUnknown.into(),
            Refusal::ImplausibleValue(value) => Outcome::with(Reason::ImplausibleValue, value),
            Refusal::UnexpectedValue { current, expected } => Outcome {
                reason: Reason::UnexpectedValue,
                detail: [current, expected],
            },
            // A file, or an unaligned address: neither comes from a module in
            // memory.
            _ => Reason::NotPermitted.into(),
        }
    }
}

impl From<ExchangeError> for Outcome {
    fn from(failure: ExchangeError) -> Outcome {
        match failure {
            ExchangeError::NotPermitted => Reason::NotPermitted.into(),
            ExchangeError::Found(value) => Outcome::with(Reason::ChangedMeanwhile, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_may_not_be_written_is_named() {
        for refusal in [Refusal::SectionRights, Refusal::SectionChanged] {
            assert_eq!(Outcome::from(refusal).reason, Reason::SectionRights);
        }
    }
}
