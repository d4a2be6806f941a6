//! All pieces together: which are required, and the report of those that hold.

use scanner_core::{
    Arch, Evidence, EvidenceSet, Image, Layout, Located, Module, NotLocatedReason, Rva, Tally,
    locate,
};
use specimen::{Decoys, Defect, Spec, Specimen};

use crate::search::{module, with_image, without};

/// A specimen of each kind, with its answer in the file and in memory.
fn answers(check: impl Fn(&Specimen, &Located)) {
    for (_, spec) in Spec::presets() {
        let specimen = Spec {
            decoys: Decoys::NONE,
            ..spec
        }
        .build();
        let claimed = module(&specimen.spec);
        let image = Image::from_file(&specimen.file).unwrap();
        check(&specimen, &locate(&image, claimed).unwrap());
        let loaded = specimen.load(specimen.image_base.into());
        with_image(&loaded, |image| {
            check(&specimen, &locate(image, claimed).unwrap());
        });
    }
}

#[test]
fn module_processor_and_layout_decide_the_required_evidence() {
    answers(|_, located| {
        let is_tcpip = located.module() == Module::Tcpip;
        let is_x64 = located.arch() == Arch::X64;
        let is_file = located.layout() == Layout::File;
        let left_out = |piece: &Evidence| match piece {
            Evidence::EventId => !is_tcpip,
            Evidence::NoEventId => is_tcpip,
            Evidence::LocalFunctions => !is_x64,
            Evidence::Relocated => is_x64 || !is_file,
            _ => false,
        };
        let held: Vec<_> = located.findings().held().iter().collect();
        let all = Evidence::ALL.into_iter();
        assert_eq!(held, all.filter(|it| !left_out(it)).collect::<Vec<_>>());
        assert_eq!(located.findings().missing(), EvidenceSet::EMPTY);
    });
}

#[test]
fn the_findings_are_where_they_were_built() {
    answers(|specimen, located| {
        let (truth, findings) = (&specimen.truth, located.findings());
        assert_eq!(findings.threshold(), Rva(truth.threshold));
        assert_eq!(findings.count(), Rva(truth.count));
        assert_eq!(findings.queue(), Some(Rva(truth.queue)));
        assert_eq!(
            (located.count(), located.queue()),
            (findings.count(), Rva(truth.queue))
        );
        assert_eq!(located.base(), u64::from(specimen.image_base));
        let gates: Vec<_> = findings.gates().map(|gate| gate.at().0).collect();
        assert_eq!(gates, truth.gates);
        let lengths: Vec<_> = findings.gates().map(|gate| gate.length()).collect();
        assert_eq!(lengths, truth.gate_lens);
        assert_eq!(findings.nearby_calls().count(), gates.len());
        // An operand lies within its instruction.
        let is_in = |operand: Option<Rva>, place: Option<&u32>| {
            let behind = operand.unwrap().0.checked_sub(*place.unwrap());
            behind.is_some_and(|behind| behind < 8)
        };
        assert_eq!(findings.atomic_updates() as usize, truth.atomics.len());
        assert!(is_in(findings.first_atomic(), truth.atomics.first()));
        assert!(is_in(findings.queue_test(), truth.queue_tests.first()));
        assert_eq!(findings.event().is_some(), truth.event.is_some());
        if truth.event.is_some() {
            assert!(is_in(findings.event(), truth.event.as_ref()));
        }
        assert_eq!(findings.offender(), None);
        assert!(findings.import_calls() >= 8);
        // Two operands of each gate, one of each update, and a test.
        let operands = 2 * gates.len() + truth.atomics.len() + 1;
        let operands = u16::try_from(operands).unwrap();
        let expected = match (located.arch(), located.layout()) {
            (Arch::X86, Layout::File) => Tally {
                hits: operands,
                total: operands,
            },
            _ => Tally::default(),
        };
        assert_eq!(findings.relocated(), expected);
    });
}

#[test]
fn a_refusal_reports_missing_evidence_and_the_offender() {
    for (defect, piece) in [
        (Defect::NoQueueTest, Evidence::QueueTest),
        (Defect::LiveWriter, Evidence::NoLiveWriter),
        (Defect::AtomicThreshold, Evidence::NoAtomicOnThreshold),
    ] {
        for built in without(defect) {
            let image = Image::from_file(&built.file).unwrap();
            let refusal = locate(&image, module(&built.spec)).unwrap_err();
            let best = refusal.best().unwrap();
            assert!(best.missing().iter().eq([piece]), "{best:?}");
            assert_eq!(refusal.reason(), NotLocatedReason::Missing(best.missing()));
            assert!(!best.held().contains(piece) && best.held().contains(Evidence::Adjacent));
            // An operand that names the limit.
            assert_eq!(best.offender().is_some(), defect != Defect::NoQueueTest);
            if let Some(offender) = best.offender() {
                let bytes = image.read(offender, 4).unwrap();
                let operand = u32::from_le_bytes(bytes.try_into().unwrap());
                let limit = built.truth.threshold;
                match image.arch() {
                    Arch::X86 => assert_eq!(operand, built.image_base + limit),
                    Arch::X64 => {
                        let end = operand.wrapping_add(offender.0 + 4);
                        assert!(limit.wrapping_sub(end) <= 4, "{end:X}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_set_displays_its_names_in_order() {
    assert_eq!(Evidence::TwoGates.to_string(), "TwoGates");
    let some = [Evidence::QueueTest, Evidence::TwoGates];
    let some: EvidenceSet = some.into_iter().collect();
    assert_eq!(some.to_string(), "TwoGates, QueueTest");
    assert_eq!(format!("{some:?}"), "{TwoGates, QueueTest}");
    assert_eq!(Tally { hits: 2, total: 3 }.to_string(), "2 of 3");
}
