//! Random fonts and histories.

use proptest::prelude::*;
use tcplimit_xp::Language;
use tcplimit_xp::window::{Counts, Font, History, Rates, Sample};

/// A font of fixed width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) width: i32,
    pub(crate) height: i32,
}

impl Font for Fixed {
    fn width(&self, text: &str) -> i32 {
        let characters = i32::try_from(text.chars().count()).expect("short");
        characters * self.width
    }

    fn height(&self) -> i32 {
        self.height
    }
}

/// Runs an operation in a language, then switches back to English: a thread may run several tests.
pub(crate) fn with_language<T>(language: Language, operation: impl FnOnce() -> T) -> T {
    language.choose();
    let done = operation();
    Language::English.choose();
    done
}

/// Roughly Tahoma 8 at 96 dpi and at 120 dpi.
pub(crate) const USUAL_FONTS: [Fixed; 2] = [
    Fixed {
        width: 6,
        height: 13,
    },
    Fixed {
        width: 8,
        height: 16,
    },
];

pub(crate) fn font() -> impl Strategy<Value = Fixed> {
    (2..24, 5..48).prop_map(|(width, height)| Fixed { width, height })
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..20_u32, 0..500_u32, any::<u32>()]
}

fn sample() -> impl Strategy<Value = (i64, Sample)> {
    let passed = prop_oneof![10 => Just(1_i64), 2 => 0..10_i64, 1 => -4000..4000_i64];
    let counts = proptest::option::weighted(0.9, (number(), number(), number()));
    let rates = proptest::option::weighted(0.9, (number(), number(), number()));
    let events = prop_oneof![9 => Just(0_u32), 1 => number()];
    (passed, counts, rates, events).prop_map(|(passed, counts, rates, events)| {
        let sample = Sample {
            time: 0,
            counts: counts.map(|(limit, half_open, queued)| Counts {
                limit: limit.max(1),
                half_open,
                queued,
            }),
            rates: rates.map(|(attempts, failures, established)| Rates {
                attempts,
                failures,
                established,
            }),
            events,
        };
        (passed, sample)
    })
}

/// Samples with clocks that jump.
pub(crate) fn samples() -> impl Strategy<Value = Vec<Sample>> {
    proptest::collection::vec(sample(), 0..700).prop_map(|samples| {
        let mut now = 1_200_000_000_i64;
        let timed = samples.into_iter().map(|(passed, sample)| {
            now += passed;
            Sample {
                time: u32::try_from(now).expect("a time"),
                ..sample
            }
        });
        timed.collect()
    })
}

pub(crate) fn history(samples: &[Sample]) -> History {
    let mut history = History::default();
    for sample in samples {
        history.push(*sample);
    }
    history
}
