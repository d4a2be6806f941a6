//! Evidence: two to four gates compare the same two variables.

use scanner_core::Evidence;
use specimen::Defect;

use crate::edit::{driver, free, gate, put};
use crate::search::{Verdict, assert_missing, in_memory, without};

#[test]
fn one_gate_is_not_enough() {
    for driver in without(Defect::OneGate) {
        assert_missing(&driver, &[Evidence::TwoGates]);
    }
}

#[test]
fn four_gates_are_the_most() {
    let mut driver = driver();
    let gate = gate(&driver, driver.truth.threshold);
    for (place, gates) in free(&driver).into_iter().skip(8).zip(3..=5) {
        put(&mut driver, place, &gate);
        match in_memory(&driver) {
            Verdict::Located(_, found) => assert_eq!(found.len(), gates),
            other => assert!(
                gates > 4 && other.missing().contains(&Evidence::TwoGates),
                "{other:?}"
            ),
        }
    }
}
