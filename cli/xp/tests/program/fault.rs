//! A fault at every call, and a kill before and after it: the next install or a repair mends
//! everything left.

use tcplimit_xp::{Activity, Exit, Start, Win32Error};

use crate::machine::{DRIVER, Data, Fault, Machine, PARAMETERS, SOURCE, X86};

const KILLS: [Fault; 2] = [Fault::Killed, Fault::KilledAfter];

/// A newer driver beside an installed one that runs.
fn upgrade() -> Machine {
    let machine = Machine::installed();
    let newer = [X86, b"newer"].concat();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    machine
}

/// The calls of a command line on such a machine.
fn calls(machine: fn() -> Machine, line: &str) -> std::ops::Range<usize> {
    let machine = machine();
    machine.succeeds(line);
    assert!(machine.calls() > 5, "{line}");
    0..machine.calls()
}

#[test]
fn an_install_that_was_killed_anywhere_is_mended_by_the_next() {
    for begin in [Machine::new, upgrade] {
        for call in calls(begin, "install") {
            for kill in KILLS {
                let machine = begin();
                assert_eq!(machine.run_with_fault("install", call, kill), None);
                machine.succeeds("install");
                assert!(machine.is_installed(), "{call} {kill:?}");
            }
        }
    }
}

#[test]
fn an_install_that_was_killed_anywhere_is_removed_or_found_whole_by_repair() {
    for begin in [Machine::new, upgrade] {
        for call in calls(begin, "install") {
            for kill in KILLS {
                let machine = begin();
                assert_eq!(machine.run_with_fault("install", call, kill), None);
                let output = machine.succeeds("repair");
                let whole = output.contains("the installation is complete");
                assert!(whole || machine.is_clean(), "{call} {kill:?}: {output}");
                machine.succeeds("install");
                assert!(machine.is_installed(), "{call} {kill:?}");
            }
        }
    }
}

#[test]
fn an_install_that_fails_anywhere_is_rolled_back() {
    for error in [Win32Error::ACCESS_DENIED, Win32Error::DISK_FULL] {
        for call in calls(Machine::new, "install") {
            let machine = Machine::new();
            let exit = machine.run_with_fault("install", call, Fault::Fails(error));
            let state = (machine.is_clean(), machine.is_installed());
            // Once the driver is loaded, only the query of the limit can fail.
            assert!(
                state.0 || state.1,
                "{call} {error}: {}",
                machine.error.borrow()
            );
            if state.0 {
                assert_ne!(exit, Some(Exit::Done), "{call}");
                assert_ne!(*machine.error.borrow(), "", "{call}");
            }
        }
    }
}

#[test]
fn an_upgrade_that_fails_anywhere_leaves_one_of_the_two_running() {
    for call in calls(upgrade, "install") {
        let machine = upgrade();
        machine.run_with_fault("install", call, Fault::Fails(Win32Error::DISK_FULL));
        let service = machine.service_named("TcpLimit");
        let runs = service.is_some_and(|service| service.activity == Activity::Running);
        let file = machine.file(DRIVER).unwrap();
        assert!(runs, "{call}: {}", machine.error.borrow());
        assert!(file == X86 || machine.is_installed(), "{call}");
    }
}

#[test]
fn where_rollback_fails_remnants_are_named_and_repair_removes_them() {
    let machine = Machine::new();
    // The driver does not load, and deletions fail.
    machine
        .load_errors
        .borrow_mut()
        .push(Win32Error::DRIVER_BLOCKED);
    let before = calls(Machine::new, "install").end;
    let mut named = 0;
    for call in 0..before + 5 {
        let machine = Machine::new();
        machine
            .load_errors
            .borrow_mut()
            .push(Win32Error::DRIVER_BLOCKED);
        machine.run_with_fault("install", call, Fault::Fails(Win32Error::ACCESS_DENIED));
        let error = machine.error.borrow().clone();
        if machine.is_clean() {
            assert!(!error.contains("tcplimit repair"), "{error}");
        } else {
            named += 1;
            assert!(error.contains("tcplimit repair"), "{call}: {error}");
        }
        machine.succeeds("repair");
        assert!(machine.is_clean(), "{call}");
    }
    // The file, the service, the event source.
    assert_eq!(named, 3);
}

#[test]
fn an_uninstall_or_repair_that_stopped_anywhere_is_finished_by_the_next() {
    for fault in [
        Fault::Killed,
        Fault::KilledAfter,
        Fault::Fails(Win32Error::ACCESS_DENIED),
    ] {
        for call in calls(Machine::installed, "uninstall") {
            for next in ["uninstall", "repair"] {
                let machine = Machine::installed();
                machine.run_with_fault("uninstall", call, fault);
                // A repair keeps an installation that is still complete.
                let whole =
                    machine.is_installed() || machine.succeeds("repair").contains("complete");
                machine.succeeds(next);
                assert!(
                    machine.is_clean() || (whole && next == "repair"),
                    "{call} {fault:?}"
                );
            }
        }
    }
}

#[test]
fn a_set_that_stopped_anywhere_is_done_by_the_next_and_undone_by_reset() {
    let line = "set 100 --persist";
    for fault in [
        Fault::Killed,
        Fault::KilledAfter,
        Fault::Fails(Win32Error::ACCESS_DENIED),
    ] {
        for call in calls(Machine::installed, line) {
            let machine = Machine::installed();
            let exit = machine.run_with_fault(line, call, fault);
            assert_ne!(exit, Some(Exit::Done), "{call}");
            machine.succeeds(line);
            assert_eq!(machine.value(PARAMETERS, "Limit"), Some(Data::Number(100)));
            assert_eq!(
                machine.service_named("TcpLimit").unwrap().start,
                Start::Auto
            );
            machine.run_with_fault("reset --persist", call, fault);
            machine.succeeds("reset --persist");
            assert_eq!(machine.value(PARAMETERS, "Limit"), None);
            assert_eq!(
                machine.service_named("TcpLimit").unwrap().start,
                Start::Demand
            );
            assert_eq!(machine.limiters.borrow()[0].limit, 10);
        }
    }
}

/// A 2005 program with its own driver.
fn program_of_2005() -> Machine {
    let machine = Machine::new();
    machine
        .files
        .borrow_mut()
        .insert(THEIRS.into(), b"theirs".into());
    machine
}

const THEIRS: &str = r"E:\Ares\tcpip_patcher.sys";

#[test]
fn the_driver_of_2005_is_never_lost_wherever_a_compat_install_stops() {
    let line = r"install --compat E:\Ares";
    for fault in [
        Fault::Killed,
        Fault::KilledAfter,
        Fault::Fails(Win32Error::DISK_FULL),
    ] {
        for call in calls(program_of_2005, line) {
            let machine = program_of_2005();
            machine.run_with_fault(line, call, fault);
            let kept = machine.file(&format!("{THEIRS}.original"));
            let is_theirs = |file: Option<Vec<u8>>| file.as_deref() == Some(b"theirs");
            let in_place = is_theirs(machine.file(THEIRS));
            assert!(in_place || is_theirs(kept), "{call} {fault:?}");
            machine.succeeds(line);
            assert_eq!(machine.file(THEIRS), machine.file(SOURCE), "{call}");
            assert!(is_theirs(machine.file(&format!("{THEIRS}.original"))));
        }
    }
}
