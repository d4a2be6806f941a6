//! A second locator, slow and obvious, to compare the shipped one with.
//!
//! It shares only the description of the images with the shipped one. It decodes live code at every
//! byte with iced-x86, while the shipped one matches byte patterns.

mod answer;
mod code;
mod decode;
mod gate;
mod local_evidence;
pub mod naive;
mod pair;
mod pe;
#[cfg(test)]
mod test_image;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Fact, NoAnswer};
pub use gate::{Gate, gate_at};

use code::{FoundGate, LiveCode, is_plain_load};
use decode::memory_access;
use iced_x86::OpAccess;
use pair::{Pair, QUEUE_TEST_DISTANCE};
use pe::Image;
use std::collections::{BTreeMap, BTreeSet};

/// The status code of event 4226, which tcpip.sys logs when it delays a connection.
const EVENT: u32 = 0x8000_1082;

/// The number of calls through a pointer to check, from the first on,
const MAX_CALLS: usize = 512;
/// unless this many land in the import table earlier.
const ENOUGH_LANDED: usize = 32;

/// Locates the limit in a file's bytes. `is_tcpip6`: the caller claims that it is tcpip6.sys.
///
/// # Errors
/// [`NoAnswer`], unless exactly one candidate has all evidence.
pub fn locate_file(file: &[u8], is_tcpip6: bool) -> Result<Answer, NoAnswer> {
    locate(&pe::from_file(file)?, is_tcpip6)
}

/// Locates the limit in a loaded image at `base`: its headers, and its readable sections by RVA.
/// `is_tcpip6`: the caller claims that it is tcpip6.sys.
///
/// # Errors
/// [`NoAnswer`], unless exactly one candidate has all evidence. [`NoAnswer::Image`] also if a
/// section of live code is not given in full.
pub fn locate_loaded(
    headers: &[u8],
    base: u64,
    sections: &[(u32, &[u8])],
    is_tcpip6: bool,
) -> Result<Answer, NoAnswer> {
    locate(&pe::from_memory(headers, base, sections)?, is_tcpip6)
}

fn locate(image: &Image, is_tcpip6: bool) -> Result<Answer, NoAnswer> {
    let code = LiveCode::new(image);
    let mut candidates: BTreeMap<Pair, Vec<FoundGate>> = BTreeMap::new();
    for found in code.gates() {
        let pair = Pair {
            threshold: found.gate.threshold,
            count: found.gate.count,
        };
        candidates.entry(pair).or_default().push(found);
    }
    let image_missing = missing_of_image(image, &code, is_tcpip6);
    let evaluated: Vec<_> = candidates
        .iter()
        .map(|(&pair, gates)| {
            let local_missing = local_evidence::missing(image, &code, pair, gates);
            let missing = &(&missing_of_pair(image, &code, pair, gates, is_tcpip6)
                | &image_missing)
                | &local_missing;
            (pair, gates, missing)
        })
        .collect();

    let complete: Vec<_> = evaluated
        .iter()
        .filter(|(_, _, missing)| missing.is_empty())
        .collect();
    match complete[..] {
        [&(pair, gates, _)] => Ok(answer(image, pair, gates)),
        [] => Err(evaluated
            .into_iter()
            .map(|(_, _, missing)| missing)
            .min_by_key(BTreeSet::len)
            .map_or(NoAnswer::NoCandidate, NoAnswer::Missing)),
        _ => Err(NoAnswer::Ambiguous),
    }
}

fn answer(image: &Image, pair: Pair, gates: &[FoundGate]) -> Answer {
    let rva = |address: u64| {
        u32::try_from(address - image.base).expect("what has everything is in a section")
    };
    Answer {
        threshold: rva(pair.threshold),
        count: rva(pair.count),
        queue: rva(pair.queue()),
        gates: gates.iter().map(|found| rva(found.at)).collect(),
    }
}

fn missing_of_image(image: &Image, code: &LiveCode, is_tcpip6: bool) -> BTreeSet<Fact> {
    let event = match (is_tcpip6, code.has_dword(EVENT)) {
        (false, false) => Some(Fact::EventId),
        (true, true) => Some(Fact::NoEventId),
        _ => None,
    };
    let base = (!is_base_anchored(image, code)).then_some(Fact::AnchoredBase);
    event.into_iter().chain(base).collect()
}

fn is_base_anchored(image: &Image, code: &LiveCode) -> bool {
    let granularity = if image.loaded { 0x1000 } else { 0x1_0000 };
    if !image.base.is_multiple_of(granularity) {
        return false;
    }
    let (mut calls, mut landed) = (0, 0);
    for call in code.calls_through_pointers() {
        calls += 1;
        landed += usize::from(local_evidence::is_import_slot(image, call.variable));
        if calls == MAX_CALLS || landed == ENOUGH_LANDED {
            break;
        }
    }
    landed >= 8 && landed * 8 >= calls
}

fn missing_of_pair(
    image: &Image,
    code: &LiveCode,
    pair: Pair,
    gates: &[FoundGate],
    is_tcpip6: bool,
) -> BTreeSet<Fact> {
    let mut missing = BTreeSet::new();
    let mut require = |fact: Fact, holds: bool| {
        if !holds {
            missing.insert(fact);
        }
    };
    require(Fact::TwoGates, (2..=4).contains(&gates.len()));
    let follows = pair.threshold.checked_add(4) == Some(pair.count);
    require(Fact::Adjacent, follows && pair.threshold.is_multiple_of(4));
    require(Fact::SameDataSection, are_in_one_data_section(image, pair));
    require(Fact::AtomicCounter, code.atomic_updates(pair.count) >= 3);
    require(
        Fact::NoAtomicOnThreshold,
        code.atomic_updates(pair.threshold) == 0,
    );

    let tested = code.tests_of(pair.queue()).into_iter().any(|(test, _)| {
        gates.iter().any(|found| {
            test.abs_diff(found.at) <= QUEUE_TEST_DISTANCE
                || test.abs_diff(found.gate.jump_target) <= QUEUE_TEST_DISTANCE
        })
    });
    require(Fact::QueueTest, tested);

    // References that are no operand of the pair's gates.
    let elsewhere = |variable: u64| {
        let mut references = code.references(variable);
        references.retain(|reference| {
            gates
                .iter()
                .all(|found| !found.fields.contains(&reference.field))
        });
        references
    };
    // References to any byte of the limit.
    for reference in (0..4).flat_map(|byte| elsewhere(pair.threshold + byte)) {
        if code.is_atomic_update(&reference) {
            continue; // NoAtomicOnThreshold
        }
        let writes = reference.by.is_some_and(|instruction| {
            !matches!(
                memory_access(&instruction),
                OpAccess::None | OpAccess::NoMemAccess | OpAccess::Read | OpAccess::CondRead
            )
        });
        require(Fact::NoLiveWriter, !writes);
        require(Fact::GateReadsOnly, writes);
    }
    let loaded = elsewhere(pair.count)
        .into_iter()
        .filter_map(|reference| reference.by)
        .any(|instruction| is_plain_load(&instruction));
    // Measured for tcpip.sys only.
    require(Fact::GateReadsOnly, is_tcpip6 || !loaded);
    missing
}

fn are_in_one_data_section(image: &Image, pair: Pair) -> bool {
    let variables = [pair.queue(), pair.threshold, pair.count];
    image
        .sections
        .iter()
        .filter(|section| section.is_live_data())
        .any(|section| {
            variables.iter().all(|variable| {
                variable
                    .checked_sub(image.base)
                    .is_some_and(|rva| section.contains(rva, 4))
            })
        })
}
