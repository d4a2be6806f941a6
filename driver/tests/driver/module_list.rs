//! The list of loaded modules must agree with the driver object.

use simulation::kernel::{
    Configuration, Fault, ListState, ModuleListing, PathStyle, Settings, Switch,
};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, busy, legacy, legacy_set, query, reset, set, set_over};

const TCPIP: Module = Module::Tcpip;

/// The limit of an unlisted module is shown, and set, even to its current value,
/// only with the test-only value.
#[test]
fn an_unlisted_module_is_read_and_not_changed() {
    let unlisted = || Action::Happens(Fault::Listed(ListState::Missing));
    let response = answer(&Configuration::x86(), [unlisted(), query()]);
    assert_eq!((response.reason(), response.values[0]), (Reason::Done, 10));
    assert_eq!(response.flags & 4, 4);
    for sets in [set(100), set(10), set(0), reset(), set_over(10, 100)] {
        let response = answer(&Configuration::x86(), [unlisted(), sets]);
        assert_eq!(
            (response.reason(), response.detail),
            (Reason::ListDiffers, [0; 2])
        );
        assert_eq!((response.values[0], response.flags & 4), (10, 4));
    }
    let (fields, log) = legacy(&Configuration::x86(), [unlisted(), legacy_set(100)]);
    assert_eq!(fields, [10, 3, 1]);
    assert!(log.contains(Reason::ListDiffers.text()), "{log}");
    // Nor is a stored limit applied, or a limit restored at unload.
    let asked = Action::Query(TCPIP);
    let hidden = Configuration {
        list: ModuleListing {
            state: ListState::Missing,
            ..Configuration::x86().list
        },
        ..busy(Configuration::x86())
    };
    let response = answer(&hidden, [asked]);
    assert_eq!(
        (response.values[0], response.start_reason()),
        (10, Reason::ListDiffers)
    );

    let accepting = Configuration {
        settings: Settings {
            accept_unknown_rights: Switch::ON,
            ..Settings::NONE
        },
        ..Configuration::x86()
    };
    let response = answer(&accepting, [unlisted(), set(100)]);
    assert_eq!((response.reason(), response.values[0]), (Reason::Done, 100));
    let response = answer(&Configuration::x86(), [set(100)]);
    assert_eq!((response.reason(), response.flags & 4), (Reason::Done, 0));
    for state in [
        ListState::OtherBase,
        ListState::OtherSize,
        ListState::OtherName,
        ListState::NameTwice,
        ListState::BaseTwice,
    ] {
        let listed = Action::Happens(Fault::Listed(state));
        let response = answer(&Configuration::x86(), [listed, set(100)]);
        assert_eq!(response.reason(), Reason::ListDiffers, "{state:?}");
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
            let response = listed(ListState::Correct);
            assert_eq!(
                (response.reason(), response.flags & 4),
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
