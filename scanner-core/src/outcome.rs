//! What a search for the limit ends with: its place, or why there is none.

use core::fmt;

use crate::arch::Arch;
use crate::candidate::Findings;
use crate::evidence::EvidenceSet;
use crate::image::Layout;
use crate::module::Module;
use crate::rva::Rva;
use crate::section::SectionFlags;

/// The limit, found: all required evidence holds for it and for nothing else
/// in the image. Only a [`Workspace`](crate::Workspace) makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub(crate) module: Module,
    pub(crate) arch: Arch,
    pub(crate) layout: Layout,
    pub(crate) base: u64,
    pub(crate) section_flags: SectionFlags,
    pub(crate) queue: Rva,
    pub(crate) findings: Findings,
}

impl Located {
    /// The driver, as the caller said.
    #[must_use]
    pub fn module(&self) -> Module {
        self.module
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether it was found in a file or in memory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The base that the image was searched at.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The limit: an aligned dword.
    #[must_use]
    pub fn threshold(&self) -> Rva {
        self.findings.threshold()
    }

    /// The count of half-open connections, directly behind it.
    #[must_use]
    pub fn count(&self) -> Rva {
        self.findings.count()
    }

    /// The length of the queue, directly before it.
    #[must_use]
    pub fn queue(&self) -> Rva {
        self.queue
    }

    /// Flags of the section that holds all three.
    #[must_use]
    pub fn section_flags(&self) -> SectionFlags {
        self.section_flags
    }

    /// The evidence in detail.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether both are the same place of the same image, found by the same code.
    /// Counts of calls may differ: other software may have hooked some.
    #[must_use]
    pub fn is_same_place(&self, other: &Located) -> bool {
        let Located {
            module,
            arch,
            layout,
            base,
            section_flags,
            queue,
            findings,
        } = self;
        *module == other.module
            && *arch == other.arch
            && *layout == other.layout
            && *base == other.base
            && *section_flags == other.section_flags
            && *queue == other.queue
            && findings.is_same_place(&other.findings)
    }
}

/// Why nothing was located.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No code compares two variables in the way that the limiter does.
    NoGate,
    /// The best candidate lacks this evidence.
    Missing(EvidenceSet),
    /// Two candidates have all evidence; the limits would be these.
    Ambiguous(Rva, Rva),
    /// So many pairs of variables are compared that nothing can be told.
    TooManyCandidates,
}

/// Nothing was located, and why. It can't be turned into a write in any way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocated {
    pub(crate) reason: Reason,
    pub(crate) best: Option<Findings>,
}

impl NotLocated {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What was found out about the best candidate, for a report.
    #[must_use]
    pub fn best(&self) -> Option<&Findings> {
        self.best.as_ref()
    }
}

impl fmt::Display for NotLocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::NoGate => f.write_str("no code compares two variables as the limiter does"),
            Reason::Missing(missing) => write!(f, "evidence is missing: {missing}"),
            Reason::Ambiguous(first, second) => {
                write!(f, "two places qualify: RVA {first} and RVA {second}")
            }
            Reason::TooManyCandidates => {
                f.write_str("too many pairs of variables are compared to tell one from another")
            }
        }
    }
}

impl core::error::Error for NotLocated {}
