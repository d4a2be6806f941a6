//! Differential properties: locator and oracle, and locator and iced-x86, must
//! agree.

use std::collections::BTreeSet;

use scanner_core::{Evidence, Gate, Image, Module, NotLocatedReason, Rva};

use crate::injected_code::InjectedCode;
use crate::memory;
use crate::verdict::{Verdict, file_verdict, loaded_verdict, module};
use specimen::{Decoys, Spec, Specimen};

/// Whether the specimen imitates tcpip6.sys.
fn is_tcpip6(specimen: &Specimen) -> bool {
    module(specimen.spec.module) == Module::Tcpip6
}

/// **Locator and oracle agree on any code that uses the variables**: these
/// instructions, or bytes like them, overwrite a specimen's live code, each
/// with an operand that refers to one of the three variables. If all are
/// instructions, locator and oracle agree on whether the limit is found; if
/// some are junk, the locator may refuse more.
pub fn oracle_agrees_on_injected_code(spec: &Spec, instructions: &[InjectedCode]) {
    let spec = Spec {
        decoys: Decoys::NONE,
        ..spec.clone()
    };
    let mut specimen = spec.build();
    for injected_code in instructions {
        injected_code.inject(&mut specimen);
    }
    let is_tcpip6 = is_tcpip6(&specimen);
    let ours = file_verdict(&specimen.file, module(specimen.spec.module));
    let theirs = oracle::locate_file(&specimen.file, is_tcpip6);
    let sound = |injected_code: &InjectedCode| injected_code.is_instruction(specimen.spec.arch);
    let agrees = match (&ours, &theirs) {
        (Verdict::Located(ours), theirs) => Ok(ours) == theirs.as_ref(),
        // Overwritten relocated dwords no longer fit the relocation table.
        (Verdict::Refused(NotLocatedReason::Missing(missing)), Ok(_))
            if missing.iter().eq([Evidence::Relocated]) =>
        {
            true
        }
        (_, Ok(_)) => !instructions.iter().all(sound),
        _ => true,
    };
    assert!(agrees, "locator: {ours:?}, oracle: {theirs:?}");
}

/// **The locator reads a gate at an offset exactly where iced-x86 reads one**,
/// and the same gate. `start` is the RVA of the code in the image, whose
/// variables it may refer to.
pub fn gates_match_iced(image: &Image<'_>, code: &[u8], start: u32) {
    let bits64 = image.arch() == scanner_core::Arch::X64;
    let (base, size) = (image.base(), u64::from(image.headers().size_of_image()));
    let inside = |address: u64| address.checked_sub(base).filter(|&rva| rva < size);
    for offset in 0..code.len() {
        let ip = base + u64::from(start) + offset as u64;
        let theirs = oracle::gate_at(&code[offset..], ip, bits64).and_then(|gate| {
            let (count, threshold) = (inside(gate.count)?, inside(gate.threshold)?);
            Some((
                gate.len as u64,
                count,
                threshold,
                gate.jump_target & 0xFFFF_FFFF,
            ))
        });
        let ours = Gate::read(image, code, Rva(start), offset).map(|gate| {
            let target = base.wrapping_add(u64::from(gate.target().0));
            let (count, threshold) = (gate.count().0.into(), gate.threshold().0.into());
            (gate.length().into(), count, threshold, target & 0xFFFF_FFFF)
        });
        assert_eq!(
            ours,
            theirs,
            "at {offset}: {:02X?}",
            &code[offset..code.len().min(offset + 24)]
        );
    }
}

/// **The oracle agrees** on whether the limit is found, where, and, unless a
/// decoy may lack as little as the true limiter, on the missing evidence.
pub fn oracle_agrees(specimen: &Specimen) {
    let exactly = specimen.spec.decoys == Decoys::NONE;
    let is_tcpip6 = is_tcpip6(specimen);
    let verdict = file_verdict(&specimen.file, module(specimen.spec.module));
    let oracle = oracle::locate_file(&specimen.file, is_tcpip6);
    assert_agrees(&verdict, &oracle, exactly);

    let loaded = specimen.load(specimen.spec.arch.bases()[0]);
    let verdict = loaded_verdict(&loaded, module(specimen.spec.module));
    let sections = memory::sections(&loaded);
    let oracle = oracle::locate_loaded(&loaded.headers, loaded.base, &sections, is_tcpip6);
    assert_agrees(&verdict, &oracle, exactly);
}

fn assert_agrees(
    verdict: &Verdict,
    oracle: &Result<oracle::Answer, oracle::NoAnswer>,
    exactly: bool,
) {
    let agrees = match (verdict, oracle) {
        (Verdict::Located(found), Ok(answer)) => found == answer,
        (Verdict::NoImage(_), Err(oracle::NoAnswer::Image(_)))
        | (Verdict::Refused(NotLocatedReason::NoGate), Err(oracle::NoAnswer::NoCandidate))
        | (Verdict::Refused(NotLocatedReason::Ambiguous(..)), Err(oracle::NoAnswer::Ambiguous)) => {
            true
        }
        // Operands outside the image are no gate to the locator, and a pair in
        // no data section to the oracle.
        (Verdict::Refused(NotLocatedReason::NoGate), Err(oracle::NoAnswer::Missing(facts))) => {
            facts.contains(&oracle::Fact::SameDataSection)
        }
        (
            Verdict::Refused(NotLocatedReason::Missing(missing)),
            Err(oracle::NoAnswer::Missing(facts)),
        ) => {
            let names: BTreeSet<String> = missing.iter().map(|item| item.to_string()).collect();
            !exactly || names == facts.iter().map(|fact| format!("{fact:?}")).collect()
        }
        _ => false,
    };
    assert!(agrees, "locator: {verdict:?}, oracle: {oracle:?}");
}
