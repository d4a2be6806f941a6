//! The devices: both or none, and none left afterwards.

use simulation::kernel::{
    AddressLayout, Configuration, DeviceId, Fault, Name, Number, Settings, Switch, System, Value,
    X86,
};
use simulation::session::{Action, Answer, Run, ScheduledFault, SessionStep};
use specimen::Module;
use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::Status;

use crate::session::set;

/// A system with a stored limit, which a driver that fails to load must not apply.
fn system(taken: Option<Name>) -> Configuration {
    Configuration {
        settings: Settings {
            limit: [Value::Number(Number(100)), Value::Absent],
            ..Settings::NONE
        },
        taken,
        ..Configuration::x86()
    }
}

#[test]
fn a_load_fails_and_leaves_nothing_if_a_device_name_is_taken() {
    for legacy in [false, true] {
        for link in [false, true] {
            let mut run =
                Run::<X86>::start(&system(Some(Name { legacy, link })), AddressLayout::First);
            let status = run.step(&Action::Load.into()).status;
            assert_eq!(status, Status::OBJECT_NAME_COLLISION);
            let state = run.kernel().state();
            assert!(!run.is_loaded() && !state.has_devices());
            assert!(state.exchanges.is_empty() && !state.guard);
        }
    }
}

#[test]
fn a_failed_device_creation_removes_both_devices() {
    for which in [DeviceId::Ours, DeviceId::Legacy] {
        for (fault, status) in [
            (Fault::NotCreated(which), Status::INSUFFICIENT_RESOURCES),
            (Fault::NotProtected(which), Status::ACCESS_DENIED),
            (Fault::NotLinked(which), Status::INSUFFICIENT_RESOURCES),
        ] {
            let mut run = Run::<X86>::start(&system(None), AddressLayout::First);
            let load = SessionStep {
                action: Action::Load,
                faults: vec![ScheduledFault { call: 0, fault }],
            };
            assert_eq!(run.step(&load).status, status, "{fault:?}");
            assert!(!run.kernel().state().has_devices(), "{fault:?}");
            assert!(run.kernel().state().exchanges.is_empty());
        }
    }
}

#[test]
fn repeated_loads_behave_alike() {
    let mut run = Run::<X86>::start(&system(None), AddressLayout::First);
    for limit in 1..20 {
        run.step(&Action::Load.into());
        assert!(run.is_loaded());
        let response = run.step(&set(limit).into());
        let response = simulation::session::Answer::read(&response.output);
        assert_eq!((response.values[0], response.original), (limit, 10));
        run.step(&Action::Unload.into());
        assert!(!run.kernel().state().has_devices());
    }
}

/// Some systems keep a driver's variables from one load to the next.
#[test]
fn a_load_inherits_no_state_from_an_earlier_load() {
    let system = Configuration {
        guard: true,
        settings: Settings {
            restore: Switch::ON,
            ..system(None).settings
        },
        ..system(None)
    };
    let kernel = System::<X86>::start(&system, AddressLayout::First);
    let exclusion = kernel.exclusion();
    let driver = Driver::new(kernel, exclusion);
    let ask = |code: u32, fields: &[u32]| {
        let bytes = fields.iter().flat_map(|field| field.to_le_bytes());
        let mut buffer: Vec<u8> = bytes.collect();
        let input = buffer.len();
        buffer.resize(104, 0);
        driver.control(Device::Ours, code, &mut buffer, input, 104);
        Answer::read(&buffer)
    };
    driver.load().expect("it loads");
    let response = ask(0x22_6400, &[12, 1, 4]);
    assert_eq!(
        (response.start, response.peak, response.configured),
        (3, 3, 100)
    );
    // Other settings and another number of connections for the next load.
    {
        let mut state = driver.kernel().state();
        state.settings = Settings::NONE;
        state.guard = false;
        state.apply(Fault::HalfOpen(Module::Tcpip, Number(1)));
    }
    driver.unload();
    driver.load().expect("it loads");
    let response = ask(0x22_6400, &[12, 1, 4]);
    assert_eq!(
        (response.start, response.peak, response.configured),
        (0, 1, 0)
    );
    assert_eq!((response.flags, response.written), (0, 0));
}

#[test]
fn opens_by_a_longer_name_or_relative_to_a_file_are_refused() {
    let mut run = Run::<X86>::start(&Configuration::x86(), AddressLayout::First);
    run.step(&Action::Load.into());
    let mut open = |relative| run.step(&Action::Open { relative }.into()).status;
    assert_eq!(open(false), Status::SUCCESS);
    assert!(!open(true).is_success());
}
