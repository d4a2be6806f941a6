//! What the oracle says, and why it says nothing.

use std::collections::BTreeSet;

/// Where everything is. All addresses are RVAs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The half-open limit.
    pub threshold: u32,
    /// The connections that are half-open now.
    pub count: u32,
    /// The connection attempts that wait.
    pub queue: u32,
    /// The first bytes of the gates, in ascending order.
    pub gates: Vec<u32>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The PE image can't be used.
    Image(String),
    /// There is not one gate.
    NoCandidate,
    /// What the candidate that comes closest lacks.
    Missing(BTreeSet<Fact>),
    /// More than one candidate has everything.
    Ambiguous,
}

/// One thing that must hold before a candidate is believed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fact {
    /// Two to four gates compare the same two variables.
    TwoGates,
    /// The count stands right behind the limit, and the limit is aligned.
    Adjacent,
    /// Queue, limit and count are in one section of resident data.
    SameDataSection,
    /// Three or more places update the count atomically.
    AtomicCounter,
    /// The dword before the limit is compared or tested near a gate.
    QueueTest,
    /// Nothing but the gates reads the limit or takes its address, or loads the count.
    GateReadsOnly,
    /// Nothing in live code writes the limit.
    NoLiveWriter,
    /// Nothing in live code updates the limit atomically.
    NoAtomicOnThreshold,
    /// Calls through the import address table prove the base.
    AnchoredBase,
    /// Live code holds the event's status code (tcpip).
    EventId,
    /// Live code doesn't hold the event's status code (tcpip6).
    NoEventId,
    /// Of the calls through a pointer around each gate, enough land in the import table.
    LocalImports,
    /// Of the direct calls around each gate, enough reach a function's first byte (x64).
    LocalFunctions,
    /// All operands that count are relocated (files for x86).
    Relocated,
}
