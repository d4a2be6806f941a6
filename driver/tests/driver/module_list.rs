//! The list of loaded modules must agree with the driver object.

use simulation::kernel::{Configuration, Fault, Listing, PathStyle, Says, Settings, Switch};
use simulation::session::Action;
use specimen::Module;
use tcplimit_protocol::Reason;

use crate::session::{answer, busy, legacy, legacy_set, query, reset, set, set_over};

const TCPIP: Module = Module::Tcpip;

/// Where nothing confirms where a module lies its limit is shown, and changed
/// only together with the test-only value, also to what it is.
#[test]
fn a_module_without_an_entry_in_the_list_is_looked_at_and_not_changed() {
    let unlisted = || Action::Happens(Fault::Listed(Says::Nothing));
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
        list: Listing {
            says: Says::Nothing,
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
    for says in [
        Says::OtherBase,
        Says::OtherSize,
        Says::OtherName,
        Says::NameTwice,
        Says::BaseTwice,
    ] {
        let listed = Action::Happens(Fault::Listed(says));
        let said = answer(&Configuration::x86(), [listed, set(100)]);
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
                answer(
                    &Configuration {
                        list,
                        ..Configuration::x86()
                    },
                    [set(100)],
                )
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
