//! Defects: ways in which a specimen lacks one required fact.

/// One required fact that a specimen lacks. Everything else stays correct, so a
/// locator that accepts the specimen does not check that fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Defect {
    /// Plain code instead of the second gate.
    OneGate,
    /// The count is at T+8.
    NotAdjacent,
    /// The section of T can't be written.
    ReadOnlyData,
    /// The count has two atomic updates.
    FewAtomics,
    /// No gate has a queue test beside it.
    NoQueueTest,
    /// Live code outside the gates reads T.
    OtherReadOfThreshold,
    /// Live code outside the gates loads the count.
    OtherLoadOfCount,
    /// Live code writes T.
    LiveWriter,
    /// Live code updates T atomically.
    AtomicThreshold,
    /// The import address table's data directory is zero.
    NoAnchor,
    /// tcpip.sys without the event constant, or tcpip6.sys with it.
    NoEventId,
    /// A second limiter with all that the first one has.
    SecondCandidate,
    /// x86: one bit of the header's ImageBase is flipped, so that every
    /// operand is consistently wrong. x64 has no such operand; there it is
    /// [`Defect::NoAnchor`].
    SwappedBase,
    /// Both gates are in pageable code.
    GatesPageable,
    /// The gates' jumps are unsigned.
    UnsignedJumps,
}

impl Defect {
    /// Every defect, for tests that want them all.
    pub const ALL: [Self; 15] = [
        Self::OneGate,
        Self::NotAdjacent,
        Self::ReadOnlyData,
        Self::FewAtomics,
        Self::NoQueueTest,
        Self::OtherReadOfThreshold,
        Self::OtherLoadOfCount,
        Self::LiveWriter,
        Self::AtomicThreshold,
        Self::NoAnchor,
        Self::NoEventId,
        Self::SecondCandidate,
        Self::SwappedBase,
        Self::GatesPageable,
        Self::UnsignedJumps,
    ];
}
