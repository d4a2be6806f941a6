//! What the driver wrote is known until the next restart, of the same build only.

use simulation::kernel::{Choice, Configuration, Fault, Number};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, others_set, query, set};

const TCPIP: Module = Module::Tcpip;

#[test]
fn what_an_earlier_load_wrote_is_known_until_the_next_restart() {
    let reload = [Action::Unload, Action::Load];
    let steps = |then: Vec<Action>| {
        let set = std::iter::once(set(100));
        set.chain(reload.clone()).chain(then).collect::<Vec<_>>()
    };
    let said = answer(&Configuration::x86(), steps(vec![query()]));
    assert_eq!((said.written, said.original, said.flags & 8), (100, 10, 8));
    let said = answer(&Configuration::x86(), steps(vec![set(200)]));
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 200));
    assert_eq!((said.written, said.original, said.flags & 8), (200, 10, 0));
    // After a restart a limit of 100 is somebody else's.
    let restart = vec![Action::Restart, Action::Load, others_set(100), set(200)];
    let said = answer(&Configuration::x86(), steps(restart));
    assert_eq!(said.reason(), Reason::UnexpectedValue);
}

#[test]
fn a_limit_that_cannot_be_remembered_is_set_all_the_same() {
    let forgets = Action::Happens(Fault::Forgets);
    let said = answer(&Configuration::x86(), [forgets.clone(), set(100)]);
    assert_eq!((said.reason(), said.written), (Reason::Done, 100));
    let steps = [forgets, set(100), Action::Unload, Action::Load, set(200)];
    let said = answer(&Configuration::x86(), steps);
    assert_eq!(said.reason(), Reason::UnexpectedValue);
}

#[test]
fn what_the_driver_did_not_write_is_not_its_own_however_often_it_is_loaded() {
    let reload = [Action::Recreate, Action::Load];
    let steps = [set(55)].into_iter().chain(reload).chain([others_set(77)]);
    let said = answer(&Configuration::x86(), steps.chain([set(60)]));
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    assert_eq!((said.values[0], said.written, said.original), (77, 55, 10));
}

#[test]
fn what_was_written_in_another_start_of_the_system_counts_for_nothing() {
    // As if the key had survived a restart: the start's number is another.
    for byte in 20..28 {
        let garbled = Action::Happens(Fault::RecordGarbled(Module::Tcpip, byte, 1));
        let steps = [set(100), Action::Unload, garbled, Action::Load, set(200)];
        let said = answer(&Configuration::x86(), steps);
        assert_eq!(said.reason(), Reason::UnexpectedValue);
        assert_eq!((said.written, said.original), (0, 0));
    }
    let unknown = || Action::Happens(Fault::BootUnknown);
    let steps = [set(100), Action::Unload, unknown(), Action::Load, set(200)];
    assert_eq!(
        answer(&Configuration::x86(), steps).reason(),
        Reason::UnexpectedValue
    );
    // What is written then is known as long as the driver stays.
    let said = answer(&Configuration::x86(), [unknown(), set(100), set(200)]);
    assert_eq!((said.reason(), said.written), (Reason::Done, 200));
}

/// Installed over version 0.1.0 in a running system.
#[test]
fn what_version_0_1_0_wrote_is_taken_over_and_kept_when_its_service_goes() {
    let former = |last| Fault::FormerRecord(Module::Tcpip, Number(last), Number(10));
    let upgrade = |last| [others_set(55), Action::Happens(former(last))];
    let said = answer(
        &Configuration::x86(),
        upgrade(55).into_iter().chain([query()]),
    );
    assert_eq!((said.written, said.original, said.flags & 8), (55, 10, 8));
    let said = answer(
        &Configuration::x86(),
        upgrade(55).into_iter().chain([set(60)]),
    );
    assert_eq!(
        (said.reason(), said.written, said.original),
        (Reason::Done, 60, 10)
    );
    // Read once, it outlives the service.
    let gone = [query(), Action::Recreate, Action::Load, set(60)];
    let said = answer(&Configuration::x86(), upgrade(55).into_iter().chain(gone));
    assert_eq!((said.reason(), said.original), (Reason::Done, 10));
    // Another value than it wrote is still another's.
    let said = answer(
        &Configuration::x86(),
        upgrade(54).into_iter().chain([set(60)]),
    );
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    // Nor does it count where it can't be so.
    let nonsense = Fault::FormerRecord(Module::Tcpip, Number(55), Number(0));
    let steps = [others_set(55), Action::Happens(nonsense), set(60)];
    assert_eq!(
        answer(&Configuration::x86(), steps).reason(),
        Reason::UnexpectedValue
    );
    // What this version has written counts more.
    let late = [
        set(70),
        Action::Happens(former(55)),
        Action::Unload,
        Action::Load,
    ];
    let said = answer(&Configuration::x86(), late.into_iter().chain([query()]));
    assert_eq!((said.written, said.original), (70, 10));
    // Of another build it tells nothing.
    let replaced = Fault::Replaced(
        Module::Tcpip,
        simulation::kernel::Choice::named("tcpip-2003-sp2-x86-later"),
    );
    let steps = [
        Action::Happens(former(55)),
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
fn another_build_in_the_same_place_is_met_anew() {
    let replaced = Action::Happens(Fault::Replaced(
        TCPIP,
        Choice::named("tcpip-2003-sp2-x86-later"),
    ));
    let said = answer(&Configuration::x86(), [set(100), replaced, query()]);
    assert_eq!(
        (said.reason(), said.written, said.original),
        (Reason::Done, 0, 0)
    );
    // One that says of itself that it is the same, and is not.
    let impostor = Action::Happens(Fault::Replaced(TCPIP, Choice::named("impostor")));
    let said = answer(&Configuration::x86(), [set(100), impostor, set(50)]);
    assert_eq!(said.reason(), Reason::Changed);
}
