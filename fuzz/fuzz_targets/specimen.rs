//! A specimen built from a description, with the truth beside it: found where
//! it was built, refused for the fact that was left out, never located
//! elsewhere after damage or when code has moved, and read as the oracle reads
//! it.

#![no_main]

use verify::moved_code::{Builds, Move, right_or_refused};
use verify::property::{self, Case};

libfuzzer_sys::fuzz_target!(|input: (Case, Option<Move>)| {
    let (case, moved) = input;
    match moved {
        None => property::structured(&case),
        Some(moved) => {
            if let Some(builds) = Builds::of(&case.spec) {
                right_or_refused(&builds, &moved, false);
            }
        }
    }
});
