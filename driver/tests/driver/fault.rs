//! Each fault before each call of each of the driver's actions.

use simulation::kernel::{
    AddressLayout, BuildChoice, Configuration, DeviceId, Fault, ListState, ModulePage, Number,
    SectionRight, X86,
};
use simulation::session::{self, Action, Run, ScheduledFault, Session, SessionStep};
use specimen::Module;

use crate::session::{busy, during, legacy_get, legacy_set, query, reset, set};

const TCPIP: Module = Module::Tcpip;

/// A fault of each kind, and one for each page, right and device.
fn faults() -> Vec<Fault> {
    let mut faults = vec![
        Fault::Unloaded(TCPIP),
        Fault::Unusable(TCPIP),
        Fault::Replaced(TCPIP, BuildChoice(1)),
        Fault::Replaced(TCPIP, BuildChoice::named("impostor")),
        Fault::Replaced(TCPIP, BuildChoice::named("no headers")),
        Fault::Replaced(TCPIP, BuildChoice::named("tcpip-2003-sp2-x86-OneGate")),
        Fault::Moved(TCPIP),
        Fault::RightsUnknown,
        Fault::Limit(TCPIP, Number(77)),
        Fault::Limit(TCPIP, Number(u32::MAX)),
        Fault::HalfOpen(TCPIP, Number(9)),
        Fault::HalfOpen(TCPIP, Number(u32::MAX)),
        Fault::GateBroken(TCPIP),
        Fault::AtomicBroken(TCPIP),
        Fault::Detour(TCPIP),
        Fault::Headers(TCPIP, 0, 0xFF),
        Fault::Headers(TCPIP, 0xDE, 1),
        Fault::SettingsUnreadable,
        Fault::GuardUnreadable,
        Fault::GuardUnwritable,
        Fault::WriteRecordFails,
        Fault::ReadRecordFails,
        Fault::RecordCorrupted(TCPIP, 0, 1),
        Fault::RecordCorrupted(TCPIP, 12, 1),
        Fault::RecordCorrupted(TCPIP, 16, 1),
        Fault::RecordCorrupted(TCPIP, 20, 1),
        Fault::V0_1Record(TCPIP, Number(77), Number(10)),
        Fault::BootUnknown,
        Fault::ExchangeRefused,
        Fault::PowerFailure,
    ];
    for part in [
        ModulePage::Headers,
        ModulePage::Code,
        ModulePage::Limit,
        ModulePage::ExceptionTable,
    ] {
        faults.push(Fault::PagedOut(TCPIP, part));
        faults.push(Fault::Protected(TCPIP, part));
    }
    for right in [
        SectionRight::Discardable,
        SectionRight::NotPaged,
        SectionRight::Execute,
        SectionRight::Read,
        SectionRight::Write,
    ] {
        // .text, .rdata and .data.
        faults.extend((0..3).map(|section| Fault::SectionFlags(TCPIP, section, right)));
    }
    for state in ListState::FAULTY {
        faults.push(Fault::Listed(state));
    }
    for which in [DeviceId::Ours, DeviceId::Legacy] {
        faults.push(Fault::NotCreated(which));
        faults.push(Fault::NotProtected(which));
        faults.push(Fault::NotLinked(which));
    }
    faults
}

/// A few steps after a fault, with a new load.
fn then_reload(step: SessionStep) -> Vec<SessionStep> {
    let then = [query(), set(50), Action::Unload, Action::Load, query()];
    std::iter::once(step)
        .chain(then.map(SessionStep::from))
        .collect()
}

/// All kinds of steps after a fault.
fn then_all(step: SessionStep) -> Vec<SessionStep> {
    let steps = [query(), set(50), reset(), legacy_set(60), legacy_get()];
    let again = [Action::Unload, Action::Load, query(), set(70)];
    let restarted = [Action::Restart, Action::Load, query(), Action::Unload];
    let then = steps.into_iter().chain(again).chain(restarted);
    std::iter::once(step)
        .chain(then.map(SessionStep::from))
        .collect()
}

/// More calls than the driver makes for a request, and for a load with limits
/// to apply to both modules.
pub(crate) const CALLS: u8 = 28;
const CALLS_OF_LOAD: u8 = 70;

#[test]
fn the_tried_moments_cover_every_call() {
    let mut run = Run::<X86>::start(&busy(Configuration::x86()), AddressLayout::First);
    let mut calls = |action: Action| {
        let before = run.kernel().state().calls();
        run.step(&action.into());
        run.kernel().state().calls() - before
    };
    assert!((40..usize::from(CALLS_OF_LOAD)).contains(&calls(Action::Load)));
    for action in [query(), set(40), reset(), legacy_set(30)] {
        let calls = calls(action);
        assert!((10..usize::from(CALLS)).contains(&calls), "{calls}");
    }
}

#[test]
fn no_fault_during_a_request_causes_a_wrong_write() {
    for system in [Configuration::x86(), busy(Configuration::x64())] {
        for action in [query(), set(40), reset(), legacy_set(30)] {
            for fault in faults() {
                for call in 0..CALLS {
                    session::check(&Session {
                        system: system.clone(),
                        faults: Vec::new(),
                        steps: then_reload(during(action.clone(), call, fault)),
                    });
                }
            }
        }
    }
}

#[test]
fn no_fault_during_load_or_unload_causes_a_wrong_write() {
    for system in [busy(Configuration::x86()), busy(Configuration::x64())] {
        for fault in faults() {
            for call in 0..CALLS_OF_LOAD {
                let faults = vec![ScheduledFault { call, fault }];
                session::check(&Session {
                    system: system.clone(),
                    faults,
                    steps: then_reload(during(Action::Unload, call, fault)),
                });
            }
        }
    }
}

#[test]
fn driver_and_model_agree_after_each_lasting_fault() {
    for system in [
        Configuration::x86(),
        busy(Configuration::x86()),
        Configuration::x64(),
        busy(Configuration::x64()),
    ] {
        for fault in faults() {
            session::check(&Session {
                system: system.clone(),
                faults: Vec::new(),
                steps: then_all(Action::Happens(fault).into()),
            });
        }
    }
}
