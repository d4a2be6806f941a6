//! Evidence: queue length, limit and count lie in one section of live data.

use scanner_core::Evidence;
use specimen::Defect;

use crate::edit::{driver, moved, section};
use crate::search::{assert_missing, in_memory, without};

#[test]
fn data_that_is_only_read_holds_no_limit() {
    for driver in without(Defect::ReadOnlyData) {
        assert_missing(&driver, &[Evidence::SameDataSection]);
    }
}

#[test]
fn all_three_variables_lie_in_the_section() {
    let built = driver();
    let truth = &built.truth;
    let data = section(&built, b".data");
    let (first, end) = (data.rva, data.rva + data.virtual_size / 4 * 4);
    let missing_at = |threshold: u32| {
        let mut driver = built.clone();
        let by = threshold.wrapping_sub(truth.threshold);
        moved(
            &mut driver,
            &[truth.queue, truth.threshold, truth.count],
            by,
        );
        in_memory(&driver).missing()
    };
    for (threshold, inside) in [
        (first, false),
        (first + 4, true),
        (end - 8, true),
        (end - 4, false),
    ] {
        let missing = missing_at(threshold);
        assert!(!missing.contains(&Evidence::Adjacent), "{missing:?}");
        assert_eq!(
            !missing.contains(&Evidence::SameDataSection),
            inside,
            "{missing:?}"
        );
    }
}
