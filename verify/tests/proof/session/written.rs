//! What was written: remembered until the next restart, put back when asked,
//! and never lost between threads.

use std::thread;

use simulation::kernel::{Configuration, Fault, Number, Settings, Switch, System, World, X86};
use simulation::session::{Action, Answer, Run};
use specimen::Module;
use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::Reason;

use crate::session::{
    answer, legacy, legacy_get, legacy_set, others_set, query, reset, set, set_over, with_limit,
    x64, x86,
};

#[test]
fn a_limit_is_set_read_and_reset_on_both_systems() {
    for system in [x86(), x64()] {
        let said = answer(&system, [set(100)]);
        assert_eq!((said.reason(), said.values), (Reason::Done, [100, 3, 2]));
        let said = answer(&system, [set(100), query()]);
        assert_eq!(
            (said.values, said.written, said.original),
            ([100, 3, 2], 100, 10)
        );
        let said = answer(&system, [set(16_777_215), reset()]);
        assert_eq!(
            (said.values, said.written, said.original),
            ([10, 3, 2], 10, 10)
        );
    }
}

#[test]
fn a_program_of_2005_sets_and_reads() {
    let (fields, _) = legacy(&x86(), [legacy_set(100)]);
    assert_eq!(fields, [100, 3, 0]);
    let (fields, log) = legacy(&x86(), [legacy_set(100), legacy_get()]);
    assert_eq!(fields, [100, 3, 0]);
    assert!(log.contains("100"), "{log}");
    let (fields, log) = legacy(&x86(), [legacy_set(0)]);
    assert_eq!(fields, [10, 3, 1]);
    assert!(log.contains(Reason::LimitOutOfRange.text()), "{log}");
    // A limit of 0 is how these programs know that nothing was found.
    let (fields, log) = legacy(
        &x86(),
        [
            Action::Happens(Fault::Unloaded(Module::Tcpip)),
            legacy_get(),
        ],
    );
    assert_eq!(fields, [0, 0, 1]);
    assert!(log.contains(Reason::NotLoaded.text()), "{log}");
}

#[test]
fn what_an_earlier_load_wrote_is_known_until_the_next_restart() {
    let reload = [Action::Unload, Action::Load];
    let steps = |then: Vec<Action>| {
        let set = std::iter::once(set(100));
        set.chain(reload.clone()).chain(then).collect::<Vec<_>>()
    };
    let said = answer(&x86(), steps(vec![query()]));
    assert_eq!((said.written, said.original, said.flags & 8), (100, 10, 8));
    let said = answer(&x86(), steps(vec![set(200)]));
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 200));
    assert_eq!((said.written, said.original, said.flags & 8), (200, 10, 0));
    // After a restart a limit of 100 is somebody else's.
    let restart = vec![Action::Restart, Action::Load, others_set(100), set(200)];
    let said = answer(&x86(), steps(restart));
    assert_eq!(said.reason(), Reason::UnexpectedValue);
}

#[test]
fn a_limit_that_cannot_be_remembered_is_set_all_the_same() {
    let forgets = Action::Happens(Fault::Forgets);
    let said = answer(&x86(), [forgets.clone(), set(100)]);
    assert_eq!((said.reason(), said.written), (Reason::Done, 100));
    let steps = [forgets, set(100), Action::Unload, Action::Load, set(200)];
    let said = answer(&x86(), steps);
    assert_eq!(said.reason(), Reason::UnexpectedValue);
}

/// A program of 2005 from its driver's load to its end: it reads the limit, and
/// sets 150 where it is another.
fn life_of_2005() -> Vec<Action> {
    vec![
        Action::Recreate,
        Action::Load,
        legacy_get(),
        legacy_set(150),
    ]
}

#[test]
fn programs_of_2005_work_each_time_and_beside_ours() {
    // Three times over, with somebody's choice in between each time.
    let mut steps = vec![set(55)];
    for own in [60, 70, 80] {
        steps.extend(life_of_2005());
        let (fields, _) = legacy(&x86(), steps.clone());
        assert_eq!(fields, [150, 3, 0]);
        // Uninstalled, installed again, and set.
        steps.extend([Action::Recreate, Action::Load, set(own)]);
        let said = answer(&x86(), steps.clone());
        assert_eq!((said.reason(), said.values[0]), (Reason::Done, own));
        assert_eq!((said.written, said.original), (own, 10));
    }
    // A program that sets without looking is no stranger to itself.
    let again = [legacy_set(150), Action::Recreate, Action::Load];
    let steps = again.iter().cycle().take(9).cloned();
    let (fields, _) = legacy(&x86(), steps.chain([legacy_set(150)]));
    assert_eq!(fields, [150, 3, 0]);
}

