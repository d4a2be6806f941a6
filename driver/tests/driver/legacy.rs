//! The legacy interface of 2005.

use simulation::kernel::{Configuration, Fault};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, legacy, legacy_get, legacy_set, set};

#[test]
fn a_program_of_2005_sets_and_reads() {
    let (fields, _) = legacy(&Configuration::x86(), [legacy_set(100)]);
    assert_eq!(fields, [100, 3, 0]);
    let (fields, log) = legacy(&Configuration::x86(), [legacy_set(100), legacy_get()]);
    assert_eq!(fields, [100, 3, 0]);
    assert!(log.contains("100"), "{log}");
    let (fields, log) = legacy(&Configuration::x86(), [legacy_set(0)]);
    assert_eq!(fields, [10, 3, 1]);
    assert!(log.contains(Reason::LimitOutOfRange.text()), "{log}");
    // These programs take a limit of 0 for a failure.
    let (fields, log) = legacy(
        &Configuration::x86(),
        [
            Action::Happens(Fault::Unloaded(Module::Tcpip)),
            legacy_get(),
        ],
    );
    assert_eq!(fields, [0, 0, 1]);
    assert!(log.contains(Reason::NotLoaded.text()), "{log}");
}

/// A program of 2005 from its driver's load to its end: it reads the limit, and
/// sets it to 150 if it differs.
fn legacy_lifecycle() -> Vec<Action> {
    vec![
        Action::Recreate,
        Action::Load,
        legacy_get(),
        legacy_set(150),
    ]
}

#[test]
fn programs_of_2005_work_repeatedly_and_beside_ours() {
    // Three times, with another limit set in between.
    let mut steps = vec![set(55)];
    for own in [60, 70, 80] {
        steps.extend(legacy_lifecycle());
        let (fields, _) = legacy(&Configuration::x86(), steps.clone());
        assert_eq!(fields, [150, 3, 0]);
        // Uninstalled, installed again, and set.
        steps.extend([Action::Recreate, Action::Load, set(own)]);
        let response = answer(&Configuration::x86(), steps.clone());
        assert_eq!((response.reason(), response.values[0]), (Reason::Done, own));
        assert_eq!((response.written, response.original), (own, 10));
    }
    // A program may set its own limit again without reading it.
    let again = [legacy_set(150), Action::Recreate, Action::Load];
    let steps = again.iter().cycle().take(9).cloned();
    let (fields, _) = legacy(&Configuration::x86(), steps.chain([legacy_set(150)]));
    assert_eq!(fields, [150, 3, 0]);
}
