//! Specimens match their ground truth: checked with a PE parser and a
//! disassembler that share nothing with the builder.

mod density;
mod file;
mod listing;

use iced_x86::{Code, Mnemonic};
use listing::{Listing, base, broken};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::strategy::Strategy;
use specimen::{
    Alignment, Arch, DataPart, Decoys, Defect, EventForm, ImageBase, Module, QueueTest, Register,
    Spec, Specimen,
};

/// Checks a specimen without a defect.
fn check(spec: &Spec) {
    let specimen = spec.build();
    file::check(&specimen);
    check_truth(&specimen);
    check_decoding(&specimen);
    check_loaded(&specimen, 0xF7A3_B000);
}

/// Checks the ground truth against the bytes that it points to.
fn check_truth(specimen: &Specimen) {
    let truth = &specimen.truth;
    assert_eq!(
        (truth.queue, truth.count),
        (truth.threshold - 4, truth.threshold + 4)
    );
    let data = listing::section(specimen, b".data\0\0\0");
    let zero_tail = truth.threshold >= data.rva + data.raw_size;
    let wanted = specimen.spec.data_part == DataPart::ZeroTail;
    assert_eq!(
        zero_tail,
        wanted && specimen.spec.alignment == Alignment::Page
    );
    assert!((data.rva + 4..data.rva + data.virtual_size - 8).contains(&truth.queue));
    assert!(truth.gates.is_sorted() && truth.gates.len() == 2 && truth.gate_lens.len() == 2);
    let mut tested: Vec<u32> = Vec::new();
    for (&rva, &len) in truth.gates.iter().zip(&truth.gate_lens) {
        let gate = instructions_at(specimen, rva, len)
            .gate(0)
            .expect("a gate where the truth says");
        assert_eq!((gate.rva, gate.len, gate.signed), (rva, len, true));
        assert_eq!((gate.threshold, gate.count), (truth.threshold, truth.count));
        // Right behind the gate, or right before its jump's target.
        let behind = rva + len..rva + len + 5;
        let before = gate.target.saturating_sub(20)..gate.target;
        let beside = |test: &&u32| behind.contains(test) || before.contains(test);
        tested.extend(truth.queue_tests.iter().filter(beside));
    }
    assert_eq!(tested, truth.queue_tests);
    assert!(!truth.queue_tests.is_empty());
    for &rva in &truth.queue_tests {
        let test = instructions_at(specimen, rva, 16);
        let first = &test.instructions[0];
        assert_eq!(test.variable(first), Some(truth.queue));
        let tests = [Mnemonic::Cmp, Mnemonic::Test];
        let loads =
            first.mnemonic() == Mnemonic::Mov && test.instructions[1].mnemonic() == Mnemonic::Test;
        assert!(tests.contains(&first.mnemonic()) || loads);
    }
    assert_eq!(truth.atomics.len(), usize::from(specimen.spec.atomics));
    for &rva in &truth.atomics {
        assert_eq!(instructions_at(specimen, rva, 16).atomics(truth.count), 1);
    }
    assert_eq!(truth.event.is_some(), specimen.spec.module == Module::Tcpip);
    if let Some(event) = truth.event {
        let listing = instructions_at(specimen, event, 10);
        assert_eq!(listing.instructions[0].immediate32(), 0x8000_1082);
    }
    let store = instructions_at(
        specimen,
        truth.start_up_store.expect("a start-up store"),
        10,
    );
    assert_eq!(store.instructions[0].code(), Code::Mov_rm32_imm32);
    assert_eq!(
        store.variable(&store.instructions[0]),
        Some(truth.threshold)
    );
    assert_eq!(store.instructions[0].immediate32(), specimen.spec.start_up);
    let pieces =
        3 + truth.queue_tests.len() + truth.atomics.len() + usize::from(truth.event.is_some());
    assert_eq!(truth.evidence.len(), pieces);
    assert!(truth.evidence.is_sorted_by_key(|range| range.start));
}

/// The instructions of a few bytes at an RVA.
fn instructions_at(specimen: &Specimen, rva: u32, len: u32) -> Listing {
    let offset = offset(specimen, rva);
    Listing::decode(specimen, &specimen.file[offset..offset + len as usize], rva)
}

