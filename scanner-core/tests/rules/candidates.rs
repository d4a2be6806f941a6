//! Pairs of variables that gates compare: which are evaluated, and which is the
//! limit.

use scanner_core::{Evidence, NotLocatedReason, Rva};
use specimen::Defect;

use crate::edit::{driver, driver_without, dword, free, gate, gate_of, moved, put, section};
use crate::search::{Verdict, in_file, in_memory, without};

#[test]
fn two_candidates_are_ambiguous() {
    for driver in without(Defect::SecondCandidate) {
        for verdict in [in_file(&driver), in_memory(&driver)] {
            let Verdict::Refused(NotLocatedReason::Ambiguous(first, second)) = verdict else {
                panic!("{verdict:?}");
            };
            assert!(first != second);
            assert!([first, second].contains(&Rva(driver.truth.threshold)));
        }
    }
}

#[test]
fn variables_may_lie_on_both_sides_of_a_boundary() {
    let driver = driver();
    let truth = &driver.truth;
    let data = section(&driver, b".data");
    let named: Vec<u32> = driver
        .pointers
        .iter()
        .filter_map(|&rva| driver.sections.iter().find_map(|s| s.file_offset(rva)))
        .map(|at| dword(&driver.file, at as usize).wrapping_sub(driver.image_base))
        .collect();
    let mut found = 0;
    let boundaries = (data.rva..data.rva + data.raw_size).filter(|rva| rva.is_multiple_of(0x100));
    for boundary in boundaries {
        // Queue length, limit or count is the first variable behind it.
        for threshold in [boundary - 4, boundary, boundary + 4] {
            let own = threshold - 4..threshold + 8;
            if own.start < data.rva || named.iter().any(|rva| own.contains(rva)) {
                continue;
            }
            let mut driver = driver.clone();
            let by = threshold.wrapping_sub(truth.threshold);
            moved(
                &mut driver,
                &[truth.queue, truth.threshold, truth.count],
                by,
            );
            assert_eq!(
                in_memory(&driver),
                Verdict::Located(threshold, truth.gates.clone()),
                "{threshold:X}"
            );
            found += 1;
        }
    }
    assert!(found > 8, "{found}");
}

#[test]
fn twelve_pairs_are_the_most() {
    let mut driver = driver();
    let data = section(&driver, b".data").rva;
    let pairs = (data..driver.truth.queue - 8).step_by(8).map(|rva| rva + 4);
    for ((place, threshold), all) in free(&driver).into_iter().zip(pairs).zip(2..=13) {
        let gate = gate(&driver, threshold);
        put(&mut driver, place, &gate);
        let too_many = in_memory(&driver) == Verdict::Refused(NotLocatedReason::TooManyCandidates);
        assert_eq!(too_many, all > 12, "{all}");
    }
}

#[test]
fn pairs_whose_variables_lie_apart_do_not_count() {
    let mut driver = driver();
    let truth = Verdict::Located(driver.truth.threshold, driver.truth.gates.clone());
    let data = section(&driver, b".data").rva;
    let pairs = (data..driver.truth.queue - 16)
        .step_by(8)
        .map(|rva| rva + 4);
    for (place, threshold) in free(&driver).into_iter().zip(pairs).take(20) {
        let gate = gate_of(&driver, threshold + 8, threshold);
        put(&mut driver, place, &gate);
    }
    assert_eq!(in_memory(&driver), truth);
}

#[test]
fn gates_form_a_pair_only_if_both_variables_agree() {
    let mut driver = driver_without(Defect::UnsignedJumps);
    let (data, places) = (section(&driver, b".data").rva, free(&driver));
    for (place, count) in places.into_iter().skip(8).zip([0x40, 0x80]) {
        let gate = gate_of(&driver, data + count, data + 4);
        put(&mut driver, place, &gate);
    }
    let missing = in_memory(&driver).missing();
    assert!(missing.contains(&Evidence::TwoGates), "{missing:?}");
}

#[test]
fn a_refusal_reports_the_pair_in_the_right_place() {
    // The driver's own pair lacks only the adjacent count; the other lacks nearly
    // everything else.
    let mut driver = driver();
    let (count, places) = (driver.truth.count, free(&driver));
    moved(&mut driver, &[count], 0x40);
    let threshold = section(&driver, b".data").rva + 4;
    let gate = gate(&driver, threshold);
    for place in places.into_iter().skip(8).take(2) {
        put(&mut driver, place, &gate);
    }
    let missing = in_memory(&driver).missing();
    assert!(!missing.contains(&Evidence::Adjacent), "{missing:?}");
    assert!(missing.contains(&Evidence::AtomicCounter), "{missing:?}");
}

#[test]
fn without_a_candidate_the_nearest_pair_is_reported() {
    // The driver's own pair has one gate, and all else but the adjacent count; the
    // other has two gates and little else.
    let mut driver = driver_without(Defect::OneGate);
    let (count, places) = (driver.truth.count, free(&driver));
    moved(&mut driver, &[count], 0x40);
    let variable = section(&driver, b".data").rva + 4;
    let gate = gate_of(&driver, variable + 0x80, variable);
    for place in places.into_iter().skip(8).take(2) {
        put(&mut driver, place, &gate);
    }
    let missing = in_memory(&driver).missing();
    assert!(!missing.contains(&Evidence::TwoGates), "{missing:?}");
    assert!(missing.contains(&Evidence::AtomicCounter), "{missing:?}");
}
