use super::*;

const START: u64 = 0x1_1000;
const V: [u8; 4] = [0x00, 0x30, 0x01, 0x00];
const VARIABLE: u64 = 0x1_3000;

fn live(bits64: bool, parts: &[&[u8]]) -> LiveCode {
    let blocks = vec![Block {
        start: START,
        bytes: parts.concat(),
    }];
    let mut code = LiveCode {
        bits64,
        blocks,
        accesses: BTreeMap::new(),
    };
    code.accesses = code.find_accesses();
    code
}

fn only_reference(code: &LiveCode) -> Option<Instruction> {
    let references = code.references(VARIABLE);
    assert_eq!(references.len(), 1, "{references:?}");
    references[0].by
}

#[test]
fn a_field_belongs_to_the_whole_instruction() {
    // From its third byte this decodes as `ror dword [V], imm8`, from its
    // second as an unlocked xadd.
    let code = live(false, &[&[0xF0, 0x0F, 0xC1, 0x0D], &V, &[0x90, 0x90]]);
    let owner = only_reference(&code).unwrap();
    assert_eq!(
        (owner.mnemonic(), owner.has_lock_prefix()),
        (Mnemonic::Xadd, true)
    );
    assert_eq!(owner.ip(), START);
}

#[test]
fn a_preceding_byte_that_looks_like_a_prefix_is_not_part_of_the_instruction() {
    for junk in [0x66, 0x67, 0x64, 0x2E, 0xF2, 0xF3, 0xC3, 0x08, 0x8B] {
        let code = live(false, &[&[junk, 0xA1], &V, &[0x90]]);
        let owner = only_reference(&code).unwrap();
        assert_eq!(
            (owner.code(), owner.ip()),
            (Encoding::Mov_EAX_moffs32, START + 1)
        );
    }
    // LOCK on a load is invalid, so this F0 is not part of it either.
    let code = live(false, &[&[0xF0, 0x8B, 0x0D], &V]);
    assert_eq!(only_reference(&code).unwrap().ip(), START + 1);
}

#[test]
fn addresses_on_x86_count_at_every_offset() {
    for before in [
        &[0x68][..],
        &[0xB8],
        &[0x8B, 0x04, 0x85],
        &[0xC7, 0x45, 0xFC],
        &[0x90],
    ] {
        assert!(only_reference(&live(false, &[before, &V, &[0x90; 8]])).is_none());
    }
}

#[test]
fn x64_references_count_from_the_end_of_the_instruction() {
    // cmp dword [rip+d], 0: 7 bytes.
    let distance = 0x1FF9_u32.to_le_bytes();
    let code = live(
        true,
        &[&[0x83, 0x3D], &distance, &[0, 0x90, 0x90, 0x90, 0x90]],
    );
    assert_eq!(
        only_reference(&code).unwrap().code(),
        Encoding::Cmp_rm32_imm8
    );
    let tests = code.tests_of(VARIABLE);
    let places: Vec<u64> = tests.iter().map(|&(at, _)| at).collect();
    assert_eq!(places, [START]);
}

#[test]
fn atomic_updates_are_direct_or_through_a_register() {
    let updates = |parts: &[&[u8]]| live(false, parts).atomic_updates(VARIABLE);
    assert_eq!(updates(&[&[0xF0, 0xFF, 0x05], &V]), 1);
    assert_eq!(updates(&[&[0x87, 0x0D], &V]), 1);
    assert_eq!(updates(&[&[0xFF, 0x05], &V]), 0);
    let xadd = [0xF0, 0x0F, 0xC1, 0x08];
    assert_eq!(updates(&[&[0xB8], &V, &xadd]), 1);
    assert_eq!(
        updates(&[&[0xB8], &V, &[0x83, 0xC9, 0xFF], &xadd, &xadd]),
        1,
        "one site"
    );
    assert_eq!(updates(&[&[0x8D, 0x05], &V, &[0x87, 0x08]]), 1);
    assert_eq!(updates(&[&[0xB8], &V, &[0x90; 16], &xadd]), 1);
    assert_eq!(updates(&[&[0xB8], &V, &[0x90; 17], &xadd]), 0, "too far");
    assert_eq!(updates(&[&[0xB9], &V, &xadd]), 0, "another register");
    assert_eq!(
        updates(&[&[0xB8], &V, &[0xF0, 0x0F, 0xC1, 0x48, 0x04]]),
        0,
        "displaced"
    );
    assert_eq!(
        updates(&[&[0xB8], &V, &[0xF0, 0x0F, 0xC1, 0x0C, 0x10]]),
        0,
        "indexed"
    );
    assert_eq!(
        updates(&[&[0xBB], &V, &[0xF0, 0x0F, 0xC1, 0x0C, 0x23]]),
        0,
        "with a SIB byte that says no more than ModRM could"
    );
    assert_eq!(
        updates(&[&[0xB8], &V, &[0x0F, 0xC1, 0x08]]),
        0,
        "not locked"
    );
    assert_eq!(updates(&[&[0x68], &V, &xadd]), 0, "address in no register");
}

