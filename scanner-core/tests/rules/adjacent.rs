//! Evidence: the count lies directly behind the limit, both aligned.

use scanner_core::Evidence;
use specimen::Flaw;

use crate::edit::{driver, moved};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn a_count_elsewhere_is_none() {
    for driver in without(Flaw::NotAdjacent) {
        assert_missing(&driver, &[Evidence::Adjacent]);
    }
}

#[test]
fn the_variables_are_aligned() {
    let built = driver();
    let truth = &built.truth;
    for by in 1..4 {
        let mut driver = built.clone();
        let named = [truth.queue, truth.threshold, truth.count];
        moved(&mut driver, &named, by);
        let missing = in_memory(&driver).missing();
        assert!(missing.contains(&Evidence::Adjacent), "{by}: {missing:?}");
    }
}
