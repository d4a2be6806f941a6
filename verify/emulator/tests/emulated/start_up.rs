//! The limit after start-up code of a patched driver has run.

use emulator::start_up::{StoreResult, run};
use specimen::{Spec, Specimen};
use tcplimit::patch::apply;
use verify::patching::plan_patch;

/// Runs the start-up store of a patched specimen at each base. The specimen's builder
/// knows the RVAs of store and limit.
fn run_start_up(specimen: &Specimen, file: &[u8]) -> Vec<StoreResult> {
    let store = specimen.truth.start_up_store.expect("a start-up store");
    let run = |base| run(file, base, store, specimen.truth.threshold).expect("it runs");
    specimen.spec.arch.bases().map(run).to_vec()
}

#[test]
fn a_patched_driver_starts_with_the_requested_limit_and_changes_nothing_else() {
    for (name, spec) in Spec::presets() {
        for shipped in [10, 50] {
            let specimen = Spec {
                start_up: shipped,
                ..spec.clone().with_text_kib(4)
            }
            .build();
            for limit in [1, 100, 0x0001_0000, 0x00AB_CDEF, 0x00FF_FFFF] {
                let plan = plan_patch(&specimen, limit).expect("a sound driver");
                let file = specimen.spec.module.file_name();
                let patched = apply(file, &plan, &specimen.file).expect("its own plan");
                for stored in run_start_up(&specimen, &patched) {
                    assert_eq!((stored.before, stored.after), (0, limit), "{name}");
                    assert_eq!(stored.length, 10, "{name}: one store");
                    let limit = specimen.truth.threshold..specimen.truth.threshold + 4;
                    assert!(
                        stored.changed.iter().all(|rva| limit.contains(rva)),
                        "{name}"
                    );
                }
            }
            // Without the patch the limit is unchanged.
            for stored in run_start_up(&specimen, &specimen.file) {
                assert_eq!(stored.after, shipped, "{name}");
            }
        }
    }
}

#[test]
fn a_store_to_another_address_is_noticed() {
    for spec in [Spec::xp_sp3(), Spec::xp_x64()] {
        let specimen = spec.with_text_kib(4).build();
        let mut file = specimen.file.clone();
        // The operand's second byte, 100h further.
        file[specimen.value_offset() - 3] ^= 1;
        for stored in run_start_up(&specimen, &file) {
            assert_eq!(stored.after, 0);
            assert!(!stored.changed.is_empty());
        }
    }
}
