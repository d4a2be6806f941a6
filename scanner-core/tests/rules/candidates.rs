//! Pairs of variables that gates compare: which are looked at, and when one is the
//! limit.

use scanner_core::{Reason, Rva};
use specimen::Flaw;

use crate::edit::{driver, dword, free, gate, moved, put, section};
use crate::search::{Verdict, in_file, in_memory, without};

#[test]
fn of_two_candidates_none_is_the_limit() {
    for driver in without(Flaw::SecondCandidate) {
        for verdict in [in_file(&driver), in_memory(&driver)] {
            let Verdict::Refused(Reason::Ambiguous(first, second)) = verdict else {
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
        // The queue length, the limit or the count is the first behind it.
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
        let too_many = in_memory(&driver) == Verdict::Refused(Reason::TooManyCandidates);
        assert_eq!(too_many, all > 12, "{all}");
    }
}