#[test]
fn what_the_driver_did_not_write_is_not_its_own_however_often_it_is_loaded() {
    let reload = [Action::Recreate, Action::Load];
    let steps = [set(55)].into_iter().chain(reload).chain([others_set(77)]);
    let said = answer(&x86(), steps.chain([set(60)]));
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    assert_eq!((said.values[0], said.written, said.original), (77, 55, 10));
}

#[test]
fn a_limit_that_is_in_force_is_done_without_a_write_and_without_becoming_ours() {
    let system = with_limit(50);
    let said = answer(&system, [set(50)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 50));
    assert_eq!((said.written, said.original), (0, 0));
    let said = answer(&system, [set(50), set(60)]);
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    let (fields, _) = legacy(&system, [legacy_set(50)]);
    assert_eq!(fields, [50, 3, 0]);
    // The log of events has nothing to tell of it.
    let said = super::said(&system, [query(), set(50)]);
    assert_eq!(said[2].events, [] as [String; 0]);
    // What is expected by name must be there all the same.
    let said = answer(&system, [set_over(60, 50)]);
    assert_eq!((said.reason(), said.detail), (Reason::NotAsNamed, [50, 60]));
    assert_eq!(answer(&system, [set_over(50, 50)]).reason(), Reason::Done);
    // And it must be a limit.
    for nonsense in [0, 16_777_216, u32::MAX] {
        let said = answer(&with_limit(nonsense), [set(nonsense)]);
        assert_eq!(said.reason(), Reason::LimitOutOfRange);
    }
}

#[test]
fn a_limit_that_is_in_force_asks_for_no_rights_of_the_page() {
    let faults = [
        Fault::RightsUnknown,
        Fault::Protected(Module::Tcpip, simulation::kernel::Part::Limit),
        Fault::ExchangeRefused,
    ];
    for fault in faults {
        let happens = Action::Happens(fault);
        assert_eq!(
            answer(&x86(), [happens.clone(), set(10)]).reason(),
            Reason::Done
        );
        assert_ne!(answer(&x86(), [happens, set(11)]).reason(), Reason::Done);
    }
    let gone = Fault::PagedOut(Module::Tcpip, simulation::kernel::Part::Limit);
    let said = answer(&x86(), [Action::Happens(gone), set(10)]);
    assert_eq!(said.reason(), Reason::PageInvalid);
}

#[test]
fn what_was_written_in_another_start_of_the_system_counts_for_nothing() {
    // As if the key had survived a restart: the start's number is another.
    for byte in 20..28 {
        let garbled = Action::Happens(Fault::RecordGarbled(Module::Tcpip, byte, 1));
        let steps = [set(100), Action::Unload, garbled, Action::Load, set(200)];
        let said = answer(&x86(), steps);
        assert_eq!(said.reason(), Reason::UnexpectedValue);
        assert_eq!((said.written, said.original), (0, 0));
    }
    let unknown = || Action::Happens(Fault::BootUnknown);
    let steps = [set(100), Action::Unload, unknown(), Action::Load, set(200)];
    assert_eq!(answer(&x86(), steps).reason(), Reason::UnexpectedValue);
    // What is written then is known as long as the driver stays.
    let said = answer(&x86(), [unknown(), set(100), set(200)]);
    assert_eq!((said.reason(), said.written), (Reason::Done, 200));
}

/// Installed over version 0.1.0 in a running system.
#[test]
fn what_version_0_1_0_wrote_is_taken_over_and_kept_when_its_service_goes() {
    let former = |last| Fault::FormerRecord(Module::Tcpip, Number(last), Number(10));
    let upgrade = |last| [others_set(55), Action::Happens(former(last))];
    let said = answer(&x86(), upgrade(55).into_iter().chain([query()]));
    assert_eq!((said.written, said.original, said.flags & 8), (55, 10, 8));
    let said = answer(&x86(), upgrade(55).into_iter().chain([set(60)]));
    assert_eq!(
        (said.reason(), said.written, said.original),
        (Reason::Done, 60, 10)
    );
    // Read once, it outlives the service.
    let gone = [query(), Action::Recreate, Action::Load, set(60)];
    let said = answer(&x86(), upgrade(55).into_iter().chain(gone));
    assert_eq!((said.reason(), said.original), (Reason::Done, 10));
    // Another value than it wrote is still another's.
    let said = answer(&x86(), upgrade(54).into_iter().chain([set(60)]));
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    // Nor does it count where it can't be so.
    let nonsense = Fault::FormerRecord(Module::Tcpip, Number(55), Number(0));
    let steps = [others_set(55), Action::Happens(nonsense), set(60)];
    assert_eq!(answer(&x86(), steps).reason(), Reason::UnexpectedValue);
    // What this version has written counts more.
    let late = [
        set(70),
        Action::Happens(former(55)),
        Action::Unload,
        Action::Load,
    ];
    let said = answer(&x86(), late.into_iter().chain([query()]));
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
    assert_eq!(answer(&x86(), steps).reason(), Reason::UnexpectedValue);
}

