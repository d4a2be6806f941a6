//! A limit that is in force already is not written.

use simulation::kernel::{Configuration, Fault};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, legacy, legacy_set, query, set, set_over, with_limit};

#[test]
fn setting_the_current_limit_succeeds_without_a_write_or_a_record() {
    let system = with_limit(50);
    let said = answer(&system, [set(50)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 50));
    assert_eq!((said.written, said.original), (0, 0));
    let said = answer(&system, [set(50), set(60)]);
    assert_eq!(said.reason(), Reason::UnexpectedValue);
    let (fields, _) = legacy(&system, [legacy_set(50)]);
    assert_eq!(fields, [50, 3, 0]);
    // The log of events has nothing to tell of it.
    let steps = crate::session::said(&system, [query(), set(50)]);
    assert_eq!(steps[2].events, [] as [String; 0]);
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
fn setting_the_current_limit_needs_no_page_rights() {
    let faults = [
        Fault::RightsUnknown,
        Fault::Protected(Module::Tcpip, simulation::kernel::ModulePage::Limit),
        Fault::ExchangeRefused,
    ];
    for fault in faults {
        let happens = Action::Happens(fault);
        assert_eq!(
            answer(&Configuration::x86(), [happens.clone(), set(10)]).reason(),
            Reason::Done
        );
        assert_ne!(
            answer(&Configuration::x86(), [happens, set(11)]).reason(),
            Reason::Done
        );
    }
    let gone = Fault::PagedOut(Module::Tcpip, simulation::kernel::ModulePage::Limit);
    let said = answer(&Configuration::x86(), [Action::Happens(gone), set(10)]);
    assert_eq!(said.reason(), Reason::PageInvalid);
}
