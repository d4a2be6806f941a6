//! The conditions for writing a located limit.

use core::fmt;
use core::ops::RangeInclusive;

use crate::image::Layout;
use crate::located::Located;
use crate::rva::Rva;
use crate::section::SectionFlags;

/// The smallest limit that may be set.
pub const MIN_LIMIT: u32 = 1;
/// The largest limit that may be set: 24 bits, the largest seen in the field.
pub const MAX_LIMIT: u32 = 0x00FF_FFFF;
const LIMITS: RangeInclusive<u32> = MIN_LIMIT..=MAX_LIMIT;
/// The limit that Windows starts with.
pub const PRISTINE_LIMIT: u32 = 10;

/// Facts about the page of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFacts {
    /// Present in memory.
    pub valid: bool,
    /// Writable, as the processor sees it; `None` if unknown.
    pub writable: Option<bool>,
}

/// The facts for a decision, besides the located limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// Flags of the limit's section, read anew from the image.
    pub section: SectionFlags,
    /// The limit's page.
    pub page: PageFacts,
    /// The current value.
    pub current: u32,
    /// The value that the caller expects: 10, or its own earlier write.
    pub expected: u32,
    /// The new limit.
    pub limit: u32,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The new limit is not from [`MIN_LIMIT`] to [`MAX_LIMIT`].
    LimitOutOfRange(u32),
    /// The limit was located in a file: there is nothing to write to.
    NotInMemory,
    /// The limit's address is no multiple of 4.
    Misaligned,
    /// The section is not, or no longer, writable data that stays in memory.
    SectionRights,
    /// The section's flags have changed since the limit was located.
    SectionChanged,
    /// The page is not in memory.
    PageInvalid,
    /// The page may not be written.
    PageReadOnly,
    /// The rights of the page are unknown.
    PageUnknown,
    /// The current value can't be a limit: the driver is not running yet, or the
    /// variable is not the limit.
    ImplausibleValue(u32),
    /// The current value is not the expected one.
    UnexpectedValue {
        /// The current value.
        current: u32,
        /// The expected value.
        expected: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LimitOutOfRange(limit) => {
                write!(f, "limit {limit} is not from {MIN_LIMIT} to {MAX_LIMIT}")
            }
            Refusal::NotInMemory => f.write_str("the limit was located in a file, not in memory"),
            Refusal::Misaligned => f.write_str("the limit's address is not a multiple of 4"),
            Refusal::SectionRights => {
                f.write_str("the section is not writable data that stays in memory")
            }
            Refusal::SectionChanged => {
                f.write_str("the section's flags changed since the limit was located")
            }
            Refusal::PageInvalid => f.write_str("the limit's page is not in memory"),
            Refusal::PageReadOnly => f.write_str("the limit's page is read-only"),
            Refusal::PageUnknown => f.write_str("the rights of the limit's page are unknown"),
            Refusal::ImplausibleValue(current) => {
                write!(f, "the limit has the impossible value {current}")
            }
            Refusal::UnexpectedValue { current, expected } => {
                write!(f, "the limit is {current}, not {expected} as expected")
            }
        }
    }
}

impl core::error::Error for Refusal {}

/// Permission to exchange one dword. Only [`permit`] makes it, it can't be copied,
/// and the writer takes it by value: one permit, one write.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct WritePermit {
    base: u64,
    threshold: Rva,
    current: u32,
    limit: u32,
}

impl WritePermit {
    /// The base of the module that the permit is for.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The limit's RVA.
    #[must_use]
    pub fn threshold(&self) -> Rva {
        self.threshold
    }

    /// The address of the limit in memory.
    #[must_use]
    pub fn address(&self) -> u64 {
        // The module's last byte has an address, so this does not wrap.
        self.base.wrapping_add(u64::from(self.threshold.0))
    }

    /// The value to replace: if another is found, nothing may be written.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.current
    }

    /// The new value.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// Whether a set has nothing to write, since the new limit is in force already.
/// Then neither section nor page matters, and no permit is needed.
///
/// `named` is the value that the caller named as the current one, if any.
///
/// # Errors
/// The limit is out of range, or in force and not the named value.
pub fn is_in_force(current: u32, named: Option<u32>, limit: u32) -> Result<bool, Refusal> {
    if !LIMITS.contains(&limit) {
        return Err(Refusal::LimitOutOfRange(limit));
    }
    match named {
        _ if current != limit => Ok(false),
        Some(expected) if expected != current => {
            Err(Refusal::UnexpectedValue { current, expected })
        }
        _ => Ok(true),
    }
}

/// Decides on a write, from its arguments alone.
///
/// # Errors
/// The first reason against it.
pub fn permit(located: &Located, request: &WriteRequest) -> Result<WritePermit, Refusal> {
    let section = request.section;
    if !LIMITS.contains(&request.limit) {
        return Err(Refusal::LimitOutOfRange(request.limit));
    }
    if located.layout() != Layout::Memory {
        return Err(Refusal::NotInMemory);
    }
    if located.threshold().0 & 3 != 0 {
        return Err(Refusal::Misaligned);
    }
    if !section.readable()
        || !section.writable()
        || section.executable()
        || section.discardable()
        || !section.not_paged()
    {
        return Err(Refusal::SectionRights);
    }
    if section != located.section_flags() {
        return Err(Refusal::SectionChanged);
    }
    if !request.page.valid {
        return Err(Refusal::PageInvalid);
    }
    match request.page.writable {
        Some(true) => {}
        Some(false) => return Err(Refusal::PageReadOnly),
        None => return Err(Refusal::PageUnknown),
    }
    if !LIMITS.contains(&request.current) {
        return Err(Refusal::ImplausibleValue(request.current));
    }
    if request.current != request.expected {
        return Err(Refusal::UnexpectedValue {
            current: request.current,
            expected: request.expected,
        });
    }
    Ok(WritePermit {
        base: located.base(),
        threshold: located.threshold(),
        current: request.current,
        limit: request.limit,
    })
}
