//! The driver's writes are known until the next restart, for the same build only.

use simulation::kernel::{BuildChoice, Configuration, Fault, Number};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, others_set, query, results, set};

const TCPIP: Module = Module::Tcpip;

#[test]
fn writes_of_an_earlier_load_are_known_until_the_next_restart() {
    let reload = [Action::Unload, Action::Load];
    let steps = |then: Vec<Action>| {
        let set = std::iter::once(set(100));
        set.chain(reload.clone()).chain(then).collect::<Vec<_>>()
    };
    let response = answer(&Configuration::x86(), steps(vec![query()]));
    assert_eq!(
        (response.written, response.original, response.flags & 8),
        (100, 10, 8)
    );
    let response = answer(&Configuration::x86(), steps(vec![set(200)]));
    assert_eq!((response.reason(), response.values[0]), (Reason::Done, 200));
    assert_eq!(
        (response.written, response.original, response.flags & 8),
        (200, 10, 0)
    );
    // After a restart a limit of 100 is foreign.
    let restart = vec![Action::Restart, Action::Load, others_set(100), set(200)];
    let response = answer(&Configuration::x86(), steps(restart));
    assert_eq!(response.reason(), Reason::UnexpectedValue);
}

#[test]
fn a_limit_is_set_even_if_it_cannot_be_recorded() {
    let unrecorded = Action::Happens(Fault::WriteRecordFails);
    let response = answer(&Configuration::x86(), [unrecorded.clone(), set(100)]);
    assert_eq!((response.reason(), response.written), (Reason::Done, 100));
    let steps = [unrecorded, set(100), Action::Unload, Action::Load, set(200)];
    let response = answer(&Configuration::x86(), steps);
    assert_eq!(response.reason(), Reason::UnexpectedValue);
}

#[test]
fn a_foreign_limit_stays_foreign_across_loads() {
    let reload = [Action::Recreate, Action::Load];
    let steps = [set(55)].into_iter().chain(reload).chain([others_set(77)]);
    let response = answer(&Configuration::x86(), steps.chain([set(60)]));
    assert_eq!(response.reason(), Reason::UnexpectedValue);
    assert_eq!(
        (response.values[0], response.written, response.original),
        (77, 55, 10)
    );
}

#[test]
fn a_record_of_an_earlier_boot_is_ignored() {
    // As if the key had survived a restart: the boot's number differs.
    for byte in 20..28 {
        let record_corrupted = Action::Happens(Fault::RecordCorrupted(Module::Tcpip, byte, 1));
        let steps = [
            set(100),
            Action::Unload,
            record_corrupted,
            Action::Load,
            set(200),
        ];
        let response = answer(&Configuration::x86(), steps);
        assert_eq!(response.reason(), Reason::UnexpectedValue);
        assert_eq!((response.written, response.original), (0, 0));
    }
    let unknown = || Action::Happens(Fault::BootUnknown);
    let steps = [set(100), Action::Unload, unknown(), Action::Load, set(200)];
    assert_eq!(
        answer(&Configuration::x86(), steps).reason(),
        Reason::UnexpectedValue
    );
    // Later writes are known as long as the driver stays loaded.
    let response = answer(&Configuration::x86(), [unknown(), set(100), set(200)]);
    assert_eq!((response.reason(), response.written), (Reason::Done, 200));
}

/// This version replaces version 0.1.0 in a running system.
#[test]
fn a_record_of_version_0_1_0_is_imported_and_outlives_its_service() {
    let old_record = |last| Fault::V0_1Record(Module::Tcpip, Number(last), Number(10));
    let upgrade = |last| [others_set(55), Action::Happens(old_record(last))];
    let response = answer(
        &Configuration::x86(),
        upgrade(55).into_iter().chain([query()]),
    );
    assert_eq!(
        (response.written, response.original, response.flags & 8),
        (55, 10, 8)
    );
    let response = answer(
        &Configuration::x86(),
        upgrade(55).into_iter().chain([set(60)]),
    );
    assert_eq!(
        (response.reason(), response.written, response.original),
        (Reason::Done, 60, 10)
    );
    // Once read, the record outlives the service.
    let gone = [query(), Action::Recreate, Action::Load, set(60)];
    let response = answer(&Configuration::x86(), upgrade(55).into_iter().chain(gone));
    assert_eq!((response.reason(), response.original), (Reason::Done, 10));
    // A value that it did not write is foreign.
    let response = answer(
        &Configuration::x86(),
        upgrade(54).into_iter().chain([set(60)]),
    );
    assert_eq!(response.reason(), Reason::UnexpectedValue);
    // An impossible record is ignored.
    let nonsense = Fault::V0_1Record(Module::Tcpip, Number(55), Number(0));
    let steps = [others_set(55), Action::Happens(nonsense), set(60)];
    assert_eq!(
        answer(&Configuration::x86(), steps).reason(),
        Reason::UnexpectedValue
    );
    // A record of this version takes precedence.
    let late = [
        set(70),
        Action::Happens(old_record(55)),
        Action::Unload,
        Action::Load,
    ];
    let response = answer(&Configuration::x86(), late.into_iter().chain([query()]));
    assert_eq!((response.written, response.original), (70, 10));
    // A record of another build is ignored.
    let replaced = Fault::Replaced(
        Module::Tcpip,
        simulation::kernel::BuildChoice::named("tcpip-2003-sp2-x86-later"),
    );
    let steps = [
        Action::Happens(old_record(55)),
        Action::Happens(replaced),
        others_set(55),
        set(60),
    ];
    assert_eq!(
        answer(&Configuration::x86(), steps).reason(),
        Reason::UnexpectedValue
    );
}

#[test]
fn another_build_at_the_same_address_starts_a_new_history() {
    let replaced = Action::Happens(Fault::Replaced(
        TCPIP,
        BuildChoice::named("tcpip-2003-sp2-x86-later"),
    ));
    let response = answer(&Configuration::x86(), [set(100), replaced, query()]);
    assert_eq!(
        (response.reason(), response.written, response.original),
        (Reason::Done, 0, 0)
    );
    // A different build with the same identity.
    let impostor = Action::Happens(Fault::Replaced(TCPIP, BuildChoice::named("impostor")));
    let response = answer(&Configuration::x86(), [set(100), impostor, set(50)]);
    assert_eq!(response.reason(), Reason::Changed);
}

#[test]
fn whether_the_limit_is_located_is_logged_once_and_when_it_changes() {
    let gone = Action::Happens(Fault::Unloaded(TCPIP));
    let steps = [query(), query(), gone, query(), query()];
    let steps = results(&Configuration::x86(), steps);
    let logged = |step: usize, text: &str| {
        let mut events = steps[step].events.iter();
        events.any(|event| event.contains(text))
    };
    let (located, not_located) = (
        "the limit of half-open connections was located",
        "was not located",
    );
    // Step 0 is the load.
    let found: Vec<_> = (1..6)
        .map(|step| (logged(step, located), logged(step, not_located)))
        .collect();
    let (yes, no, none) = ((true, false), (false, true), (false, false));
    assert_eq!(found, [yes, none, none, no, none]);
}
