//! A limit already in force is not written.

use simulation::kernel::{Configuration, Fault};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, legacy, legacy_set, query, set, set_over, with_limit};

#[test]
fn setting_the_current_limit_succeeds_without_a_write_or_a_record() {
    let system = with_limit(50);
    let response = answer(&system, [set(50)]);
    assert_eq!((response.reason(), response.values[0]), (Reason::Done, 50));
    assert_eq!((response.written, response.original), (0, 0));
    let response = answer(&system, [set(50), set(60)]);
    assert_eq!(response.reason(), Reason::UnexpectedValue);
    let (fields, _) = legacy(&system, [legacy_set(50)]);
    assert_eq!(fields, [50, 3, 0]);
    // The event log has no entry about it.
    let steps = crate::session::results(&system, [query(), set(50)]);
    assert_eq!(steps[2].events, [] as [String; 0]);
    // A named expected value must still be in force.
    let response = answer(&system, [set_over(60, 50)]);
    assert_eq!(
        (response.reason(), response.detail),
        (Reason::NotAsNamed, [50, 60])
    );
    assert_eq!(answer(&system, [set_over(50, 50)]).reason(), Reason::Done);
    // The value must still be a limit.
    for nonsense in [0, 16_777_216, u32::MAX] {
        let response = answer(&with_limit(nonsense), [set(nonsense)]);
        assert_eq!(response.reason(), Reason::LimitOutOfRange);
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
    let response = answer(&Configuration::x86(), [Action::Happens(gone), set(10)]);
    assert_eq!(response.reason(), Reason::PageInvalid);
}
