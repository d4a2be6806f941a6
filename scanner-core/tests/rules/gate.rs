//! A gate: live code that compares two variables, and a signed jump.

use scanner_core::NotLocatedReason;
use specimen::{Decoys, Defect, Spec, Specimen};

use crate::edit::{ending_earlier, gate, put, with_room};
use crate::search::{Verdict, in_file, in_memory, without};

#[test]
fn an_unsigned_jump_and_pageable_code_make_no_gate() {
    for defect in [Defect::UnsignedJumps, Defect::GatesPageable] {
        for driver in without(defect) {
            for verdict in [in_file(&driver), in_memory(&driver)] {
                assert_eq!(
                    verdict,
                    Verdict::Refused(NotLocatedReason::NoGate),
                    "{defect:?}"
                );
            }
        }
    }
}

#[test]
fn a_gate_counts_wherever_code_ends() {
    let built = with_room(&Spec {
        decoys: Decoys::NONE,
        ..Spec::xp_sp3()
    });
    let gate = gate(&built, built.truth.threshold);
    let gates = |driver: &Specimen| match in_memory(driver) {
        Verdict::Located(_, gates) => gates.len(),
        other => panic!("{other:?}"),
    };
    for less in 0..64 {
        let (mut built, end) = ending_earlier(&built, less);
        let before = gates(&built);
        put(&mut built, end - gate.len(), &gate);
        assert_eq!(gates(&built), before + 1, "{less}");
    }
}
