//! Unload restores the limit if configured.

use simulation::kernel::{AddressLayout, Configuration, Fault, Settings, Switch, X86};
use simulation::session::{Action, Run};
use specimen::Module;

use crate::session::{others_set, set, set_over, with_limit};

fn restoring(system: Configuration) -> Configuration {
    Configuration {
        settings: Settings {
            restore: Switch::ON,
            ..Settings::NONE
        },
        ..system
    }
}

/// The limit of tcpip.sys after all steps.
fn final_limit(system: &Configuration, steps: &[Action]) -> u32 {
    let mut run = Run::<X86>::start(system, AddressLayout::First);
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
fn unload_restores_the_limit_only_if_configured_and_only_if_the_driver_wrote_it() {
    let unload = || Action::Unload;
    assert_eq!(
        final_limit(&Configuration::x86(), &[set(100), unload()]),
        100
    );
    assert_eq!(
        final_limit(&restoring(Configuration::x86()), &[set(100), unload()]),
        10
    );
    assert_eq!(
        final_limit(
            &restoring(Configuration::x86()),
            &[set(100), set(200), unload()]
        ),
        10
    );
    // The original limit is restored, not 10.
    let patched = restoring(with_limit(50));
    assert_eq!(final_limit(&patched, &[set_over(50, 100), unload()]), 50);
    // A limit written by an earlier load is the driver's own.
    let reload = [
        set(100),
        Action::Happens(Fault::SettingsUnreadable),
        unload(),
    ];
    assert_eq!(final_limit(&restoring(Configuration::x86()), &reload), 10);
    // A foreign limit is not.
    assert_eq!(
        final_limit(
            &restoring(Configuration::x86()),
            &[set(100), others_set(77), unload()]
        ),
        77
    );
    assert_eq!(
        final_limit(
            &restoring(Configuration::x86()),
            &[others_set(77), unload()]
        ),
        77
    );
    assert_eq!(
        final_limit(&restoring(Configuration::x86()), &[unload()]),
        10
    );
}
