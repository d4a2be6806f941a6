//! The history that the shipped files keep from one load to the next.

use emulator::address::DRIVER;
use emulator::change::Change;
use emulator::happy_path::LIMIT;
use emulator::model::security;
use emulator::registry::{BINARY, HISTORY_KEY, Operation, SERVICE, SERVICE_OF_2005, STATE, Value};
use emulator::requests;
use emulator::scenario::Scenario;
use emulator::shipped::{files, folder};
use emulator::system::System;
use emulator::world::{DeviceName, World};
use scanner_core::Module;
use specimen::{Arch, Spec};
use tcplimit_driver::{Device, Message};
use tcplimit_protocol::{Answer, Reason};

/// Runs a check with each driver, beside a tcpip.sys with a limit of 10.
fn each_driver(mut check: impl FnMut(&mut System, World)) {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let mut system = System::new(&file, DRIVER[0].of(arch)).expect("it can be loaded");
        let spec = match arch {
            Arch::X86 => Spec::xp_sp3().with_text_kib(2),
            Arch::X64 => Spec::xp_x64().with_text_kib(2),
        };
        check(&mut system, Scenario::from_specimen(&spec).world);
    }
}

/// Loads the driver into a system that has not been restarted, with the driver's
/// variables as in the file.
fn load(system: &mut System, world: World) {
    system.reset(world);
    assert_eq!(system.start(), Ok(0));
}

fn unload(system: &mut System) -> World {
    system.unload().expect("no violation");
    system.world.clone()
}

fn set(system: &mut System, limit: u32) -> Answer {
    let request = requests::set(Module::Tcpip, limit, 0);
    let completed = system.send(&request).expect("no violation");
    requests::parse_answer(&request, &completed).expect("an answer")
}

/// Limit, half-open, error.
fn legacy(system: &mut System, request: &emulator::irp::Request) -> [u32; 3] {
    let completed = system.send(request).expect("no violation");
    assert_eq!(completed.status, 0);
    [0, 4, 8].map(|at| {
        let field = completed.output[at..at + 4].try_into().expect("a field");
        u32::from_le_bytes(field)
    })
}

#[test]
fn a_program_of_2005_and_ours_alternate_over_several_loads() {
    each_driver(|system, mut world| {
        for limit in [55, 60, 70] {
            for service in [SERVICE_OF_2005, SERVICE_OF_2005, SERVICE] {
                world.registry.recreate(service);
                load(system, world);
                if service == SERVICE {
                    let answer = set(system, limit);
                    assert_eq!(answer.reason.get(), Reason::Done.code());
                    assert_eq!((answer.written.get(), answer.original.get()), (limit, 10));
                } else {
                    let [before, _, error] = legacy(system, &requests::legacy_get());
                    assert!(before > 0 && error == 0);
                    let after = legacy(system, &requests::legacy_set(150));
                    assert_eq!(after[0], 150);
                    assert_eq!(after[2], 0, "{before} does not count as its own");
                }
                world = unload(system);
            }
        }
    });
}

#[test]
fn the_key_is_made_with_its_own_descriptor_and_outlives_the_service() {
    each_driver(|system, world| {
        let not_there = world.registry.clone();
        load(system, world);
        // A query writes no history.
        system.send(&requests::query(Module::Tcpip)).expect("none");
        assert_eq!(system.world.registry, not_there);
        set(system, LIMIT);
        let mut world = unload(system);
        let descriptor = world.registry.security(HISTORY_KEY).map(<[u8]>::to_vec);
        assert_eq!(descriptor, Ok(security::history_key_descriptor()));
        world.registry.recreate(SERVICE);
        let (kind, record) = world
            .registry
            .query(HISTORY_KEY, "tcpip.sys")
            .expect("a value");
        assert_eq!((*kind, record.len()), (BINARY, 28));
        assert_eq!(record[12..20], [100, 0, 0, 0, 10, 0, 0, 0]);
    });
}

