//! Evidence: no live code updates the limit by a locked instruction.

use scanner_core::Evidence;
use specimen::Defect;

use crate::search::{assert_missing, without};

#[test]
fn a_counter_is_no_limit() {
    for driver in without(Defect::AtomicThreshold) {
        assert_missing(&driver, &[Evidence::NoAtomicOnThreshold]);
    }
}
