//! The cost of a search.

/// The steps of a search, as [`Workspace::steps`](crate::Workspace::steps)
/// counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepCount(u64);

impl StepCount {
    pub(crate) const NONE: StepCount = StepCount(0);

    /// Steps so far.
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.0 = self
            .0
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
pub(crate) mod testing {
    extern crate std;
    use super::StepCount;
    use core::ops::ControlFlow;
    use std::vec::Vec;

    /// Every place that a search visits.
    pub(crate) fn matches(
        search: impl FnOnce(&mut StepCount, &mut dyn FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()>,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        let ended = search(&mut StepCount::default(), &mut |at| {
            places.push(at);
            ControlFlow::Continue(())
        });
        assert!(ended.is_continue());
        places
    }
}