fn check_decoding(specimen: &Specimen) {
    let text = Listing::new(specimen, b".text\0\0\0");
    let size = listing::section(specimen, b".text\0\0\0").virtual_size as usize;
    let valid: usize = text
        .instructions
        .iter()
        .filter(|one| !one.is_invalid())
        .map(|one| one.len())
        .sum();
    assert!(valid * 100 >= size * 95, "{valid} of {size} bytes decode");
    let calls = text.instructions.iter().filter(|one| {
        one.mnemonic() == Mnemonic::Call
            && text
                .variable(one)
                .is_some_and(|slot| specimen.slots.contains(&slot))
    });
    assert!(
        calls.count() >= 40,
        "calls through the import address table"
    );
    if specimen.spec.decoys.data_in_text {
        return;
    }
    assert_eq!(valid, size);
    for one in text
        .instructions
        .iter()
        .filter(|one| text.variable(one).is_some())
    {
        let start = text.rva(one);
        let next = specimen
            .pointers
            .partition_point(|&pointer| pointer < start);
        let pointer = specimen.pointers.get(next).copied().unwrap_or(u32::MAX);
        let relocated = pointer - start < u32::try_from(one.len()).expect("at most 15");
        assert_eq!(relocated, specimen.spec.arch == Arch::X86, "at {start:X}");
    }
    assert_eq!(broken(specimen, specimen.truth.threshold), []);
    for &decoy in &specimen.truth.decoys {
        assert_ne!(
            broken(specimen, decoy),
            [],
            "the decoy {decoy:X} lacks nothing"
        );
    }
}

/// In memory everything but pointers, imports and limits equals the file.
fn check_loaded(specimen: &Specimen, at: u64) {
    let loaded = specimen.load(at);
    assert_eq!((loaded.base, loaded.size), (at, specimen.size_of_image));
    let wide = specimen.spec.arch == Arch::X64;
    let delta = at.wrapping_sub(u64::from(specimen.image_base));
    let mut expected = specimen.file.clone();
    for &pointer in &specimen.pointers {
        add(&mut expected[offset(specimen, pointer)..], delta, wide);
    }
    let gone: [&[u8]; 3] = [b"INIT\0\0\0\0", b".rsrc\0\0\0", b".reloc\0\0"];
    let kept = specimen
        .sections
        .iter()
        .filter(|placed| !gone.contains(&&placed.name[..]));
    assert!(
        kept.clone()
            .map(|placed| placed.rva)
            .eq(loaded.sections.iter().map(|one| one.rva))
    );
    let width = if wide { 8 } else { 4 };
    for (placed, section) in kept.zip(&loaded.sections) {
        assert_eq!((section.name, section.flags), (placed.name, placed.flags));
        assert_eq!(section.bytes.len(), placed.virtual_size as usize);
        let raw = &expected[placed.offset as usize..][..placed.raw_size as usize];
        for (rva, (&actual, &raw)) in (placed.rva..).zip(section.bytes.iter().zip(raw)) {
            let bound = specimen
                .slots
                .iter()
                .any(|slot| (*slot..slot + width).contains(&rva));
            let mut limits = specimen
                .truth
                .decoys
                .iter()
                .chain([&specimen.truth.threshold]);
            let stored = limits.any(|limit| (*limit..limit + 4).contains(&rva));
            assert!(bound || stored || actual == raw, "{rva:X} differs");
        }
    }
    assert_eq!(
        loaded.dword(specimen.truth.threshold),
        Some(specimen.spec.start_up)
    );
    assert_eq!(loaded.dword(specimen.truth.count), Some(0));
    for &slot in &specimen.slots {
        assert!(
            loaded
                .dword(slot + width - 4)
                .is_some_and(|high| high >= 0x8000_0000)
        );
    }
    let differing = loaded
        .headers
        .iter()
        .zip(&specimen.file)
        .filter(|(one, other)| one != other);
    assert!(differing.count() <= 8);
}

fn offset(specimen: &Specimen, rva: u32) -> usize {
    let mut placed = specimen.sections.iter();
    placed
        .find_map(|placed| placed.file_offset(rva))
        .expect("in the file") as usize
}

fn add(bytes: &mut [u8], delta: u64, wide: bool) {
    let size = if wide { 8 } else { 4 };
    let mut value = [0; 8];
    value[..size].copy_from_slice(&bytes[..size]);
    let sum = u64::from_le_bytes(value).wrapping_add(delta).to_le_bytes();
    bytes[..size].copy_from_slice(&sum[..size]);
}

#[test]
fn the_five_presets_match_their_names() {
    for (name, spec) in Spec::presets() {
        println!("{name}");
        check(&spec);
        check(&Spec {
            decoys: Decoys::ALL,
            ..spec.clone()
        });
        check(&Spec {
            decoys: Decoys {
                data_in_text: false,
                ..Decoys::ALL
            },
            ..spec
        });
    }
}

