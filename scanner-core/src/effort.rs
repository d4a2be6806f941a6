//! How much work a search is.

/// How much work a search did: one step for each byte passed over and one for
/// each place looked at closely. Tests bound it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort(u64);

impl Effort {
    /// Steps so far.
    #[must_use]
    pub fn steps(self) -> u64 {
        self.0
    }

    pub(crate) fn add(&mut self, steps: usize) {
        self.0 = self
            .0
            .saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
    }
}
