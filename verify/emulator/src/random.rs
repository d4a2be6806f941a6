//! The campaign's random numbers: SplitMix64 (Steele, Lea and Flood, 2014), which
//! gives the same stream for a seed on every machine.

/// A stream of numbers that is a pure function of its seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u32) -> u32 {
        let rest = self.word() % u64::from(bound.max(1));
        u32::try_from(rest).expect("a rest of a u32 is a u32")
    }

    /// True with this probability in percent.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A random element.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let bound = u32::try_from(choices.len()).expect("choices are few");
        choices[usize::try_from(self.below(bound)).expect("u32 fits usize")].clone()
    }

    /// Random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = (0..length.div_ceil(8)).flat_map(|_| self.word().to_le_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(length);
        bytes
    }

    /// A random value of a type that can be built from bytes.
    pub fn any<T: for<'a> arbitrary::Arbitrary<'a>>(&mut self) -> T {
        let bytes = self.bytes(4096);
        let made = T::arbitrary(&mut arbitrary::Unstructured::new(&bytes));
        made.expect("there are bytes enough")
    }
}
