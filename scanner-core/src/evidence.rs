//! What must be true of the limit, piece by piece.

use core::fmt;

use crate::image::{Arch, Layout};
use crate::locate::Module;

/// One fact about the code and the variables that holds in genuine drivers.
/// How good each is by itself was measured on 3,972 other Windows files;
/// `docs/locator.md` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// Two to four gates compare the same two variables.
    TwoGates,
    /// The count lies directly behind the limit, both aligned.
    Adjacent,
    /// Queue length, limit and count lie in one section of live data.
    SameDataSection,
    /// The count is updated by locked instructions in three places or more.
    AtomicCounter,
    /// The dword before the limit is compared or tested near a gate.
    QueueTest,
    /// Only the gates read the limit, and in tcpip.sys only they load the count.
    GateReadsOnly,
    /// No live code writes the limit.
    NoLiveWriter,
    /// No live code updates the limit by a locked instruction.
    NoAtomicOnThreshold,
    /// Calls through the import table land in the import table.
    AnchoredBase,
    /// The code of event 4226, 80001082h, is in live code.
    EventId,
    /// The code of event 4226 is not in live code.
    NoEventId,
    /// Calls around each gate land on entries of the import address table.
    LocalImports,
    /// Calls around each gate reach functions that the exception table names
    /// (x64).
    LocalFunctions,
    /// Every operand that the answer rests on is relocated (files for x86).
    Relocated,
}

impl Evidence {
    /// All of it, in the order of a report.
    pub const ALL: [Evidence; 14] = [
        Evidence::TwoGates,
        Evidence::Adjacent,
        Evidence::SameDataSection,
        Evidence::AtomicCounter,
        Evidence::QueueTest,
        Evidence::GateReadsOnly,
        Evidence::NoLiveWriter,
        Evidence::NoAtomicOnThreshold,
        Evidence::AnchoredBase,
        Evidence::EventId,
        Evidence::NoEventId,
        Evidence::LocalImports,
        Evidence::LocalFunctions,
        Evidence::Relocated,
    ];

