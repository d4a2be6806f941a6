//! Limits applied when the driver is loaded, and the mark that keeps a failed
//! start from failing again.

use simulation::kernel::{AddressLayout, Configuration, Fault, Number, Settings, Value, X86};
use simulation::session::{Action, Answer, Run, ScheduledFault, SessionStep};
use specimen::Module;
use tcplimit_protocol::{Reason, Start};

use crate::session::{answer, others_set, query, results, set, with_limit};

fn stored(limit: [Value; 2], expect: [Value; 2]) -> Configuration {
    Configuration {
        settings: Settings {
            limit,
            expect,
            ..Settings::NONE
        },
        ..Configuration::x86()
    }
}

const NONE: Value = Value::Absent;

fn number(number: u32) -> Value {
    Value::Number(Number(number))
}

fn start(answer: &Answer) -> Option<Start> {
    Start::from_code(answer.start)
}

fn query6() -> Action {
    Action::Query(Module::Tcpip6)
}

#[test]
fn a_stored_limit_is_applied_to_its_own_module_at_start() {
    let system = stored([number(100), NONE], [NONE; 2]);
    let response = answer(&system, [query()]);
    assert_eq!((response.values[0], response.configured), (100, 100));
    assert_eq!(start(&response), Some(Start::Applied));
    let response = answer(&system, [query6()]);
    assert_eq!((response.values[0], response.configured), (10, 0));
    assert_eq!(start(&response), Some(Start::NotConfigured));

    let system = stored([NONE, number(200)], [NONE; 2]);
    assert_eq!(answer(&system, [query()]).values[0], 10);
    assert_eq!(answer(&system, [query6()]).values[0], 200);
}

#[test]
fn an_invalid_stored_limit_is_refused_and_stops_nothing() {
    for limit in [0, 16_777_216, u32::MAX] {
        let system = stored([number(limit), number(200)], [NONE; 2]);
        let response = answer(&system, [query()]);
        assert_eq!(
            (response.values[0], start(&response)),
            (10, Some(Start::Refused))
        );
        assert_eq!(response.start_reason(), Reason::LimitOutOfRange);
        assert_eq!(answer(&system, [query6()]).values[0], 200);
    }
}

