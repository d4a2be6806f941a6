//! The limit's page must be present, and writable by the page tables.

use simulation::kernel::{Configuration, Fault, ModulePage, Number, Settings, Switch, Value};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, during, legacy, legacy_set, set};

const TCPIP: Module = Module::Tcpip;

#[test]
fn a_page_lost_after_the_write_does_not_turn_success_into_refusal() {
    for call in 0..28 {
        let fault = Fault::PagedOut(TCPIP, ModulePage::Limit);
        let response = answer(&Configuration::x86(), [during(set(100), call, fault)]);
        let wrote = response.written == 100;
        let tells = matches!(response.reason(), Reason::Done | Reason::Overwritten);
        assert_eq!(wrote, tells, "{response:?}");
    }
}

#[test]
fn unknown_page_rights_refuse_a_write_unless_the_test_only_value_is_one() {
    let accepting = |accept_unknown_rights, rights_known| Configuration {
        rights_known,
        settings: Settings {
            accept_unknown_rights,
            ..Settings::NONE
        },
        ..Configuration::x86()
    };
    for switch in [
        Switch(Value::Absent),
        Switch(Value::Unreadable),
        Switch(Value::Number(Number(0))),
        Switch(Value::Number(Number(2))),
        Switch(Value::Number(Number(u32::MAX))),
    ] {
        let response = answer(&accepting(switch, false), [set(100)]);
        assert_eq!(response.reason(), Reason::PageUnknown, "{switch:?}");
        assert_eq!((response.values[0], response.flags & 1), (10, 0));
        let (fields, log) = legacy(&accepting(switch, false), [legacy_set(100)]);
        assert_eq!(fields, [10, 3, 1]);
        assert!(log.contains(Reason::PageUnknown.text()), "{log}");
    }
    let response = answer(&accepting(Switch::ON, false), [set(100)]);
    assert_eq!((response.reason(), response.values[0]), (Reason::Done, 100));
    assert_eq!(response.flags & 1, 1, "and the answer shows that it is set");
    // The value does not override a read-only page.
    let protected = Action::Happens(Fault::Protected(TCPIP, ModulePage::Limit));
    let response = answer(&accepting(Switch::ON, true), [protected, set(100)]);
    assert_eq!(
        (response.reason(), response.values[0]),
        (Reason::PageReadOnly, 10)
    );
}
