//! Properties of the locator, each one function that panics if the property is
//! violated. Tests call them with proptest's cases, fuzz targets with
//! libFuzzer's, and regressions with files: one property, three uses.

use scanner_core::{Evidence, Module, NotLocatedReason};

use crate::agreement::{oracle_agrees, oracle_agrees_on_injected_code};
use crate::injected_code::InjectedCode;
use crate::memory;
pub use crate::verdict::{
    Verdict, as_loaded, file_verdict, loaded_verdict, memory_verdict, module,
};
use specimen::{Decoys, Defect, Spec, Specimen};

/// An endless sequence of numbers from a seed: SplitMix64 (Steele, Lea and
/// Flood, 2014).
pub fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// The expected verdict on a specimen.
pub fn truth(specimen: &Specimen) -> Verdict {
    let truth = &specimen.truth;
    Verdict::Located(oracle::Answer {
        threshold: truth.threshold,
        count: truth.count,
        queue: truth.queue,
        gates: truth.gates.clone(),
    })
}

/// Whether it is a file for x86 without relocations, which lacks the evidence
/// that its operands are in place.
fn is_stripped(spec: &Spec) -> bool {
    spec.arch == specimen::Arch::X86 && !spec.extras.relocations
}

/// **A built limit is found exactly there**: in the file, and in memory at any
/// base, but never as the other module. A file for x86 without relocations is
/// refused for that.
pub fn found_as_built(spec: &Spec) {
    let specimen = spec.build();
    let claimed = module(spec.module);
    let truth = truth(&specimen);
    let in_file = file_verdict(&specimen.file, claimed);
    match is_stripped(spec) {
        true => assert_eq!(
            in_file.missing(),
            [Evidence::LocalImports, Evidence::Relocated]
        ),
        false => assert_eq!(in_file, truth, "in the file"),
    }
    for base in spec.arch.bases() {
        let loaded = specimen.load(base);
        assert_eq!(loaded_verdict(&loaded, claimed), truth, "at {base:X}");
    }
    for other in Module::ALL.into_iter().filter(|&other| other != claimed) {
        let refused = file_verdict(&specimen.file, other);
        assert!(refused.threshold().is_none(), "as {other}: {refused:?}");
    }
}

/// **A specimen that lacks one required fact is refused, and the refusal names
/// the fact.**
pub fn refused_without(spec: &Spec, defect: Defect) {
    let spec = Spec {
        defect: Some(defect),
        ..spec.clone()
    }
    .normalized();
    let specimen = spec.build();
    let expected = expected_refusal(&spec);
    // In a file more may be missing: without relocations, and with another
    // base, where addresses are outside the image.
    let beside = |piece: &Evidence, how: &str| {
        let by_relocations = match piece {
            Evidence::Relocated => is_stripped(&spec) || defect == Defect::SwappedBase,
            Evidence::LocalImports => is_stripped(&spec) && !breaks_imports(defect),
            _ => false,
        };
        how == "in the file" && by_relocations
    };
    let check = |verdict: Verdict, how: &str| {
        let mut missing = verdict.missing();
        missing.retain(|piece| !beside(piece, how));
        let fits = match (&verdict, &expected) {
            (Verdict::Refused(NotLocatedReason::Ambiguous(..)), Expected::Ambiguous) => true,
            (Verdict::Refused(NotLocatedReason::Missing(_)), Expected::Ambiguous) => {
                is_stripped(&spec) && missing.is_empty()
            }
            (Verdict::Refused(NotLocatedReason::Missing(_)), Expected::Missing(evidence)) => {
                // The locator remembers few pairs that can't be the limiter's,
                // and rivals may come first.
                let first_come = matches!(defect, Defect::NotAdjacent | Defect::ReadOnlyData)
                    && spec.decoys != Decoys::NONE;
                let among = || evidence.iter().all(|one| missing.contains(one));
                missing == *evidence || first_come && among()
            }
            // A decoy may be the best remaining candidate.
            (Verdict::Refused(reason), Expected::NoGate) => {
                *reason == NotLocatedReason::NoGate || spec.decoys != Decoys::NONE
            }
            // Shifted operands may be outside the image.
            (Verdict::Refused(NotLocatedReason::NoGate), _) => defect == Defect::SwappedBase,
            _ => false,
        };
        assert!(fits, "{defect:?} {how}: {verdict:?}, expected {expected:?}");
    };
    check(
        file_verdict(&specimen.file, module(spec.module)),
        "in the file",
    );
    // In memory the base comes from the system: a wrong one in the header
    // affects only the loader, which shifts every operand alike.
    for base in spec.arch.bases() {
        let loaded = specimen.load(base);
        check(loaded_verdict(&loaded, module(spec.module)), "in memory");
    }
}

