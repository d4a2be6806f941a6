//! When a located limit may be written.

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
/// What Windows starts with.
pub const PRISTINE_LIMIT: u32 = 10;

/// What the system says of the page that holds the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFacts {
    /// Present in memory.
    pub valid: bool,
    /// Writable, as the processor sees it; `None` where that can't be told.
    pub writable: Option<bool>,
}

/// All that a decision rests on, besides where the limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// Flags of the section that holds the limit, read anew from the image.
    pub section: SectionFlags,
    /// The page that holds the limit.
    pub page: PageFacts,
    /// What the limit holds now.
    pub current: u32,
    /// What the caller expects it to hold: 10, or what it wrote before.
    pub expected: u32,
    /// What it shall hold.
    pub limit: u32,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The limit asked for is not from [`MIN_LIMIT`] to [`MAX_LIMIT`].
    LimitOutOfRange(u32),
    /// The limit was located in a file: there is nothing to write to.
    NotInMemory,
    /// The limit's address is no multiple of 4.
    Misaligned,
    /// The section is not, or no longer, writable data that stays in memory.
    SectionRights,
    /// The section's flags are not those it was located with.
    SectionChanged,
    /// The page is not in memory.
    PageInvalid,
    /// The page may not be written.
    PageReadOnly,
    /// Whether the page may be written can't be told.
    PageUnknown,
    /// The limit holds something that no limit is: it is not running yet, or
    /// not what it was taken for.
    ImplausibleValue(u32),
    /// The limit does not hold what was expected.
    UnexpectedValue {
        /// What it holds.
        current: u32,
        /// What was expected.
        expected: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LimitOutOfRange(limit) => {
                write!(f, "{limit} is no limit: {MIN_LIMIT} to {MAX_LIMIT} are")
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
            Refusal::PageUnknown => {
                f.write_str("whether the limit's page may be written can't be told")
            }
            Refusal::ImplausibleValue(current) => {
                write!(f, "the limit holds {current}, which is no limit")
            }
            Refusal::UnexpectedValue { current, expected } => {
                write!(f, "the limit holds {current}, not {expected} as expected")
            }
        }
    }
}

impl core::error::Error for Refusal {}

/// Leave to exchange one dword. Only [`permit`] gives it, it can't be copied,
/// and what writes takes it by value: one permit, one write.
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

    /// Where the limit lies in it.
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

    /// The value to exchange: if another is found, nothing may be written.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.current
    }

    /// The value to put in its place.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// Whether a set has nothing to write, as the limit asked for is in force
/// already. Then neither section nor page matter, and there is no permit.
///
/// `named` is the value that the caller says is in force, where it names one.
///
/// # Errors
/// The limit is out of range, or in force and not the value that was named.
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

/// Decides on a write. It looks at nothing but its arguments.
///
/// # Errors
/// The first thing that speaks against it.
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