#[test]
fn a_foreign_limit_is_replaced_at_start_only_if_expect_names_it() {
    let patched = |expect| {
        let settings = stored([number(100), NONE], [expect, NONE]).settings;
        Configuration {
            settings,
            ..with_limit(50)
        }
    };
    let response = answer(&patched(NONE), [query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (50, Some(Start::Refused))
    );
    assert_eq!(response.start_reason(), Reason::UnexpectedValue);
    let response = answer(&patched(number(51)), [query()]);
    assert_eq!(response.start_reason(), Reason::UnexpectedValue);
    let response = answer(&patched(number(50)), [query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (100, Some(Start::Applied))
    );
}

/// An update may undo the patch, and a driver loaded again finds its own limit:
/// both are expected.
#[test]
fn expect_also_allows_ten_and_the_drivers_own_limit() {
    let system = stored([number(100), NONE], [number(50), NONE]);
    let response = answer(&system, [query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (100, Some(Start::Applied))
    );
    let response = answer(&system, [set(200), Action::Unload, Action::Load, query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (100, Some(Start::Applied))
    );
}

#[test]
fn in_safe_mode_nothing_is_applied_and_requests_still_work() {
    let system = Configuration {
        safe_mode: true,
        ..stored([number(100), number(200)], [NONE; 2])
    };
    let response = answer(&system, [query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (10, Some(Start::SafeMode))
    );
    assert_eq!(answer(&system, [set(300)]).values[0], 300);
}

#[test]
fn a_failed_start_is_not_retried_until_a_set_succeeds() {
    let system = Configuration {
        guard: true,
        ..stored([number(100), NONE], [NONE; 2])
    };
    let response = answer(&system, [query()]);
    assert_eq!(
        (response.values[0], start(&response)),
        (10, Some(Start::Guarded))
    );
    // Neither a restart alone nor a refused set helps.
    let again = [Action::Restart, Action::Load, query()];
    let response = answer(&system, again.clone());
    assert_eq!(start(&response), Some(Start::Guarded));
    let response = answer(&system, std::iter::once(set(0)).chain(again.clone()));
    assert_eq!(start(&response), Some(Start::Guarded));
    // A successful set helps, and so does a reset.
    for works in [
        set(60),
        crate::session::reset(),
        crate::session::legacy_set(70),
    ] {
        let response = answer(&system, std::iter::once(works).chain(again.clone()));
        assert_eq!(
            (response.values[0], start(&response)),
            (100, Some(Start::Applied))
        );
    }
}

/// The power fails before each call of a start in turn. If the limit was written
/// by then, the next start must not apply it.
#[test]
fn a_start_that_crashes_after_its_write_is_not_repeated() {
    let system = stored([number(100), number(200)], [NONE; 2]);
    let (mut died, mut guarded) = (0, 0);
    for call in 0..80 {
        let mut run = Run::<X86>::start(&system, AddressLayout::First);
        let whole = SessionStep {
            action: Action::Load,
            faults: vec![ScheduledFault {
                call,
                fault: Fault::PowerFailure,
            }],
        };
        run.step(&whole);
        if run.is_loaded() {
            break;
        }
        died += 1;
        let mark = run.kernel().state().guard;
        run.step(&Action::Load.into());
        let response = Answer::read(&run.step(&query().into()).output);
        let expected = if mark { Start::Guarded } else { Start::Applied };
        assert_eq!(start(&response), Some(expected), "at call {call}");
        guarded += u32::from(mark);
    }
    // Four calls for each device, and those that read settings, come before the
    // mark; most come after it.
    assert!(died > 20 && guarded > died / 2, "{guarded} of {died}");
}

#[test]
fn the_start_mark_exists_only_while_limits_are_applied() {
    let system = stored([number(100), NONE], [NONE; 2]);
    let mut run = Run::<X86>::start(&system, AddressLayout::First);
    run.step(&Action::Load.into());
    assert!(!run.kernel().state().guard);
    assert_eq!(run.kernel().state().exchanges.len(), 1);
}

#[test]
fn without_a_stored_limit_the_mark_is_never_touched() {
    for guard in [false, true] {
        let system = Configuration {
            guard,
            ..Configuration::x86()
        };
        let mut run = Run::<X86>::start(&system, AddressLayout::First);
        run.step(&Action::Load.into());
        assert_eq!(run.kernel().state().guard, guard);
    }
}

/// A mark left by an earlier start, or by a failed write, is removed before
/// another limit is stored.
#[test]
fn a_manual_set_removes_a_mark_without_a_stored_limit() {
    let left = Configuration {
        guard: true,
        ..Configuration::x86()
    };
    let mut run = Run::<X86>::start(&left, AddressLayout::First);
    run.step(&Action::Load.into());
    run.step(&set(100).into());
    assert!(!run.kernel().state().guard);

    let system = stored([number(100), NONE], [NONE; 2]);
    let half = Configuration {
        safe_mode: true,
        guard: true,
        ..system
    };
    let mut run = Run::<X86>::start(&half, AddressLayout::First);
    run.step(&Action::Load.into());
    run.step(&set(200).into());
    assert!(!run.kernel().state().guard);
}

#[test]
fn unapplied_limits_are_logged() {
    let system = stored([number(100), NONE], [NONE; 2]);
    let events = &results(
        &Configuration {
            guard: true,
            ..system.clone()
        },
        [query()],
    )[0]
    .events;
    assert!(
        events.iter().any(|event| event.contains("not applied")),
        "{events:?}"
    );
    let mut patched = system;
    patched.tcpip = with_limit(50).tcpip;
    let events = &results(&patched, [query()])[0].events;
    let reason = Reason::UnexpectedValue.text();
    assert!(
        events.iter().any(|event| event.ends_with(reason)),
        "{events:?}"
    );
    // The other module's limit is unchanged.
    assert_eq!(answer(&patched, [others_set(50), query()]).values[0], 50);
}
