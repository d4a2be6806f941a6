//! The list of loaded modules must agree with the driver object.

use simulation::kernel::{
    Configuration, Fault, ListState, ModuleListing, PathStyle, Settings, Switch,
};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, busy, legacy, legacy_set, query, reset, set, set_over};

const TCPIP: Module = Module::Tcpip;

/// Where nothing confirms where a module lies its limit is shown, and changed
/// only together with the test-only value, also to what it is.
#[test]
fn an_unlisted_module_is_read_and_not_changed() {
    let unlisted = || Action::Happens(Fault::Listed(ListState::Missing));
    let said = answer(&Configuration::x86(), [unlisted(), query()]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 10));
    assert_eq!(said.flags & 4, 4);
    for sets in [set(100), set(10), set(0), reset(), set_over(10, 100)] {
        let said = answer(&Configuration::x86(), [unlisted(), sets]);
        assert_eq!((said.reason(), said.detail), (Reason::ListDiffers, [0; 2]));
        assert_eq!((said.values[0], said.flags & 4), (10, 4));
    }
    let (fields, log) = legacy(&Configuration::x86(), [unlisted(), legacy_set(100)]);
    assert_eq!(fields, [10, 3, 1]);
    assert!(log.contains(Reason::ListDiffers.text()), "{log}");
    // Nor is a stored limit applied, or one put back at unload.
    let asked = Action::Query(TCPIP);
    let hidden = Configuration {
        list: ModuleListing {
            state: ListState::Missing,
            ..Configuration::x86().list
        },
        ..busy(Configuration::x86())
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
        ..Configuration::x86()
    };
    let said = answer(&accepting, [unlisted(), set(100)]);
    assert_eq!((said.reason(), said.values[0]), (Reason::Done, 100));
    let said = answer(&Configuration::x86(), [set(100)]);
    assert_eq!((said.reason(), said.flags & 4), (Reason::Done, 0));
    for state in [
        ListState::OtherBase,
        ListState::OtherSize,
        ListState::OtherName,
        ListState::NameTwice,
        ListState::BaseTwice,
    ] {
        let listed = Action::Happens(Fault::Listed(state));
        let said = answer(&Configuration::x86(), [listed, set(100)]);
        assert_eq!(said.reason(), Reason::ListDiffers, "{state:?}");
    }
}

#[test]
fn a_listed_module_is_recognised_in_every_path_style() {
    for style in [
        PathStyle::SystemRoot,
        PathStyle::Windows,
        PathStyle::DosDevice,
        PathStyle::Bare,
        PathStyle::Slashes,
    ] {
        for in_pages in [false, true] {
            let listed = |state| {
                let list = ModuleListing {
                    style,
                    in_pages,
                    state,
                };
                answer(
                    &Configuration {
                        list,
                        ..Configuration::x86()
                    },
                    [set(100)],
                )
            };
            let said = listed(ListState::Correct);
            assert_eq!(
                (said.reason(), said.flags & 4),
                (Reason::Done, 0),
                "{style:?}"
            );
            assert_eq!(
                listed(ListState::OtherBase).reason(),
                Reason::ListDiffers,
                "{style:?}"
            );
        }
    }
}
