//! The oracle's answer, and the reasons for no answer.

use std::collections::BTreeSet;

/// The positions of the limiter's parts. All addresses are RVAs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The half-open limit.
    pub threshold: u32,
    /// The number of half-open connections.
    pub count: u32,
    /// The number of queued connection attempts.
    pub queue: u32,
    /// The first bytes of the gates, in ascending order.
    pub gates: Vec<u32>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The PE image can't be used.
    Image(String),
    /// There is no gate.
    NoCandidate,
    /// The facts that the best candidate lacks.
    Missing(BTreeSet<Fact>),
    /// More than one candidate has all evidence.
    Ambiguous,
}

/// A fact that is required of a candidate.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fact {
    /// Two to four gates compare the same two variables.
    TwoGates,
    /// The count is right behind the limit, and the limit is aligned.
    Adjacent,
    /// Queue, limit and count are in one resident data section.
    SameDataSection,
    /// The count has three or more atomic updates.
    AtomicCounter,
    /// The dword before the limit is compared or tested near a gate.
    QueueTest,
    /// Only the gates read the limit or take its address, or load the count.
    GateReadsOnly,
    /// No live code writes the limit.
    NoLiveWriter,
    /// No live code updates the limit atomically.
    NoAtomicOnThreshold,
    /// Calls through the import address table prove the base.
    AnchoredBase,
    /// Live code contains the event's status code (tcpip).
    EventId,
    /// Live code does not contain the event's status code (tcpip6).
    NoEventId,
    /// Enough of the calls through a pointer around each gate land in the
    /// import table.
    LocalImports,
    /// Enough of the direct calls around each gate reach a function's first
    /// byte (x64).
    LocalFunctions,
    /// All relevant operands are relocated (files for x86).
    Relocated,
}