/// Whether calls miss the import table with this defect.
fn breaks_imports(defect: Defect) -> bool {
    matches!(defect, Defect::NoAnchor | Defect::SwappedBase)
}

#[derive(Debug)]
enum Expected {
    Missing(Vec<Evidence>),
    Ambiguous,
    NoGate,
}

/// The expected refusal for a defect, unless a decoy is a better candidate.
fn expected_refusal(spec: &Spec) -> Expected {
    let evidence = match spec.defect.expect("a spec with a defect") {
        Defect::OneGate => Evidence::TwoGates,
        Defect::NotAdjacent => Evidence::Adjacent,
        Defect::ReadOnlyData => Evidence::SameDataSection,
        Defect::FewAtomics => Evidence::AtomicCounter,
        Defect::NoQueueTest => Evidence::QueueTest,
        Defect::OtherReadOfThreshold | Defect::OtherLoadOfCount => Evidence::GateReadsOnly,
        Defect::LiveWriter => Evidence::NoLiveWriter,
        Defect::AtomicThreshold => Evidence::NoAtomicOnThreshold,
        Defect::NoAnchor | Defect::SwappedBase => {
            return Expected::Missing(vec![Evidence::AnchoredBase, Evidence::LocalImports]);
        }
        Defect::NoEventId => match spec.module {
            specimen::Module::Tcpip => Evidence::EventId,
            specimen::Module::Tcpip6 => Evidence::NoEventId,
        },
        Defect::SecondCandidate => return Expected::Ambiguous,
        Defect::GatesPageable | Defect::UnsignedJumps => return Expected::NoGate,
    };
    Expected::Missing(vec![evidence])
}

/// A spec whose specimens may be damaged at this many offsets. A decoy limiter
/// that lacks one fact becomes complete if damage adds that fact, and the only
/// one if more damage removes a fact from the true limiter: so with several
/// flips only the decoys of real drivers are built.
pub fn damageable(spec: &Spec, flips: usize) -> Spec {
    match flips {
        0 | 1 => spec.clone(),
        _ => Spec {
            decoys: Decoys::REAL,
            ..spec.clone()
        },
    }
}

/// **Damage never moves the answer**: in a specimen with flipped bits (offset
/// and mask) in the file, the limit is found where it was built, or refused.
pub fn right_or_refused(specimen: &Specimen, flips: &[(usize, u8)]) {
    if flips.iter().any(|&flip| cuts_code(specimen, flip)) {
        return;
    }
    let mut file = specimen.file.clone();
    let base = u64::from(specimen.spec.image_base.address());
    for &(place, bits) in flips {
        let place = place % file.len();
        let before = file.clone();
        file[place] ^= bits;
        for section in &specimen.sections {
            let raw = section.offset as usize..(section.offset + section.raw_size) as usize;
            if raw.contains(&place) {
                let [before, after] = [&before, &file].map(|file| &file[raw.clone()]);
                let at = place - raw.start;
                if is_redirected(specimen, base, section.rva, [before, after], at) {
                    return;
                }
            }
        }
    }
    let claimed = module(specimen.spec.module);
    let verdict = file_verdict(&file, claimed);
    assert_right_or_refused(specimen, &verdict, flips, "in the file");
}

/// The same for the loaded image: offsets count through the headers, then the
/// sections.
pub fn right_or_refused_in_memory(specimen: &Specimen, base: u64, flips: &[(usize, u8)]) {
    if flips.iter().any(|&flip| cuts_code(specimen, flip)) {
        return;
    }
    let mut loaded = specimen.load(base);
    let headers = loaded.headers.len();
    let total = headers
        + loaded
            .sections
            .iter()
            .map(|section| section.bytes.len())
            .sum::<usize>();
    for &(place, bits) in flips {
        let mut place = place % total;
        if place < headers {
            loaded.headers[place] ^= bits;
            continue;
        }
        place -= headers;
        for section in &mut loaded.sections {
            if place < section.bytes.len() {
                let before = section.bytes.clone();
                section.bytes[place] ^= bits;
                let bytes = [&before[..], &section.bytes[..]];
                if is_redirected(specimen, base, section.rva, bytes, place) {
                    return;
                }
                break;
            }
            place -= section.bytes.len();
        }
    }
    let verdict = loaded_verdict(&loaded, module(specimen.spec.module));
    assert_right_or_refused(specimen, &verdict, flips, "in memory");
}

