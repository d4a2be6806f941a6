//! A specimen built from a description, with its ground truth: located at the built address,
//! refused for the missing fact, never located elsewhere after damage or moved code, and agreeing
//! with the oracle.

#![no_main]

use verify::moved_code::{Builds, Move, right_or_refused};
use verify::property::{self, Case};

libfuzzer_sys::fuzz_target!(|input: (Case, Option<Move>)| {
    let (case, moved) = input;
    match moved {
        None => property::structured(&case),
        Some(moved) => {
            if let Some(builds) = Builds::from_spec(&case.spec) {
                right_or_refused(&builds, &moved, false);
            }
        }
    }
});
