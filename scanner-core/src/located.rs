//! The result of a search for the limit: its place, or a refusal.

use core::fmt;

use crate::arch::Arch;
use crate::candidate::Findings;
use crate::evidence::EvidenceSet;
use crate::image::Layout;
use crate::module::Module;
use crate::rva::Rva;
use crate::section::SectionFlags;

/// A located limit: all required evidence holds for it and for nothing else in
/// the image. Only a [`Workspace`](crate::Workspace) makes one.
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
    /// The module, from the caller.
    #[must_use]
    pub fn module(&self) -> Module {
        self.module
    }

    /// x86 or x64.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether it was located in a file or in memory.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The base of the searched image.
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
    /// The counts of calls may differ: other software may have hooked some.
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
pub enum NotLocatedReason {
    /// No code compares two variables in the way that the limiter does.
    NoGate,
    /// The best candidate lacks this evidence.
    Missing(EvidenceSet),
    /// Two candidates have all evidence; the limits would be these.
    Ambiguous(Rva, Rva),
    /// Too many pairs of variables are compared to identify one.
    TooManyCandidates,
}

/// A refusal: nothing was located. It can't be turned into a write in any way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocated {
    pub(crate) reason: NotLocatedReason,
    pub(crate) best: Option<Findings>,
}

impl NotLocated {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> NotLocatedReason {
        self.reason
    }

    /// The findings about the best candidate, for a report.
    #[must_use]
    pub fn best(&self) -> Option<&Findings> {
        self.best.as_ref()
    }
}

impl fmt::Display for NotLocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            NotLocatedReason::NoGate => {
                f.write_str("no code compares two variables as the limiter does")
            }
            NotLocatedReason::Missing(missing) => write!(f, "evidence is missing: {missing}"),
            NotLocatedReason::Ambiguous(first, second) => {
                write!(f, "two places qualify: RVA {first} and RVA {second}")
            }
            NotLocatedReason::TooManyCandidates => {
                f.write_str("too many pairs of variables are compared to identify the limit")
            }
        }
    }
}

impl core::error::Error for NotLocated {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::evidence::Evidence;
    use std::string::ToString;

    const LOCATED: Located = Located {
        module: Module::Tcpip,
        arch: Arch::X86,
        layout: Layout::Memory,
        base: 0,
        section_flags: SectionFlags(0),
        queue: Rva(0),
        findings: Findings::NOTHING,
    };

    #[test]
    fn places_are_the_same_if_all_agrees_but_the_calls() {
        let same = |change: fn(&mut Located)| {
            let mut other = LOCATED;
            change(&mut other);
            LOCATED.is_same_place(&other)
        };
        assert!(same(|_| {}));
        assert!(same(|it| it.findings.import_calls = 1));
        let others: [fn(&mut Located); 7] = [
            |it| it.module = Module::Tcpip6,
            |it| it.arch = Arch::X64,
            |it| it.layout = Layout::File,
            |it| it.base = 0x1000,
            |it| it.section_flags = SectionFlags(1),
            |it| it.queue = Rva(1),
            |it| it.findings.count = Rva(1),
        ];
        assert_eq!(others.map(same), [false; 7]);
    }

    #[test]
    fn a_refusal_states_its_reason() {
        let missing = EvidenceSet::EMPTY.with(Evidence::QueueTest);
        for (reason, word) in [
            (NotLocatedReason::NoGate, "no code"),
            (NotLocatedReason::Missing(missing), "QueueTest"),
            (
                NotLocatedReason::Ambiguous(Rva(0x1A), Rva(0x2B)),
                "RVA 1A and RVA 2B",
            ),
            (NotLocatedReason::TooManyCandidates, "too many"),
        ] {
            let refusal = NotLocated { reason, best: None };
            assert!(refusal.to_string().contains(word), "{refusal}");
        }
    }
}
