//! The builder's only random source: SplitMix64 (Steele, Lea and Flood, 2014),
//! so that a seed gives the same bytes on every machine and release.

/// A stream of numbers that is a pure function of its seed.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number in `0..bound`. A bound of 0 counts as 1.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let rest = self.next() % u64::from(bound.max(1));
        u32::try_from(rest).expect("a rest of a u32 is a u32")
    }

    /// A number in `0..bound`, for registers and displacements.
    pub(super) fn small(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(u32::from(bound))).expect("a rest of a u8 is a u8")
    }

    /// True `per_mille` times of a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// One of `choices`, which may not be empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let bound = u32::try_from(choices.len()).expect("choices are few");
        let index = usize::try_from(self.below(bound)).expect("u32 fits usize");
        choices[index]
    }

    /// Shuffles `items` (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u32::try_from(last + 1).expect("items are few");
            let other = usize::try_from(self.below(bound)).expect("u32 fits usize");
            items.swap(last, other);
        }
    }
}
