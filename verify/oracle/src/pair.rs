//! Two variables that may be the limit and the count of connections.

/// The largest distance of the queue test from a gate or its jump's target, in
/// bytes.
pub(crate) const QUEUE_TEST_DISTANCE: u64 = 0x200;

/// Two variables that at least one gate compares, by virtual address.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Pair {
    pub(crate) threshold: u64,
    pub(crate) count: u64,
}

impl Pair {
    pub(crate) fn queue(self) -> u64 {
        self.threshold.wrapping_sub(4)
    }
}