#[test]
fn a_key_that_others_may_write_to_is_neither_trusted_nor_written() {
    each_driver(|system, world| {
        load(system, world);
        set(system, LIMIT);
        let world = unload(system);
        let others = [
            // Another owner.
            security::self_relative(
                &[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
                &security::access_list(0x000F_003F),
            ),
            // Another list, none, and a descriptor that is too long.
            security::self_relative(
                security::administrators(),
                &security::access_list(0x0002_0019),
            ),
            [
                &[1, 0, 0, 0x80][..],
                &security::history_key_descriptor()[4..],
            ]
            .concat(),
            [security::history_key_descriptor(), vec![0; 60]].concat(),
        ];
        for descriptor in others {
            let mut world = world.clone();
            world.registry.set_descriptor(HISTORY_KEY, descriptor);
            let before = world.registry.clone();
            load(system, world);
            let answer = set(system, 60);
            assert_eq!(answer.reason.get(), Reason::UnexpectedValue.code());
            assert_eq!(answer.written.get(), 0);
            // A limit with an expected value is set, but not recorded.
            let request = requests::set(Module::Tcpip, 60, LIMIT);
            let completed = system.send(&request).expect("no violation");
            let answer = requests::parse_answer(&request, &completed).expect("an answer");
            assert_eq!(answer.reason.get(), Reason::Done.code());
            assert_eq!(system.world.registry, before);
            let logged = system.resources.events.iter();
            let mut codes = logged.map(|event| event.code);
            assert!(codes.any(|code| code == Message::NotRemembered.id()));
        }
    });
}

#[test]
fn history_survives_a_new_clock_time_but_not_another_boot() {
    each_driver(|system, world| {
        load(system, world);
        set(system, LIMIT);
        system.change(&Change::Clock(0x1234_5678_9ABC));
        let world = unload(system);
        load(system, world.clone());
        assert_eq!(set(system, 60).reason.get(), Reason::Done.code());

        // Here the key survives, unlike a volatile one.
        let mut later = world.clone();
        later.boot = later.boot.map(|[time, bias]| [time + 1, bias]);
        let mut unknown = world;
        unknown.boot = None;
        for world in [later, unknown] {
            load(system, world);
            let answer = set(system, 60);
            assert_eq!(answer.reason.get(), Reason::UnexpectedValue.code());
        }
    });
}

/// A record of version 0.1.0, which kept it below its service key.
fn record_of_version_0_1(world: &World, last: u32) -> Value {
    let target = world.module(Module::Tcpip).expect("tcpip.sys");
    let field = |at| target.dword(at).expect("headers");
    let nt = field(0x3C);
    let [time, checksum, size] = [8, 24 + 64, 24 + 56].map(|at| field(nt + at));
    let record = [time, checksum, size, last, 10].map(u32::to_le_bytes);
    (BINARY, record.concat())
}

#[test]
fn a_record_of_version_0_1_0_is_read_once_and_kept() {
    each_driver(|system, mut world| {
        let target = world.module_mut(Module::Tcpip).expect("tcpip.sys");
        target.write(target.threshold.expect("a limit"), &[55, 0, 0, 0]);
        let left = record_of_version_0_1(&world, 55);
        world.registry.put(STATE, "tcpip.sys", left);
        load(system, world);
        system.send(&requests::query(Module::Tcpip)).expect("none");
        let mut world = unload(system);
        // The service is deleted with its subkeys.
        world.registry.recreate(SERVICE_OF_2005);
        load(system, world);
        assert_eq!(legacy(system, &requests::legacy_set(60)), [60, 0, 0]);
    });
}

#[test]
fn nothing_is_logged_but_changes_and_refusals_and_nothing_under_another_name() {
    each_driver(|system, world| {
        for (service, expected) in [
            (
                SERVICE,
                vec![
                    Message::Changed.id(),
                    Message::Refused(Reason::LimitOutOfRange).id(),
                ],
            ),
            (SERVICE_OF_2005, vec![]),
        ] {
            let mut world = world.clone();
            world.registry.recreate(service);
            load(system, world);
            for module in [Module::Tcpip, Module::Tcpip6] {
                system.send(&requests::query(module)).expect("none");
            }
            // The second is already in force, the third is invalid.
            for limit in [LIMIT, LIMIT, 0] {
                set(system, limit);
            }
            unload(system);
            let logged = system.resources.events.iter().map(|event| event.code);
            assert_eq!(logged.collect::<Vec<_>>(), expected);
            assert!(
                system.resources.printed.len() > 4,
                "the debugger gets all events"
            );
        }
    });
}

/// Wine keeps the variables of a load that failed.
#[test]
fn a_load_finds_its_variables_in_any_state() {
    each_driver(|system, world| {
        let mut with_name_in_use = world.clone();
        with_name_in_use.name_in_use = Some((Device::Legacy, DeviceName::Link));
        system.reset(with_name_in_use);
        assert_ne!(system.start(), Ok(0));
        system.world.name_in_use = None;
        assert_eq!(system.start(), Ok(0));
        assert_eq!(set(system, LIMIT).reason.get(), Reason::Done.code());
        unload(system);

        for byte in [0xFF, 0x01] {
            system.reset(world.clone());
            system.fill_variables(byte);
            assert_eq!(system.start(), Ok(0), "{byte:X}");
            let answer = set(system, LIMIT);
            assert_eq!(answer.reason.get(), Reason::Done.code(), "{byte:X}");
            assert_eq!((answer.flags.get(), answer.start.get()), (0, 0));
            unload(system);
        }
    });
}

#[test]
fn a_record_that_can_not_be_read_counts_as_none() {
    each_driver(|system, world| {
        load(system, world);
        set(system, LIMIT);
        let world = unload(system);
        for operation in [Operation::Open, Operation::Query, Operation::Security] {
            let mut world = world.clone();
            let refused = (operation, r"Control\TcpLimit", 0xC000_0022);
            world.registry.refused.push(refused);
            load(system, world);
            let answer = set(system, 60);
            assert_eq!(answer.reason.get(), Reason::UnexpectedValue.code());
            unload(system);
        }
    });
}
