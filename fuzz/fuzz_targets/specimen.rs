//! A specimen built from a description, with the truth beside it: found where
//! it was built, refused for the fact that was left out, never located
//! elsewhere after damage, and read as the oracle reads it.

#![no_main]

use verify::property::{self, Case};

libfuzzer_sys::fuzz_target!(|case: Case| property::structured(&case));
