//! Every reason of the protocol, and its cause.

use simulation::kernel::{Configuration, Fault, ListState, ModulePage, Number, Settings, Value};
use simulation::session::{Action, Answer, SessionStep};
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, during, query, set, set_over, with, with_limit};

const TCPIP: Module = Module::Tcpip;

/// The answer to a set after a lasting fault.
fn after(fault: Fault) -> Answer {
    answer(&Configuration::x86(), [Action::Happens(fault), set(100)])
}

fn after_set(build: &str) -> Answer {
    answer(&with(build), [set(100)])
}

/// Provokes a refusal for this reason; its details.
fn reached(reason: Reason) -> Option<[u32; 2]> {
    let response = match reason {
        Reason::Done => answer(&Configuration::x86(), [set(100)]),
        Reason::NotLoaded => after(Fault::Unloaded(TCPIP)),
        Reason::Unusable => after(Fault::Unusable(TCPIP)),
        Reason::ListUnavailable => after(Fault::Listed(ListState::Fails)),
        Reason::ListDiffers => after(Fault::Listed(ListState::OtherBase)),
        Reason::HeadersUnreadable => after(Fault::PagedOut(TCPIP, ModulePage::Headers)),
        Reason::NotAnImage => after_set("no headers"),
        Reason::WrongMachine => after_set("for ARM"),
        Reason::Inconsistent => after_set("a section elsewhere"),
        Reason::TooManySections => after_set("five code sections"),
        Reason::CodeUnreadable => after(Fault::PagedOut(TCPIP, ModulePage::Code)),
        Reason::NoGate => after_set("tcpip-xp-sp3-x86-UnsignedJumps"),
        Reason::EvidenceMissing => after_set("tcpip-xp-sp3-x86-OneGate"),
        Reason::Ambiguous => after_set("tcpip-xp-sp3-x86-SecondCandidate"),
        Reason::TooManyCandidates => after_set("fourteen candidates"),
        Reason::Changed => {
            let broken = Action::Happens(Fault::AtomicBroken(TCPIP));
            answer(&Configuration::x86(), [query(), broken, set(100)])
        }
        Reason::LimitOutOfRange => answer(&Configuration::x86(), [set(16_777_216)]),
        // The locator refuses such headers before the policy does
        // (SameDataSection). `policy.rs` tests the policy.
        Reason::SectionRights => return None,
        Reason::PageInvalid => after(Fault::PagedOut(TCPIP, ModulePage::Limit)),
        Reason::PageReadOnly => after(Fault::Protected(TCPIP, ModulePage::Limit)),
        Reason::PageUnknown => after(Fault::RightsUnknown),
        Reason::ImplausibleValue => answer(&with_limit(u32::MAX), [set_over(u32::MAX, 100)]),
        Reason::UnexpectedValue => answer(&with_limit(50), [set(100)]),
        Reason::NotAsNamed => answer(&Configuration::x86(), [set_over(50, 100)]),
        Reason::ChangedMeanwhile | Reason::Overwritten => at_some_moment(reason),
        Reason::NotPermitted => after(Fault::ExchangeRefused),
        Reason::SettingUnreadable | Reason::GuardFailed => return at_start(reason),
        other => panic!("nothing here reaches {other:?}"),
    };
    assert_eq!(response.reason(), reason, "{response:?}");
    Some(response.detail)
}

/// Finds a moment during a set at which a change to 77 gives this reason.
fn at_some_moment(reason: Reason) -> Answer {
    let meanwhile = |call| during(set(100), call, Fault::Limit(TCPIP, Number(77)));
    (0..40)
        .map(|call| answer(&Configuration::x86(), [meanwhile(call)]))
        .find(|response| response.reason() == reason)
        .unwrap_or_else(|| panic!("at no moment {reason:?}"))
}

/// Provokes the refusal of a stored limit.
fn at_start(reason: Reason) -> Option<[u32; 2]> {
    let stored = |value| Configuration {
        settings: Settings {
            limit: [value, Value::Absent],
            ..Settings::NONE
        },
        ..Configuration::x86()
    };
    let response = match reason {
        Reason::SettingUnreadable => answer(&stored(Value::Unreadable), [query()]),
        _ => {
            // The power fails during the first start; the second finds the mark.
            let load = during(Action::Load, 0, Fault::GuardUnwritable);
            let unload: SessionStep = Action::Unload.into();
            let system = stored(Value::Number(Number(100)));
            answer(&system, [unload, load, query().into()])
        }
    };
    assert_eq!(response.start_reason(), reason, "{response:?}");
    Some([0; 2])
}

#[test]
fn every_reason_occurs_and_carries_its_details() {
    let mut never = Vec::new();
    for &reason in Reason::ALL {
        let Some(detail) = reached(reason) else {
            never.push(reason);
            continue;
        };
        let expected = match reason {
            Reason::Unusable => [0xC000_0022, 0],
            Reason::ListUnavailable => [0xC000_009A, 0],
            Reason::Inconsistent => [2, 0],
            Reason::LimitOutOfRange => [16_777_216, 0],
            Reason::ImplausibleValue => [u32::MAX, 0],
            Reason::UnexpectedValue => [50, 10],
            Reason::NotAsNamed => [10, 50],
            Reason::ChangedMeanwhile | Reason::Overwritten => [77, 0],
            // The locator's tests check the numbers.
            Reason::EvidenceMissing | Reason::Ambiguous => detail,
            _ => [0; 2],
        };
        assert_eq!(detail, expected, "{reason:?}");
    }
    assert_eq!(never, [Reason::SectionRights]);
}
