//! Evidence: the dword before the limit is compared or tested near a gate.

use scanner_core::{Evidence, Image, locate};
use specimen::{Defect, Spec, Specimen};

use crate::edit::{
    address, driver, driver_without, free, is_evidence, missing_with, moved, put, section,
};
use crate::search::{assert_missing, in_file, in_memory, module, truth, without};

#[test]
fn without_a_test_there_is_no_queue() {
    for driver in without(Defect::NoQueueTest) {
        assert_missing(&driver, &[Evidence::QueueTest]);
    }
}

#[test]
fn a_queue_test_is_near_a_gate_or_where_its_jump_goes() {
    let mut built = driver();
    let (queue, base) = (built.truth.queue, section(&built, b".data").rva);
    let text = *section(&built, b".text");
    let near = |built: &Specimen| {
        let image = Image::from_file(&built.file).unwrap();
        let located = locate(&image, module(&built.spec)).unwrap();
        let gates = located.findings().gates();
        gates
            .map(|gate| (gate.at().0, gate.target().0))
            .collect::<Vec<_>>()
    };
    let gates = near(&built);
    moved(&mut built, &[queue], base.wrapping_sub(queue));
    assert_eq!(in_memory(&built).missing(), [Evidence::QueueTest]);

    let test = [&[0x83, 0x3D][..], &address(&built, queue), &[0]].concat();
    let (mut by_jump, mut far) = (0, 0);
    for place in free(&built) {
        let rva = u32::try_from(place).unwrap() - text.offset + text.rva;
        let within = |at: u32, distance: u32| rva.abs_diff(at) <= distance;
        let mut driver = built.clone();
        put(&mut driver, place, &test);
        let missing = in_memory(&driver).missing();
        if gates
            .iter()
            .any(|&(at, to)| within(at, 0x1F0) || within(to, 0x1F0))
        {
            by_jump += usize::from(!gates.iter().any(|&(at, _)| within(at, 0x210)));
            assert_eq!(missing, [], "{rva:X}");
        } else if !gates
            .iter()
            .any(|&(at, to)| within(at, 0x210) || within(to, 0x210))
        {
            far += 1;
            assert_eq!(missing, [Evidence::QueueTest], "{rva:X}");
        }
    }
    assert!(by_jump > 0 && far > 0, "{by_jump} {far}");
}

#[test]
fn only_the_register_that_the_queue_was_loaded_into_is_its_test() {
    let built = driver_without(Defect::NoQueueTest);
    let queue = built.truth.queue;
    let is_near =
        |place: &usize| missing_with(&built, *place, &[0x83, 0x3D], queue, &[0]).is_empty();
    let place = free(&built).into_iter().find(is_near).unwrap();
    let missing = |test: &[u8]| missing_with(&built, place, &[0x90, 0xA1], queue, test);
    assert_eq!(missing(&[0x85, 0xC0]), []);
    for other in 1..8 {
        let test = [0x85, 0xC0 | other << 3 | other];
        assert_eq!(missing(&test), [Evidence::QueueTest], "{other}");
    }
    assert_eq!(missing(&[0x90, 0x85, 0xC0]), [Evidence::QueueTest]);
}

/// As above, for the first variable and operand in the searched range:
/// `cmp dword [queue], imm32`.
#[test]
fn a_queue_test_counts_wherever_near_a_gate_it_stands() {
    let specimen = Spec {
        defect: Some(Defect::NoQueueTest),
        ..Spec::xp_x64()
    }
    .build();
    let text = &specimen.sections[0];
    assert_eq!(in_file(&specimen).missing(), [Evidence::QueueTest]);
    let gate = specimen.truth.gates[0];
    let mut places = 0;
    for rva in gate - 0x1C0..gate + 0x1C0 {
        let at = usize::try_from(rva - text.rva + text.offset).unwrap();
        let bytes = at..at + 10;
        if is_evidence(&specimen, &bytes) {
            continue;
        }
        let queue = specimen.truth.threshold - 4;
        let distance = queue.wrapping_sub(rva + 10).to_le_bytes();
        let mut specimen = specimen.clone();
        put(
            &mut specimen,
            at,
            &[&[0x81, 0x3D][..], &distance, &[0; 4]].concat(),
        );
        assert_eq!(in_file(&specimen), truth(&specimen), "at {rva:X}");
        places += 1;
    }
    assert!(places > 0x200, "use another seed: {places}");
}
