//! Damaged images give the right answer or a refusal, never another address.

use proptest::collection::vec;
use proptest::prelude::*;
use specimen::{Spec, Specimen};
use verify::property;

/// Flips of one, two or sixteen bytes, anywhere.
fn flips() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let flip = || (any::<usize>(), 1_u8..);
    prop_oneof![
        flip().prop_map(|one| vec![one]),
        vec(flip(), 2),
        vec(flip(), 16),
        // In the headers, where one bit shifts everything.
        vec((0_usize..0x400, 1_u8..), 1..=2),
        vec((0_usize..0x400, (0_u8..8).prop_map(|bit| 1 << bit)), 1..=4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn flipped_bytes_never_move_the_answer(spec: Spec, all in vec(flips(), 16)) {
        let intact = [0, 2].map(|flips| property::damageable(&spec, flips).build());
        for flips in all {
            property::right_or_refused(&intact[usize::from(flips.len() > 1)], &flips);
        }
    }

    #[test]
    fn flipped_bytes_in_memory_never_move_the_answer(spec: Spec, all in vec(flips(), 4)) {
        let intact = [0, 2].map(|flips| property::damageable(&spec, flips).build());
        let [base, _] = spec.arch.bases();
        for flips in all {
            let specimen = &intact[usize::from(flips.len() > 1)];
            property::right_or_refused_in_memory(specimen, base, &flips);
        }
    }

    #[test]
    fn cut_anywhere_it_is_right_or_refused(spec: Spec, length: prop::sample::Index) {
        let specimen = spec.build();
        let file = &specimen.file[..length.index(specimen.file.len())];
        let verdict = property::file_verdict(file, property::module(spec.module));
        if let Some(threshold) = verdict.threshold() {
            prop_assert_eq!(threshold, specimen.truth.threshold);
        }
    }
}

/// Tries every other value of each of these bytes of the file; with
/// `skips_unread` only eleven values of a byte that is unread as far as these
/// show.
fn every_value(
    specimen: &Specimen,
    places: impl Iterator<Item = usize>,
    skips_unread: bool,
) -> (u64, u64) {
    let module = property::module(specimen.spec.module);
    let mut file = specimen.file.clone();
    let (mut tried, mut located) = (0, 0);
    for place in places {
        let pristine = file[place];
        let mut is_located = |value: u8| {
            file[place] = value;
            tried += 1;
            let threshold = property::file_verdict(&file, module).threshold();
            if let Some(threshold) = threshold {
                located += 1;
                let at = format!("byte {place:X}h = {value:02X}h");
                assert_eq!(threshold, specimen.truth.threshold, "{at}");
            }
            threshold.is_some()
        };
        let bits = (0..8).map(|bit| pristine ^ 1 << bit);
        let few: Vec<u8> = bits.chain([0, 0xFF, !pristine]).collect();
        // All values, not only those up to the first refused one.
        let is_unread = few.iter().filter(|value| is_located(**value)).count() == few.len();
        if !(is_unread && skips_unread) {
            let others = (0..=u8::MAX).filter(|value| *value != pristine && !few.contains(value));
            for value in others {
                is_located(value);
            }
        }
        file[place] = pristine;
    }
    (tried, located)
}

#[test]
fn no_single_byte_of_the_headers_moves_the_answer() {
    for (name, spec) in Spec::presets() {
        let specimen = spec.build();
        let (tried, located) = every_value(&specimen, specimen.truth.headers.clone(), true);
        println!("{name}: {tried} mutations, {located} located as built");
        assert!(tried > 50_000 && located > 0 && located < tried);
    }
}

#[test]
fn no_single_byte_of_the_evidence_moves_the_answer() {
    for (name, spec) in Spec::presets() {
        let specimen = spec.build();
        let evidence = specimen.truth.evidence.clone();
        let (tried, located) = every_value(&specimen, evidence.into_iter().flatten(), false);
        println!("{name}: {tried} mutations, {located} located as built");
        assert!(tried > 10_000 && located > 0 && located < tried);
    }
}
