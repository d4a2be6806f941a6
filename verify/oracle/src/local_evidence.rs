//! Local evidence: calls around each gate, checked with the import address
//! table and the exception table, and in a file for x86 the relocations.

use super::answer::Fact;
use super::code::{FoundGate, LiveCode};
use super::pair::{Pair, QUEUE_TEST_DISTANCE};
use super::pe::Image;
use std::collections::BTreeSet;

/// The distance from a gate within which calls are counted, in bytes.
const AROUND: u64 = 0x1000;
/// The minimum number of calls with the right target.
const AT_LEAST: usize = 8;

/// Facts that a pair lacks.
pub(super) fn missing(
    image: &Image,
    code: &LiveCode,
    pair: Pair,
    gates: &[FoundGate],
) -> BTreeSet<Fact> {
    let mut missing = BTreeSet::new();
    let relocated = image.relocations.as_ref();
    let is_relocated = |field: u64| relocated.is_none_or(|all| all.contains(&field));

    let through = code.calls_through_pointers();
    let direct = code.direct_calls();
    let near = |gate: &FoundGate, at: u64| {
        code.are_together(gate.at, at) && gate.at.abs_diff(at) <= AROUND
    };
    for gate in gates {
        let calls = through
            .iter()
            .filter(|call| near(gate, call.instruction.ip()));
        let landed: Vec<bool> = calls
            .map(|call| is_import_slot(image, call.variable) && is_relocated(call.field))
            .collect();
        if !enough(&landed, 2, 3) {
            missing.insert(Fact::LocalImports);
        }
        let calls = direct.iter().filter(|(at, _)| near(gate, *at));
        let reached: Vec<bool> = calls
            .map(|(_, called)| image.functions.contains(&(called - image.base)))
            .collect();
        if image.bits64 && !enough(&reached, 1, 2) {
            missing.insert(Fact::LocalFunctions);
        }
    }

    if relocated.is_some() {
        let of_gates = gates.iter().flat_map(|gate| gate.fields);
        let updates = code.references(pair.count);
        let updates = updates
            .iter()
            .filter(|update| code.is_atomic_update(update));
        let updates = updates.map(|update| update.field);
        let tests = code.tests_of(pair.queue()).into_iter().filter(|(test, _)| {
            gates.iter().any(|found| {
                test.abs_diff(found.at) <= QUEUE_TEST_DISTANCE
                    || test.abs_diff(found.gate.jump_target) <= QUEUE_TEST_DISTANCE
            })
        });
        let tests: Vec<u64> = tests.map(|(_, field)| field).collect();
        let test = tests.is_empty() || tests.into_iter().any(is_relocated);
        let all = of_gates.chain(updates).all(is_relocated);
        if !all || !test || !image.relocations_fit {
            missing.insert(Fact::Relocated);
        }
    }
    missing
}

/// Whether at least `AT_LEAST` of `all`, and `part` in `whole`, are true.
fn enough(all: &[bool], part: usize, whole: usize) -> bool {
    let hits = all.iter().filter(|&&hit| hit).count();
    hits >= AT_LEAST && hits * whole >= all.len() * part
}

/// Whether an address is a slot of the import address table.
pub(super) fn is_import_slot(image: &Image, slot: u64) -> bool {
    let Some((rva, size)) = image.import_table else {
        return false;
    };
    let (rva, size) = (u64::from(rva), u64::from(size));
    let in_one_section = image
        .sections
        .iter()
        .any(|section| !section.is_discardable() && section.contains(rva, size));
    let pointer = if image.bits64 { 8 } else { 4 };
    let table = image.base + rva..image.base + rva + size;
    in_one_section
        && slot.is_multiple_of(pointer)
        && table.contains(&slot)
        && table.contains(&(slot + (pointer - 1)))
}
