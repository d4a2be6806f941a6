//! Cases in which the published heuristics fail and the locator does not.

use oracle::naive;
use specimen::{Arch, Decoys, Loaded, Spec};
use verify::property;

fn first_load_compare(loaded: &Loaded) -> Option<u32> {
    let with = |flag: u32| -> Vec<(u32, &[u8])> {
        let has = loaded
            .sections
            .iter()
            .filter(move |section| section.flags & flag != 0);
        has.map(|section| (section.rva, section.bytes.as_slice()))
            .collect()
    };
    let base = u32::try_from(loaded.base).unwrap();
    naive::first_load_compare(&with(0x2000_0000), &with(0x8000_0000), base)
}

#[test]
fn the_first_pair_that_holds_ten_is_wrong_among_rivals() {
    let spec = Spec {
        decoys: Decoys::ALL,
        ..Spec::xp_sp3()
    };
    let specimens: Vec<_> = (0..32)
        .map(|seed| {
            Spec {
                seed,
                ..spec.clone()
            }
            .build()
        })
        .collect();
    let mut wrong = 0;
    for specimen in &specimens {
        let loaded = specimen.load(0xF7A3_B000);
        let found = first_load_compare(&loaded);
        wrong += usize::from(found.is_some_and(|rva| rva != specimen.truth.threshold));
        assert_eq!(
            property::loaded_verdict(&loaded, property::module(spec.module)),
            property::truth(specimen)
        );
    }
    assert!(
        wrong > 0,
        "the naive heuristic was never fooled: are the rivals any good?"
    );
}

#[test]
fn a_store_of_ten_is_ambiguous_and_absent_from_patched_files() {
    for (_, spec) in Spec::presets() {
        let decoys = Decoys {
            stores_of_ten: true,
            ..Decoys::NONE
        };
        let many = Spec {
            decoys,
            ..spec.clone()
        }
        .build();
        assert!(naive::store_of_ten(&many.file).len() > 1);

        let patched = Spec {
            decoys: Decoys::NONE,
            start_up: 100,
            ..spec
        };
        let specimen = patched.build();
        assert!(naive::store_of_ten(&specimen.file).is_empty());
        property::found_as_built(&patched);
    }
}

#[test]
fn on_x64_the_published_pattern_does_not_exist() {
    let specimen = Spec::xp_x64().build();
    assert_eq!(specimen.spec.arch, Arch::X64);
    assert_eq!(
        naive::first_load_compare(&[(0, &specimen.file)], &[], 0),
        None
    );
}