    /// Its name, the same in every report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Evidence::TwoGates => "TwoGates",
            Evidence::Adjacent => "Adjacent",
            Evidence::SameDataSection => "SameDataSection",
            Evidence::AtomicCounter => "AtomicCounter",
            Evidence::QueueTest => "QueueTest",
            Evidence::GateReadsOnly => "GateReadsOnly",
            Evidence::NoLiveWriter => "NoLiveWriter",
            Evidence::NoAtomicOnThreshold => "NoAtomicOnThreshold",
            Evidence::AnchoredBase => "AnchoredBase",
            Evidence::EventId => "EventId",
            Evidence::NoEventId => "NoEventId",
            Evidence::LocalImports => "LocalImports",
            Evidence::LocalFunctions => "LocalFunctions",
            Evidence::Relocated => "Relocated",
        }
    }

    /// What it says, in one line for people.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Evidence::TwoGates => {
                "two to four places compare the count of half-open connections with the limit"
            }
            Evidence::Adjacent => "the count lies directly behind the limit, both 4-byte aligned",
            Evidence::SameDataSection => {
                "queue length, limit and count lie in one writable section that stays in memory"
            }
            Evidence::AtomicCounter => {
                "the count goes up and down by locked instructions, in three places or more"
            }
            Evidence::QueueTest => {
                "the queue length, directly before the limit, is tested near a gate"
            }
            Evidence::GateReadsOnly => {
                "nothing but the gates reads the limit, and in tcpip.sys nothing but them loads the count"
            }
            Evidence::NoLiveWriter => {
                "no code that runs after start-up writes the limit: it is a constant by then"
            }
            Evidence::NoAtomicOnThreshold => {
                "the limit is never updated by a locked instruction: it is no counter"
            }
            Evidence::AnchoredBase => {
                "calls through the import table land in it: addresses are not shifted by a damaged header"
            }
            Evidence::EventId => {
                "the code of event 4226, logged when the limit is reached, is there: this is tcpip.sys"
            }
            Evidence::NoEventId => "the code of event 4226 is absent, as always in tcpip6.sys",
            Evidence::LocalImports => {
                "around each gate, two in three calls through pointers land in the import table"
            }
            Evidence::LocalFunctions => {
                "around each gate, half of the direct calls reach the first byte of a function"
            }
            Evidence::Relocated => {
                "every operand that the answer rests on is in the relocation table, which fits the code"
            }
        }
    }

    /// Whether a module's limit is only found when this holds. Two pieces tell
    /// the modules apart. Two are about tables that not every image has: only
    /// x64 has an exception table, and only a file for x86 has relocations of
    /// operands, which are gone in memory.
    #[must_use]
    pub fn required_for(self, module: Module, arch: Arch, layout: Layout) -> bool {
        match self {
            Evidence::EventId => module == Module::Tcpip,
            Evidence::NoEventId => module == Module::Tcpip6,
            Evidence::LocalFunctions => arch == Arch::X64,
            Evidence::Relocated => arch == Arch::X86 && layout == Layout::File,
            _ => true,
        }
    }

    fn bit(self) -> u16 {
        match self {
            Evidence::TwoGates => 1,
            Evidence::Adjacent => 1 << 1,
            Evidence::SameDataSection => 1 << 2,
            Evidence::AtomicCounter => 1 << 3,
            Evidence::QueueTest => 1 << 4,
            Evidence::GateReadsOnly => 1 << 5,
            Evidence::NoLiveWriter => 1 << 6,
            Evidence::NoAtomicOnThreshold => 1 << 7,
            Evidence::AnchoredBase => 1 << 8,
            Evidence::EventId => 1 << 9,
            Evidence::NoEventId => 1 << 10,
            Evidence::LocalImports => 1 << 11,
            Evidence::LocalFunctions => 1 << 12,
            Evidence::Relocated => 1 << 13,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of evidence.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct EvidenceSet(u16);

impl EvidenceSet {
    /// Nothing.
    pub const EMPTY: EvidenceSet = EvidenceSet(0);

    /// All that is required for a module, in such an image.
    #[must_use]
    pub fn required(module: Module, arch: Arch, layout: Layout) -> EvidenceSet {
        Evidence::ALL
            .into_iter()
            .filter(|evidence| evidence.required_for(module, arch, layout))
            .fold(Self::EMPTY, Self::with)
    }

    /// This and one more.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> EvidenceSet {
        EvidenceSet(self.0 | evidence.bit())
    }

    /// This and one more, where `holds`.
    #[must_use]
    pub fn with_if(self, evidence: Evidence, holds: bool) -> EvidenceSet {
        if holds { self.with(evidence) } else { self }
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub fn without(self, other: EvidenceSet) -> EvidenceSet {
        EvidenceSet(self.0 & !other.0)
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn holds(self, evidence: Evidence) -> bool {
        self.0 & evidence.bit() != 0
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// One after the other, in the order of a report.
    pub fn iter(self) -> impl Iterator<Item = Evidence> {
        Evidence::ALL
            .into_iter()
            .filter(move |&evidence| self.holds(evidence))
    }

    /// One bit each, in the order of [`Evidence::ALL`], for a record. The order
    /// is fixed for good.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits; `None` where one stands for nothing.
    #[must_use]
    pub fn from_bits(bits: u16) -> Option<EvidenceSet> {
        let all = Evidence::ALL.into_iter().fold(Self::EMPTY, Self::with);
        (bits & !all.0 == 0).then_some(EvidenceSet(bits))
    }
}

impl FromIterator<Evidence> for EvidenceSet {
    fn from_iter<I: IntoIterator<Item = Evidence>>(all: I) -> Self {
        all.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for EvidenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, evidence) in self.iter().enumerate() {
            if index != 0 {
                f.write_str(", ")?;
            }
            f.write_str(evidence.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for EvidenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_for_evidence_in_the_order_of_a_report() {
        for (place, evidence) in Evidence::ALL.into_iter().enumerate() {
            let set = EvidenceSet::from_bits(1 << place);
            assert_eq!(set, Some(EvidenceSet::EMPTY.with(evidence)));
        }
        assert_eq!(EvidenceSet::from_bits(1 << Evidence::ALL.len()), None);
    }
}
