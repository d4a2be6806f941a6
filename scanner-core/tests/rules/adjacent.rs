//! Evidence: the count lies directly behind the limit, both aligned.

use scanner_core::Evidence;
use specimen::{Decoys, Defect, Spec};

use crate::edit::{driver, moved, with_count_at};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn a_count_that_is_not_adjacent_is_refused() {
    for driver in without(Defect::NotAdjacent) {
        assert_missing(&driver, &[Evidence::Adjacent]);
    }
}

/// The search then takes the variables one by one.
#[test]
fn all_other_evidence_holds_for_a_distant_count() {
    let built = driver();
    let far = |by| {
        let mut driver = built.clone();
        moved(&mut driver, &[built.truth.count], by);
        in_memory(&driver).missing()
    };
    // Other variables lie there too.
    let mut places = (0x40..0x800).step_by(0x20);
    assert!(places.any(|by| far(by) == [Evidence::Adjacent]));

    let built = Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_x64()
    };
    let built = built.build();
    let far = |by| in_memory(&with_count_at(&built, by)).missing();
    let mut places = (0x40..0x800).step_by(0x20);
    assert!(places.any(|by| far(by) == [Evidence::Adjacent]));
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
