//! Evidence: the count lies directly behind the limit, both aligned.

use scanner_core::Evidence;
use specimen::{Decoys, Flaw, Spec, Specimen};

use crate::edit::{driver, dword, is_evidence, moved, put, section};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn a_count_elsewhere_is_none() {
    for driver in without(Flaw::NotAdjacent) {
        assert_missing(&driver, &[Evidence::Adjacent]);
    }
}

/// The driver with the count so much further behind the limit, on x64.
fn with_count_at(built: &Specimen, by: u32) -> Specimen {
    let mut driver = built.clone();
    let text = *section(built, b".text");
    let count = built.truth.count;
    for at in text.offset as usize..(text.offset + text.raw_size) as usize - 4 {
        let next = u32::try_from(at).unwrap() - text.offset + text.rva + 4;
        let distance = dword(&built.file, at);
        // Only an update has an immediate behind its operand.
        let mut updates = built.truth.atomics.iter();
        let is_update = updates.any(|update| (update..&(update + 8)).contains(&&next));
        let immediates: &[u32] = if is_update { &[0, 1, 4] } else { &[0] };
        let named = next.wrapping_add(distance);
        let names = |immediate: &u32| named.wrapping_add(*immediate) == count;
        if is_evidence(built, &(at..at + 4)) && immediates.iter().any(names) {
            put(&mut driver, at, &distance.wrapping_add(by).to_le_bytes());
        }
    }
    driver
}

/// The variables are then looked for one by one.
#[test]
fn of_a_count_far_away_all_else_is_seen() {
    let built = driver();
    let far = |by| {
        let mut driver = built.clone();
        moved(&mut driver, &[built.truth.count], by);
        in_memory(&driver).missing()
    };
    // Other variables lie there, too.
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
