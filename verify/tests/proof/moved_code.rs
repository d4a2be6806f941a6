//! Displaced code gives the right answer or a refusal, never another address.

use std::env;
use std::sync::LazyLock;

use specimen::{Arch, Decoys, Spec};
use verify::moved_code::{Builds, Move, MoveKind, Outcome};
use verify::property;

/// The environment variable for the number of cases of each kind (default
/// 4,000), set in the nightly run.
const CASES: &str = "TCPLIMIT_MOVED_CASES";

/// The oracle checks one in this many cases.
const ORACLE: u64 = 16;

/// Every preset, small, larger, and as large as the measured images, with gates
/// far apart or near each other.
static BUILDS: LazyLock<Vec<Builds>> = LazyLock::new(|| {
    let small = Spec::presets().into_iter().flat_map(|(_, spec)| {
        [6, 12, 24].map(|kib| Spec {
            seed: spec.seed + u64::from(kib),
            ..spec.clone().with_text_kib(kib)
        })
    });
    let full = Spec::full_size_presets().into_iter().map(|(_, spec)| spec);
    let full = full.zip([false, true].into_iter().cycle());
    let full = full.map(|(spec, gates_together)| Spec {
        gates_together,
        ..spec
    });
    let real = |spec| Spec {
        decoys: Decoys::REAL,
        ..spec
    };
    small
        .chain(full)
        .map(|spec| Builds::from_spec(&real(spec)).expect("a limit elsewhere in one of 64"))
        .collect()
});

/// Cases of one kind, the same in every run.
fn cases(kind: MoveKind) -> impl Iterator<Item = (u64, &'static Builds, Move)> {
    let cases = env::var(CASES).map_or(4000, |cases| cases.parse().expect("a number"));
    let mut numbers = property::numbers(u64::from(kind as u8));
    (0..cases).map(move |case| {
        let mut number = || numbers.next().expect("they never end");
        let builds = &BUILDS[usize::try_from(case).expect("few") % BUILDS.len()];
        let [block, at, to, amount] = [number(), number(), number(), number()];
        let moved = Move {
            kind,
            block: block.to_le_bytes()[0],
            at: u32::try_from(at >> 32).expect("32 bits"),
            to: u32::try_from(to >> 32).expect("32 bits"),
            amount,
        };
        (case, builds, moved)
    })
}

fn never_wrong(kind: MoveKind) {
    let mut counts = [[0; 2]; 2];
    for (case, builds, moved) in cases(kind) {
        // A different step than that of the builds, so that every combination
        // occurs.
        let with_oracle = case / BUILDS.len() as u64 % ORACLE == case % ORACLE;
        let Some(outcomes) = verify::moved_code::right_or_refused(builds, &moved, with_oracle)
        else {
            continue;
        };
        for (counts, outcome) in counts.iter_mut().zip(outcomes) {
            counts[usize::from(outcome == Outcome::Refused)] += 1;
        }
    }
    println!(
        "{kind:?}: right and refused, as a file {:?}, as loaded {:?}",
        counts[0], counts[1]
    );
    // Some displacements leave the limiter intact, some do not.
    assert!(
        counts.iter().flatten().all(|&count| count > 0),
        "{counts:?}"
    );
}

macro_rules! each {
    ($( $name:ident $kind:ident )*) => {
        mod each {
            use super::{MoveKind, never_wrong};
            $( #[test] fn $name() { never_wrong(MoveKind::$kind); } )*
        }
        #[test]
        fn every_kind_has_a_test() {
            assert_eq!([$( MoveKind::$kind ),*], MoveKind::ALL);
        }
    };
}

each! {
    inserted_bytes_never_move_the_answer Inserted
    deleted_bytes_never_move_the_answer Deleted
    a_doubled_block_never_moves_the_answer Doubled
    a_lost_block_never_moves_the_answer Lost
    swapped_blocks_never_move_the_answer Swapped
    a_block_elsewhere_never_moves_the_answer Rotated
    the_rest_of_another_build_never_moves_the_answer FirstPart
    clusters_of_another_build_never_move_the_answer Clusters
}

/// Two simple cases: a duplicated sector, and a cluster moved behind the code,
/// which keeps the checksum correct.
#[test]
fn a_duplicated_sector_or_shifted_cluster_is_refused_on_x64() {
    let (_, spec) = Spec::full_size_presets()[2].clone();
    assert_eq!(spec.arch, Arch::X64);
    let specimen = spec.build();
    let file = &specimen.file;
    let module = property::module(spec.module);
    assert_eq!(
        property::file_verdict(file, module),
        property::truth(&specimen)
    );

    // The last cluster at least one whole cluster before both gates.
    let text = &specimen.sections[0];
    let gates = specimen.truth.gates.iter();
    let first = gates.map(|gate| gate - text.rva + text.offset).min();
    let at = (first.expect("a gate") as usize - 0x2000) / 0x1000 * 0x1000;
    assert!(at > text.offset as usize, "code before it");
    let doubled = [&file[..at], &file[at - 0x200..]].concat();
    assert!(
        property::file_verdict(&doubled, module)
            .threshold()
            .is_none()
    );

    let end = (text.offset + text.raw_size) as usize / 0x1000 * 0x1000;
    let mut rotated = file.clone();
    rotated[at..end].rotate_left(0x1000);
    let headers = scanner_core::Headers::parse(&rotated).unwrap();
    assert!(scanner_core::Checksum::compute(&headers, &rotated).is_right());
    assert!(
        property::file_verdict(&rotated, module)
            .threshold()
            .is_none()
    );
}