/// Whether a flip cuts less than the file alignment off the end of a code
/// section: the one flip that can remove a gate of the true limiter and the
/// excess reference of a decoy at once. (Larger cuts are detected.)
fn cuts_code(specimen: &Specimen, (place, bits): (usize, u8)) -> bool {
    let file = &specimen.file;
    let nt = u32::from_le_bytes([file[0x3C], file[0x3D], file[0x3E], file[0x3F]]) as usize;
    let table = nt + 24 + usize::from(u16::from_le_bytes([file[nt + 20], file[nt + 21]]));
    let alignment = specimen.spec.alignment.file();
    specimen
        .sections
        .iter()
        .enumerate()
        .any(|(index, section)| {
            let size = table + 40 * index + 8;
            let code = section.flags & 0x2000_0000 != 0;
            let byte = (place % file.len()).wrapping_sub(size);
            code && byte < 2 && u32::from(bits) << (8 * byte) & (alignment - 1) != 0
        })
}

/// Whether a change at `place` of a section, bytes before and after, redirects
/// an operand to the true limit or count: the other flip with two effects. A
/// decoy with one reference too many becomes complete, and the true limiter
/// gets that reference.
fn is_redirected(
    specimen: &Specimen,
    base: u64,
    section: u32,
    [before, after]: [&[u8]; 2],
    place: usize,
) -> bool {
    let truth = &specimen.truth;
    let names = |bytes: &[u8], at: usize| {
        let Some(operand) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let value = u32::from_le_bytes(*operand);
        let is_true = |rva: u32| (truth.threshold..truth.count + 4).contains(&rva);
        match specimen.spec.arch {
            specimen::Arch::X86 => {
                is_true(value.wrapping_sub(u32::try_from(base).expect("below 4 GiB")))
            }
            // An immediate may follow.
            specimen::Arch::X64 => (4..=8).any(|behind| {
                let at = u32::try_from(at).expect("a small specimen");
                is_true((section + at + behind).wrapping_add(value))
            }),
        }
    };
    (place.saturating_sub(3)..=place).any(|at| names(after, at) && !names(before, at))
}

fn assert_right_or_refused(
    specimen: &Specimen,
    verdict: &Verdict,
    flips: &[(usize, u8)],
    how: &str,
) {
    if let Some(threshold) = verdict.threshold() {
        assert_eq!(
            threshold, specimen.truth.threshold,
            "{how}, after {flips:X?}"
        );
    }
}

/// **Any bytes give an answer or a reason**, as a file and as a loaded image,
/// without a panic and in bounded time; and if a limit is located, the oracle
/// finds the same.
pub fn any_bytes(data: &[u8]) {
    for claimed in Module::ALL {
        let is_tcpip6 = claimed == Module::Tcpip6;
        let verdict = file_verdict(data, claimed);
        if let Verdict::Located(answer) = &verdict {
            assert_eq!(oracle::locate_file(data, is_tcpip6).as_ref(), Ok(answer));
        }
        let Ok(mapped) = memory::map(data) else {
            continue;
        };
        let sections = mapped.sections();
        let verdict = memory_verdict(data, mapped.base, mapped.size, &sections, claimed);
        if let Verdict::Located(answer) = &verdict {
            let oracle = oracle::locate_loaded(data, mapped.base, &sections, is_tcpip6);
            assert_eq!(oracle.as_ref(), Ok(answer));
        }
    }
}

/// The input of the structured fuzz target: a specimen, a defect, damage, and
/// injected instructions.
#[derive(Debug, Clone, arbitrary::Arbitrary)]
pub struct Case {
    /// The specimen.
    pub spec: Spec,
    defect: Option<Defect>,
    flips: Vec<(usize, u8)>,
    injected_code: Vec<InjectedCode>,
}

/// **All properties above for one case.**
pub fn structured(case: &Case) {
    if let Some(defect) = case.defect {
        let spec = Spec {
            decoys: Decoys::NONE,
            ..case.spec.clone()
        };
        refused_without(&spec, defect);
        return;
    }
    found_as_built(&case.spec);
    let specimen = case.spec.build();
    oracle_agrees(&specimen);
    let specimen = damageable(&case.spec, case.flips.len()).build();
    right_or_refused(&specimen, &case.flips);
    right_or_refused_in_memory(&specimen, case.spec.arch.bases()[0], &case.flips);
    oracle_agrees_on_injected_code(&case.spec, &case.injected_code);
}