#[test]
fn each_defect_breaks_exactly_the_fact_it_names() {
    for (name, kind) in Spec::presets() {
        for defect in Defect::ALL {
            let decoys = Decoys {
                data_in_text: false,
                ..kind.decoys
            };
            let specimen = Spec {
                defect: Some(defect),
                decoys,
                ..kind.clone()
            }
            .build();
            file::check(&specimen);
            // The builder builds the normalized spec.
            let expected = match specimen.spec.defect {
                Some(Defect::SecondCandidate) | None => vec![],
                Some(defect) => vec![defect],
            };
            assert_eq!(
                broken(&specimen, specimen.truth.threshold),
                expected,
                "{name} {defect:?}"
            );
            for &second in &specimen.truth.decoys {
                assert_eq!(broken(&specimen, second), [], "{name} {defect:?}");
            }
            let seconds = usize::from(defect == Defect::SecondCandidate);
            assert_eq!(specimen.truth.decoys.len(), seconds);
            if defect == Defect::SwappedBase && kind.arch == Arch::X86 {
                let bits = base(&specimen) ^ u64::from(specimen.image_base);
                assert!(bits.is_power_of_two() && bits >= 0x1_0000);
            }
        }
    }
}

#[test]
fn signed_jumps_follow_only_the_gates_and_two_rivals() {
    for (name, spec) in Spec::full_size_presets() {
        let specimen = spec.build();
        let text = Listing::new(&specimen, b".text\0\0\0");
        let signed = text.gates().into_iter().filter(|gate| gate.signed).count();
        assert_eq!(signed, 4, "{name}");
    }
}

#[test]
fn the_size_asked_for_is_the_size_of_the_code() {
    for (_, spec) in Spec::presets() {
        for text_kib in [1, 4, 250, 700] {
            let specimen = spec.clone().with_text_kib(text_kib).build();
            let size = listing::section(&specimen, b".text\0\0\0").virtual_size;
            let floor = u32::from(text_kib) * 1024;
            assert!(
                (floor..floor / 20 * 21 + 0x2800).contains(&size),
                "{size} for {text_kib} KiB"
            );
        }
    }
}

#[test]
fn numbers_out_of_bounds_are_clamped() {
    for kind in [Spec::xp_sp3(), Spec::xp_x64()] {
        for (number, register) in [(0, 0), (u16::MAX, u8::MAX), (u16::MAX, 4), (0x15FF, 0)] {
            let mut spec = Spec {
                text_kib: number,
                image_base: ImageBase(number),
                atomics: register,
                event: EventForm::Register(Register(register)),
                start_up: u32::MAX,
                seed: u64::MAX,
                ..kind.clone()
            };
            for gate in &mut spec.gates {
                (gate.register, gate.queue) = (Register(register), QueueTest::None);
            }
            let built = spec.build().spec;
            assert!((3..=24).contains(&built.atomics) && (1..=2048).contains(&built.text_kib));
            check(&spec);
        }
    }
}

#[test]
fn headers_in_memory_hold_either_base() {
    let mut kept = [0; 2];
    for seed in 0..32 {
        let specimen = Spec {
            seed,
            ..Spec::server_2003()
        }
        .build();
        let headers = specimen.load(0xF7A3_B000).headers;
        kept[usize::from(headers == specimen.file[specimen.truth.headers.clone()])] += 1;
    }
    assert!(kept[0] > 4 && kept[1] > 4, "{kept:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_spec_is_built_as_described(spec in any::<Spec>()) {
        check(&spec);
    }

    #[test]
    fn building_is_deterministic(spec in any::<Spec>()) {
        prop_assert_eq!(spec.build(), spec.build());
        let other = Spec { seed: spec.seed ^ 1, ..spec.clone() };
        assert_ne!(spec.build().file, other.build().file);
    }

    #[test]
    fn every_defect_can_be_built_in_every_spec(
        spec in any::<Spec>(), defect in any::<Defect>(),
    ) {
        let specimen = Spec { defect: Some(defect), ..spec }.build();
        file::check(&specimen);
    }

    #[test]
    fn fuzzed_bytes_make_specs_that_can_be_built(
        bytes in proptest::collection::vec(any::<u8>(), 0..256).no_shrink(),
    ) {
        let mut input = arbitrary::Unstructured::new(&bytes);
        check(&input.arbitrary().expect("any bytes make a spec"));
    }
}