fn restoring(system: Configuration) -> Configuration {
    Configuration {
        settings: Settings {
            restore: Switch::ON,
            ..Settings::NONE
        },
        ..system
    }
}

/// The limit of tcpip.sys once all is done.
fn left(system: &Configuration, steps: &[Action]) -> u32 {
    let mut run = Run::<X86>::start(system, World::First);
    run.step(&Action::Load.into());
    for step in steps {
        run.step(&step.clone().into());
    }
    assert!(!run.is_loaded());
    let state = run.kernel().state();
    let tcpip = state.loaded(Module::Tcpip).expect("it is loaded");
    tcpip.dword(tcpip.threshold())
}

#[test]
fn at_unload_the_limit_is_put_back_only_if_asked_and_only_if_it_is_ours() {
    let unload = || Action::Unload;
    assert_eq!(left(&x86(), &[set(100), unload()]), 100);
    assert_eq!(left(&restoring(x86()), &[set(100), unload()]), 10);
    assert_eq!(left(&restoring(x86()), &[set(100), set(200), unload()]), 10);
    // What was there first comes back, not 10.
    let patched = restoring(with_limit(50));
    assert_eq!(left(&patched, &[set_over(50, 100), unload()]), 50);
    // What an earlier load wrote is ours too.
    let reload = [
        set(100),
        Action::Happens(Fault::SettingsUnreadable),
        unload(),
    ];
    assert_eq!(left(&restoring(x86()), &reload), 10);
    // Somebody else's is not.
    assert_eq!(
        left(&restoring(x86()), &[set(100), others_set(77), unload()]),
        77
    );
    assert_eq!(left(&restoring(x86()), &[others_set(77), unload()]), 77);
    assert_eq!(left(&restoring(x86()), &[unload()]), 10);
}

#[test]
fn the_peak_is_the_most_that_any_query_saw() {
    let half_open = |count| Action::Happens(Fault::HalfOpen(Module::Tcpip, Number(count)));
    let steps = [half_open(9), query(), half_open(4), query()];
    let said = answer(&x86(), steps.clone());
    assert_eq!((said.values[1], said.peak), (4, 9));
    // An update that is half done looks like four thousand millions.
    let passing = steps.into_iter().chain([half_open(u32::MAX), query()]);
    assert_eq!(answer(&x86(), passing).peak, 9);
}

/// Each thread's writes replace what another thread's wrote, and none is lost.
#[test]
fn threads_come_one_after_the_other() {
    let kernel = System::<X86>::start(&x86(), World::First);
    let exclusion = kernel.exclusion();
    let driver = Driver::new(kernel, exclusion);
    driver.load().expect("it loads");
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let driver = &driver;
            scope.spawn(move || {
                for number in 0..50 {
                    let limit = 1000 * (thread + 1) + number;
                    let fields = [20, 1, 4, limit, 0_u32];
                    let mut buffer: Vec<u8> =
                        fields.into_iter().flat_map(u32::to_le_bytes).collect();
                    buffer.resize(104, 0);
                    let code = 0x22_E404;
                    let done = driver.control(Device::Ours, code, &mut buffer, 20, 104);
                    assert_eq!(done.information, 104);
                    let said = Answer::read(&buffer);
                    assert_eq!((said.reason(), said.values[0]), (Reason::Done, limit));
                }
            });
        }
    });
    let state = driver.kernel().state();
    assert_eq!(state.exchanges.len(), 200);
    let mut now = 10;
    for exchange in &state.exchanges {
        assert_eq!(exchange.current, now, "a write was lost");
        now = exchange.limit;
    }
    assert_eq!(state.violations(), &[] as &[String]);
}
