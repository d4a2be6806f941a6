//! Each fault at each moment of each thing that the driver does.

use simulation::kernel::{
    Choice, Configuration, Fault, Listing, Number, Part, PathStyle, Right, Says, Settings, Switch,
    Value, Which, World, X86,
};
use simulation::session::{self, Action, Armed, Run, Session, Step};
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{
    answer, during, legacy, legacy_get, legacy_set, others_set, query, reset, set, with, x64, x86,
};

const TCPIP: Module = Module::Tcpip;

/// One of each kind, and of kinds with places one of each place.
fn faults() -> Vec<Fault> {
    let mut faults = vec![
        Fault::Unloaded(TCPIP),
        Fault::Unusable(TCPIP),
        Fault::Replaced(TCPIP, Choice(1)),
        Fault::Replaced(TCPIP, Choice::named("impostor")),
        Fault::Replaced(TCPIP, Choice::named("no headers")),
        Fault::Replaced(TCPIP, Choice::named("tcpip-2003-sp2-x86-OneGate")),
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
        Fault::Forgets,
        Fault::RecallFails,
        Fault::RecordGarbled(TCPIP, 0, 1),
        Fault::RecordGarbled(TCPIP, 12, 1),
        Fault::RecordGarbled(TCPIP, 16, 1),
        Fault::RecordGarbled(TCPIP, 20, 1),
        Fault::FormerRecord(TCPIP, Number(77), Number(10)),
        Fault::BootUnknown,
        Fault::ExchangeRefused,
        Fault::PowerFailure,
    ];
    for part in [Part::Headers, Part::Code, Part::Limit, Part::ExceptionTable] {
        faults.push(Fault::PagedOut(TCPIP, part));
        faults.push(Fault::Protected(TCPIP, part));
    }
    for right in [
        Right::Discardable,
        Right::NotPaged,
        Right::Execute,
        Right::Read,
        Right::Write,
    ] {
        // .text, .rdata and .data.
        faults.extend((0..3).map(|section| Fault::SectionFlags(TCPIP, section, right)));
    }
    for says in [
        Says::Nothing,
        Says::OtherBase,
        Says::OtherSize,
        Says::OtherName,
        Says::NameTwice,
        Says::BaseTwice,
        Says::Fails,
        Says::FailsAtItsEnd,
    ] {
        faults.push(Fault::Listed(says));
    }
    for which in [Which::Ours, Which::Legacy] {
        faults.push(Fault::NotCreated(which));
        faults.push(Fault::NotProtected(which));
        faults.push(Fault::NotLinked(which));
    }
    faults
}

/// A driver with all to do: stored limits, an unload that puts them back.
fn busy(system: Configuration) -> Configuration {
    Configuration {
        settings: Settings {
            limit: [Value::Number(Number(100)), Value::Number(Number(200))],
            restore: Switch::ON,
            ..Settings::NONE
        },
        ..system
    }
}

/// What happens after a fault: a little, and a new load.
fn then(step: Step) -> Vec<Step> {
    let then = [query(), set(50), Action::Unload, Action::Load, query()];
    std::iter::once(step).chain(then.map(Step::from)).collect()
}

/// What happens after a fault: all that can.
fn then_all(step: Step) -> Vec<Step> {
    let asked = [query(), set(50), reset(), legacy_set(60), legacy_get()];
    let again = [Action::Unload, Action::Load, query(), set(70)];
    let restarted = [Action::Restart, Action::Load, query(), Action::Unload];
    let then = asked.into_iter().chain(again).chain(restarted);
    std::iter::once(step).chain(then.map(Step::from)).collect()
}

/// More calls than the driver makes for a request, and for a load with limits
/// to apply to both modules.
const CALLS: u8 = 28;
const CALLS_OF_LOAD: u8 = 70;

