//! The evidence for the limit, piece by piece.

use core::fmt;

use crate::arch::Arch;
use crate::image::Layout;
use crate::module::Module;

/// Defines [`Evidence`]: bit, name, the exact rule, the rule in plain words, and
/// its meaning.
macro_rules! evidence {
    ($( $bit:literal $name:ident $rule:literal $sentence:literal $proves:literal )*) => {
        /// One fact about the code and the variables that holds in genuine
        /// drivers. `docs/locator.md` states how each one by itself does on 3,972
        /// other Windows files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Evidence {
            $( #[doc = $rule] $name, )*
        }

        impl Evidence {
            /// All of it, in the order of a report.
            pub const ALL: [Evidence; [$( $bit ),*].len()] = [ $( Evidence::$name, )* ];

            /// Its name, the same in every report.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Evidence::$name => stringify!($name), )* }
            }

            /// The rule, in a line of Markdown for an engineer.
            #[must_use]
            pub fn rule(self) -> &'static str {
                match self { $( Evidence::$name => $rule, )* }
            }

            /// The rule in plain words, in one line.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $( Evidence::$name => $sentence, )* }
            }

            /// Why it supports the limit, in a sentence.
            #[must_use]
            pub fn proves(self) -> &'static str {
                match self { $( Evidence::$name => $proves, )* }
            }

            fn bit(self) -> u16 {
                match self { $( Evidence::$name => 1 << $bit, )* }
            }
        }
    };
}

// Bits never change: the driver's records contain them.
evidence! {
    0 TwoGates
        "two to four gates compare the same pair"
        "two to four places compare the count of half-open connections with the limit"
        "A new connection and a queued one each ask whether there is room: count >= limit?"

    1 Adjacent
        "count = limit + 4, both multiples of 4"
        "the count lies directly behind the limit, both 4-byte aligned"
        "The compiler laid the three variables out side by side."

    2 SameDataSection
        "all three lie in one section that is readable, writable, not executable, not pageable, not discardable"
        "queue length, limit and count lie in one writable section that stays in memory"
        "So the memory is writable, and is neither freed nor paged out."

    3 AtomicCounter
        "the count is updated by locked instructions in three places or more"
        "the count goes up and down by locked instructions, in three places or more"
        "Several processors update it at the same time, so it is a counter, not a setting."

    4 QueueTest
        "the dword before the limit is compared or tested near a gate"
        "the queue length, directly before the limit, is tested near a gate"
        "Connections beyond the limit wait in a queue; this code tests its length."

    5 GateReadsOnly
        "nothing but the gates reads the limit or takes its address; in `tcpip.sys` nothing but them loads the count"
        "nothing but the gates reads the limit, and in tcpip.sys nothing but them loads the count"
        "So the limit has no other purpose: changing it changes only the limit."

    6 NoLiveWriter
        "nothing that runs after start-up writes the limit"
        "no code that runs after start-up writes the limit"
        "So no code overwrites a new limit."

    7 NoAtomicOnThreshold
        "the limit is not updated by a locked instruction"
        "the limit is never updated by a locked instruction: it is no counter"
        "So limit and count are not confused."

    8 AnchoredBase
        "calls through the import table land in the import table"
        "calls through the import table land in it: addresses are not shifted by a damaged header"
        "With a wrong image base, all addresses would shift by the same amount and still look consistent."

    9 EventId
        "the code of event 4226, 80001082h, is in live code"
        "the code of event 4226, logged when the limit is reached, is present: this is tcpip.sys"
        "The driver logs event 4226 when it delays connections for the limit."

    10 NoEventId
        "that code is not in live code"
        "the code of event 4226 is absent, as always in tcpip6.sys"
        "Structure alone does not distinguish the two modules."

    11 LocalImports
        "around each gate, two in three calls through pointers land in the import table, eight at least"
        "around each gate, two in three calls through pointers land in the import table"
        "So the code stands at its linked address; elsewhere it would name other variables."

    12 LocalFunctions
        "around each gate, one in two direct calls reaches a function of the exception table, eight at least"
        "around each gate, half of the direct calls reach the first byte of a function"
        "So the code stands at its linked address; elsewhere it would name other variables."

    13 Relocated
        "every operand that the answer rests on is relocated, and the relocation table fits the code"
        "every operand that the answer rests on is in the relocation table, which fits the code"
        "So the code and the rest of the file are of one build."
}

impl Evidence {
    /// Whether a module's limit requires this piece. Two pieces distinguish the
    /// modules. Two are about tables that not every image has: only x64 has an
    /// exception table, and only a file for x86 has relocations of operands,
    /// which are gone in memory.
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
    /// The empty set.
    pub const EMPTY: EvidenceSet = EvidenceSet(0);

    /// The evidence required for a module in such an image.
    #[must_use]
    pub fn required(module: Module, arch: Arch, layout: Layout) -> EvidenceSet {
        Evidence::ALL
            .into_iter()
            .filter(|evidence| evidence.required_for(module, arch, layout))
            .fold(Self::EMPTY, Self::with)
    }

    /// The set with one more piece.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> EvidenceSet {
        EvidenceSet(self.0 | evidence.bit())
    }

    /// The set with one more piece, if `holds`.
    #[must_use]
    pub fn with_if(self, evidence: Evidence, holds: bool) -> EvidenceSet {
        if holds { self.with(evidence) } else { self }
    }

    /// The pieces that are not in `other`.
    #[must_use]
    pub fn without(self, other: EvidenceSet) -> EvidenceSet {
        EvidenceSet(self.0 & !other.0)
    }

    /// Whether the piece is in the set.
    #[must_use]
    pub fn contains(self, evidence: Evidence) -> bool {
        self.0 & evidence.bit() != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of pieces.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The pieces in the order of a report.
    pub fn iter(self) -> impl Iterator<Item = Evidence> {
        Evidence::ALL
            .into_iter()
            .filter(move |&evidence| self.contains(evidence))
    }

    /// One bit each, in the order of [`Evidence::ALL`], for a record. The order
    /// never changes.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits; `None` if one is unused.
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

    #[test]
    fn a_set_has_a_piece_once_and_loses_it_at_once() {
        use Evidence::{Adjacent, AnchoredBase, TwoGates};
        let set = EvidenceSet::EMPTY
            .with(TwoGates)
            .with(Adjacent)
            .with(TwoGates);
        assert_eq!(set.len(), 2);
        assert!(set.iter().eq([TwoGates, Adjacent]));
        assert!(!set.is_empty() && EvidenceSet::EMPTY.is_empty());
        let other = EvidenceSet::EMPTY.with(Adjacent).with(AnchoredBase);
        assert!(set.without(other).iter().eq([TwoGates]));
        assert!(
            set.with_if(AnchoredBase, false)
                .iter()
                .eq([TwoGates, Adjacent])
        );
        assert_eq!(EvidenceSet::from_bits(set.bits()), Some(set));
    }
}
