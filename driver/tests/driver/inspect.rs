//! The module in memory: its headers and code at each request.

use simulation::kernel::{Configuration, Fault, Installed, SectionRight, all};
use simulation::session::{self, Action, Session};
use specimen::{Arch, Module};
use tcplimit_protocol::Reason;

use crate::fault::CALLS;
use crate::session::{answer, during, query, set, with};

const TCPIP: Module = Module::Tcpip;

/// Found by the fuzzer: the answer depends on the headers that the driver reads,
/// not on those at the time of the request.
#[test]
fn a_module_replaced_during_the_search_is_identified_by_its_headers() {
    let system = with("five code sections");
    assert_eq!(
        answer(&system, [set(100)]).reason(),
        Reason::TooManySections
    );
    let done_when_it_happens_at = |call| {
        (0..8).any(|section| {
            let fault = Fault::SectionFlags(TCPIP, section, SectionRight::Execute);
            answer(&system, [during(set(100), call, fault)]).reason() == Reason::Done
        })
    };
    let done: Vec<bool> = (0..CALLS).map(done_when_it_happens_at).collect();
    // With one code section less it is a sound driver.
    assert!(done[0], "before the first read");
    assert!(
        done.is_sorted_by(|before, after| before >= after),
        "{done:?}"
    );
    assert!(!done[usize::from(CALLS) - 1], "after the last read");
}

/// Other software may hook calls near a gate before or after the first query: the
/// number of intact calls is not part of the limit's identity.
#[test]
fn a_hooked_call_near_a_gate_between_queries_changes_nothing() {
    for system in [Configuration::x86(), Configuration::x64()] {
        let hooked = || Action::Happens(Fault::Detour(TCPIP));
        for steps in [
            [query(), hooked(), query(), set(100)],
            [hooked(), query(), query(), set(100)],
        ] {
            let response = answer(&system, steps);
            assert_eq!((response.reason(), response.values[0]), (Reason::Done, 100));
        }
    }
}

#[test]
fn calls_may_be_hooked_repeatedly_and_in_modules_without_any() {
    for build in [
        "tcpip-2003-sp2-x86",
        "tcpip-2003-sp2-x86-NoAnchor",
        "no headers",
    ] {
        let hooked = (0..64).map(|_| Action::Happens(Fault::Detour(TCPIP)).into());
        session::check(&Session {
            system: with(build),
            faults: Vec::new(),
            steps: hooked.chain([query().into()]).collect(),
        });
    }
}

/// One locked update less still locates the limit, on any build; but the module
/// then counts as changed.
#[test]
fn broken_code_is_located_or_refused_as_the_model_predicts() {
    for build in all().iter().filter(|build| build.located.is_ok()) {
        let module = build.specimen.spec.module;
        let place = Installed::with_build(&build.name);
        let (tcpip, tcpip6) = match module {
            Module::Tcpip => (place, None),
            Module::Tcpip6 => (None, place),
        };
        let system = match build.specimen.spec.arch {
            Arch::X86 => Configuration::x86(),
            Arch::X64 => Configuration::x64(),
        };
        let system = Configuration {
            tcpip,
            tcpip6,
            ..system
        };
        let ask = || Action::Query(module);
        let atomic = || Action::Happens(Fault::AtomicBroken(module));
        let gate = || Action::Happens(Fault::GateBroken(module));
        for (steps, reason) in [
            (vec![atomic(), ask()], Reason::Done),
            (vec![ask(), atomic(), ask()], Reason::Changed),
            (vec![gate(), ask()], Reason::EvidenceMissing),
            (vec![ask(), gate(), ask()], Reason::EvidenceMissing),
        ] {
            let response = answer(&system, steps);
            assert_eq!(response.reason(), reason, "{}", build.name);
        }
    }
}