#[test]
fn the_moments_that_are_tried_are_all_there_are() {
    let mut run = Run::<X86>::start(&busy(x86()), World::First);
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
fn no_fault_at_any_moment_of_a_request_makes_the_driver_write_what_it_must_not() {
    for system in [x86(), busy(x64())] {
        for action in [query(), set(40), reset(), legacy_set(30)] {
            for fault in faults() {
                for call in 0..CALLS {
                    session::check(&Session {
                        system: system.clone(),
                        faults: Vec::new(),
                        steps: then(during(action.clone(), call, fault)),
                    });
                }
            }
        }
    }
}

#[test]
fn no_fault_at_any_moment_of_load_and_unload_makes_the_driver_write_what_it_must_not() {
    for system in [busy(x86()), busy(x64())] {
        for fault in faults() {
            for call in 0..CALLS_OF_LOAD {
                let faults = vec![Armed { call, fault }];
                session::check(&Session {
                    system: system.clone(),
                    faults,
                    steps: then(during(Action::Unload, call, fault)),
                });
            }
        }
    }
}

#[test]
fn after_each_fault_that_lasts_the_driver_says_what_the_model_says() {
    for system in [x86(), busy(x86()), x64(), busy(x64())] {
        for fault in faults() {
            session::check(&Session {
                system: system.clone(),
                faults: Vec::new(),
                steps: then_all(Action::Happens(fault).into()),
            });
        }
    }
}

#[test]
fn a_write_that_others_undo_at_once_is_told_as_overwritten() {
    let mut seen = Vec::new();
    for call in 0..28 {
        let said = answer(
            &x86(),
            [during(set(100), call, Fault::Limit(TCPIP, Number(77)))],
        );
        seen.push(said.reason());
        if said.reason() == Reason::Overwritten {
            assert_eq!((said.values[0], said.written, said.original), (77, 100, 10));
        }
    }
    // First seen before the check, then between check and write, then after.
    seen.dedup();
    assert_eq!(
        seen[..3],
        [
            Reason::UnexpectedValue,
            Reason::ChangedMeanwhile,
            Reason::Overwritten
        ]
    );
}

#[test]
fn a_page_that_goes_away_after_the_write_does_not_turn_it_into_a_refusal() {
    for call in 0..28 {
        let fault = Fault::PagedOut(TCPIP, Part::Limit);
        let said = answer(&x86(), [during(set(100), call, fault)]);
        let wrote = said.written == 100;
        let tells = matches!(said.reason(), Reason::Done | Reason::Overwritten);
        assert_eq!(wrote, tells, "{said:?}");
    }
}

/// The fuzzer's find, spelt out: what the driver must say rests on the headers
/// that it reads, not on those that were there when it was called.
#[test]
fn a_module_that_becomes_another_while_it_is_found_is_taken_for_what_its_headers_say() {
    let system = with("five code sections");
    assert_eq!(
        answer(&system, [set(100)]).reason(),
        Reason::TooManySections
    );
    let done_when_it_happens_at = |call| {
        (0..8).any(|section| {
            let fault = Fault::SectionFlags(TCPIP, section, Right::Execute);
            answer(&system, [during(set(100), call, fault)]).reason() == Reason::Done
        })
    };
    let done: Vec<bool> = (0..CALLS).map(done_when_it_happens_at).collect();
    // With one section of code less it is a sound driver.
    assert!(done[0], "before anything is read");
    assert!(
        done.is_sorted_by(|before, after| before >= after),
        "{done:?}"
    );
    assert!(!done[usize::from(CALLS) - 1], "after all is read");
}

/// Other software may hook calls near a gate before or after the first query: how
/// many are whole is not part of where the limit is.
#[test]
fn a_call_near_a_gate_that_is_hooked_between_two_queries_changes_nothing() {
    for system in [x86(), x64()] {
        let hooked = || Action::Happens(Fault::Detour(TCPIP));
        for steps in [
            [query(), hooked(), query(), set(100)],
            [hooked(), query(), query(), set(100)],
        ] {
            let said = answer(&system, steps);
            assert_eq!((said.reason(), said.values[0]), (Reason::Done, 100));
        }
    }
}

#[test]
fn calls_may_be_hooked_again_and_again_and_in_modules_that_have_none() {
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

#[test]
fn unknown_rights_are_a_no_unless_the_test_only_value_is_one() {
    let accepting = |accept_unknown_rights, rights_known| Configuration {
        rights_known,
        settings: Settings {
            accept_unknown_rights,
            ..Settings::NONE
        },
        ..x86()
    };
    for switch in [
        Switch(Value::Absent),
        Switch(Value::Unreadable),
        Switch(Value::Number(Number(0))),
        Switch(Value::Number(Number(2))),
        Switch(Value::Number(Number(u32::MAX))),
    ] {
        let said = answer(&accepting(switch, false), [set(100)]);
        assert_eq!(said.reason(), Reason::PageUnknown, "{switch:?}");
        assert_eq!((said.values[0], said.flags & 1), (10, 0));
        let (fields, log) = legacy(&accepting(switch, false), [legacy_set(100)]);
        assert_eq!(fields, [10, 3, 1]);
        assert!(log.contains(Reason::PageUnknown.text()), "{log}");
    }
    let said = answer(&accepting(Switch::ON, false), [set(100)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 100));
    assert_eq!(said.flags & 1, 1, "and the answer shows that it is set");
    // Read-only is read-only.
    let protected = Action::Happens(Fault::Protected(TCPIP, Part::Limit));
    let said = answer(&accepting(Switch::ON, true), [protected, set(100)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::PageReadOnly, 10));
}

/// Where nothing confirms where a module lies its limit is shown, and changed
/// only together with the test-only value, also to what it is.
#[test]
fn a_module_without_an_entry_in_the_list_is_looked_at_and_not_changed() {
    let unlisted = || Action::Happens(Fault::Listed(Says::Nothing));
    let said = answer(&x86(), [unlisted(), query()]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 10));
    assert_eq!(said.flags & 4, 4);
    for sets in [set(100), set(10), set(0), reset(), super::set_over(10, 100)] {
        let said = answer(&x86(), [unlisted(), sets]);
        assert_eq!((said.reason(), said.detail), (Reason::ListDiffers, [0; 2]));
        assert_eq!((said.values[0], said.flags & 4), (10, 4));
    }
    let (fields, log) = legacy(&x86(), [unlisted(), legacy_set(100)]);
    assert_eq!(fields, [10, 3, 1]);
    assert!(log.contains(Reason::ListDiffers.text()), "{log}");
    // Nor is a stored limit applied, or one put back at unload.
    let asked = Action::Query(TCPIP);
    let hidden = Configuration {
        list: Listing {
            says: Says::Nothing,
            ..x86().list
        },
        ..busy(x86())
    };
    let said = answer(&hidden, [asked]);
    assert_eq!(
        (said.values[0], said.start_reason()),
        (10, Reason::ListDiffers)
    );

    let accepting = Configuration {
        settings: Settings {
            accept_unknown_rights: Switch::ON,
            ..Settings::NONE
        },
        ..x86()
    };
    let said = answer(&accepting, [unlisted(), set(100)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 100));
    let said = answer(&x86(), [set(100)]);
    assert_eq!((said.reason(), said.flags & 4), (Reason::Done, 0));
    for says in [
        Says::OtherBase,
        Says::OtherSize,
        Says::OtherName,
        Says::NameTwice,
        Says::BaseTwice,
    ] {
        let listed = Action::Happens(Fault::Listed(says));
        let said = answer(&x86(), [listed, set(100)]);
        assert_eq!(said.reason(), Reason::ListDiffers, "{says:?}");
    }
}

#[test]
fn the_list_names_the_module_however_paths_are_written() {
    for style in [
        PathStyle::SystemRoot,
        PathStyle::Windows,
        PathStyle::DosDevice,
        PathStyle::Bare,
        PathStyle::Slashes,
    ] {
        for in_pages in [false, true] {
            let listed = |says| {
                let list = Listing {
                    style,
                    in_pages,
                    says,
                };
                answer(&Configuration { list, ..x86() }, [set(100)])
            };
            let said = listed(Says::TheTruth);
            assert_eq!(
                (said.reason(), said.flags & 4),
                (Reason::Done, 0),
                "{style:?}"
            );
            assert_eq!(
                listed(Says::OtherBase).reason(),
                Reason::ListDiffers,
                "{style:?}"
            );
        }
    }
}

#[test]
fn another_build_in_the_same_place_is_met_anew() {
    let replaced = Action::Happens(Fault::Replaced(
        TCPIP,
        Choice::named("tcpip-2003-sp2-x86-later"),
    ));
    let said = answer(&x86(), [set(100), replaced, query()]);
    assert_eq!(
        (said.reason(), said.written, said.original),
        (Reason::Done, 0, 0)
    );
    // One that says of itself that it is the same, and is not.
    let impostor = Action::Happens(Fault::Replaced(TCPIP, Choice::named("impostor")));
    let said = answer(&x86(), [set(100), impostor, set(50)]);
    assert_eq!(said.reason(), Reason::Changed);
}

#[test]
fn a_limit_that_holds_nonsense_is_never_written() {
    for nonsense in [0, 16_777_216, 0x8000_0000, u32::MAX] {
        for expected in [0, nonsense] {
            let steps = [
                others_set(nonsense),
                crate::session::set_over(expected, 100),
            ];
            let said = answer(&x86(), steps);
            assert_ne!(said.reason(), Reason::Done);
            assert_eq!(said.values[0], nonsense);
        }
    }
}
