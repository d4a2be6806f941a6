//! Evidence: no live code updates the limit by a locked instruction.

use scanner_core::Evidence;
use specimen::Flaw;

use crate::search::{assert_missing, without};

#[test]
fn a_counter_is_no_limit() {
    for driver in without(Flaw::AtomicThreshold) {
        assert_missing(&driver, &[Evidence::NoAtomicOnThreshold]);
    }
}