#[test]
fn atomic_updates_on_x64_go_through_lea() {
    let distance = 0x1FF9_u32.to_le_bytes();
    let lea = [&[0x48, 0x8D, 0x05][..], &distance].concat();
    let updates = |parts: &[&[u8]]| live(true, parts).atomic_updates(VARIABLE);
    assert_eq!(updates(&[&lea, &[0xF0, 0xFF, 0x00]]), 1);
    assert_eq!(updates(&[&lea, &[0xF0, 0x41, 0xFF, 0x00]]), 0, "r8");
    let extended = [&[0x4C, 0x8D, 0x05][..], &distance].concat();
    assert_eq!(updates(&[&extended, &[0xF0, 0x41, 0xFF, 0x00]]), 1);
}

#[test]
fn a_variable_is_tested_in_memory_or_just_loaded() {
    let tests = |parts: &[&[u8]]| !live(false, parts).tests_of(VARIABLE).is_empty();
    for before in [&[0x39, 0x35][..], &[0x3B, 0x35], &[0x85, 0x35]] {
        assert!(tests(&[before, &V]));
    }
    assert!(tests(&[&[0x83, 0x3D], &V, &[0]]));
    assert!(tests(&[&[0x81, 0x3D], &V, &[0; 4]]));
    assert!(tests(&[&[0xF7, 0x05], &V, &[0; 4]]));
    assert!(tests(&[&[0xA1], &V, &[0x85, 0xC0]]));
    assert!(tests(&[&[0x8B, 0x0D], &V, &[0x3B, 0xCE]]));
    assert!(tests(&[&[0x8B, 0x0D], &V, &[0x83, 0xF9, 0x05]]));
    assert!(!tests(&[&[0xA1], &V, &[0x85, 0xC9]]), "another register");
    assert!(!tests(&[&[0xA1], &V, &[0x90, 0x85, 0xC0]]), "not at once");
    assert!(!tests(&[&[0xA1], &V, &[0x3B, 0x06]]), "against memory");
    assert!(!tests(&[&[0x80, 0x3D], &V, &[0]]), "a byte");
    assert!(!tests(&[&[0x83, 0x2D], &V, &[0]]), "subtraction");
    assert!(!tests(&[&[0xFF, 0x05], &V]));
}

#[test]
fn one_gate_is_one_gate_even_if_the_byte_before_reads_as_rex() {
    let gate = [0x8B, 0x0D, 0, 1, 0, 0, 0x39, 0x0D, 0, 2, 0, 0, 0x7D, 0];
    let gates = live(true, &[&[0x41], &gate]).gates();
    assert_eq!(gates.len(), 1);
    assert_eq!(gates[0].at, START + 1);
    assert_eq!(live(true, &[&[0x44], &gate]).gates()[0].at, START + 1);
}

#[test]
fn calls_are_counted_by_their_slot() {
    let code = live(false, &[&[0xFF, 0x15], &V, &[0xFF, 0x15, 0, 0]]);
    let calls = code.calls_through_pointers();
    let slots: Vec<u64> = calls.iter().map(|call| call.variable).collect();
    assert_eq!(slots, [VARIABLE]);
}
