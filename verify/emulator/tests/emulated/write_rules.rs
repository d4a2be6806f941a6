//! The write rules: mutants of the shipped files run without the reference driver,
//! so that only the rules can notice them.

use emulator::happy_path::LIMIT;
use emulator::mutants::{Mutant, PREFERRED};
use emulator::registry::{DWORD, PARAMETERS};
use emulator::requests;
use emulator::run::{Outcome, run};
use emulator::scenario::{Action, Scenario};
use emulator::shipped::{files, folder};
use emulator::system::System;
use emulator::target::Target;
use emulator::violation::Violation;
use scanner_core::Module;
use specimen::{Arch, Spec};
use std::rc::Rc;

/// A world with tcpip.sys and without requests.
fn scenario(arch: Arch) -> Scenario {
    let spec = match arch {
        Arch::X86 => Spec::xp_sp3().with_text_kib(4),
        Arch::X64 => Spec::xp_x64().with_text_kib(4),
    };
    without_reference(&spec)
}

fn without_reference(spec: &Spec) -> Scenario {
    let mut scenario = Scenario::from_specimen(spec);
    scenario.actions.clear();
    scenario.without_reference = true;
    scenario
}

fn put(scenario: &mut Scenario, name: &str, value: u32) {
    let value = (DWORD, value.to_le_bytes().to_vec());
    scenario.world.registry.put(PARAMETERS, name, value);
}

fn set(scenario: &mut Scenario, limit: u32) {
    let set = requests::set(Module::Tcpip, limit, 0);
    scenario.actions.push(Action::Send(set));
}

/// Runs each driver and its mutant: the driver must make this number of changes, the
/// mutant must violate a write rule.
fn expect_limit_violation(
    changes: u64,
    mutate: impl Fn(Mutant) -> Mutant,
    prepare: impl Fn(&mut Scenario),
    why: &str,
) {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let run = |file: &[u8]| -> Result<Outcome, Violation> {
            let mut scenario = scenario(arch);
            prepare(&mut scenario);
            run(&mut System::new(file, PREFERRED)?, &scenario)
        };
        let whole = run(&file).map(|outcome| outcome.changes);
        assert_eq!(whole, Ok(changes), "{arch:?}, {why}");
        let mutant = mutate(Mutant::new(&file));
        assert!(mutant.changed > 0, "{arch:?}: nothing to break");
        let result = run(mutant.file()).map(|outcome| outcome.changes);
        assert!(
            matches!(&result, Err(Violation::Limit(detail)) if detail.contains(why)),
            "{arch:?}, {why}: {result:?}"
        );
    }
}

/// inc, in place of lock cmpxchg.
fn with_increment(driver: Mutant) -> Mutant {
    driver.with_exchange(|operands| vec![0xFF, operands & 7])
}

/// The same twice.
fn with_two_increments(driver: Mutant) -> Mutant {
    driver.with_exchange(|operands| [0xFF, operands & 7].repeat(2))
}

#[test]
fn another_limit_than_the_service_key_has_is_noticed() {
    expect_limit_violation(
        1,
        with_increment,
        |scenario| put(scenario, "Limit", LIMIT),
        "at start: a value other than the requested one",
    );
}

#[test]
fn a_second_write_for_a_request_is_noticed() {
    expect_limit_violation(
        1,
        with_two_increments,
        |scenario| set(scenario, LIMIT),
        "for a request: more than one write to a module",
    );
}

#[test]
fn a_write_to_the_other_module_is_noticed() {
    // cmpxchg without a lock, 4 bytes further, where the test puts the limit of the
    // other module.
    expect_limit_violation(
        1,
        |driver| driver.with_exchange(|operands| vec![0x0F, 0xB1, operands | 0x40, 4]),
        |scenario| {
            let mut other = scenario.world.modules[0].clone().expect("tcpip.sys");
            other.module = Module::Tcpip6;
            other.base += 0x1000;
            other.threshold = other.threshold.map(|rva| rva + 4 - 0x1000);
            let nowhere = Target {
                memory: Rc::default(),
                pages: Vec::new(),
                ..other
            };
            scenario.world.modules[1] = Some(nowhere);
            set(scenario, LIMIT);
        },
        "for a request: a write to the other module",
    );
}

#[test]
fn a_limit_that_is_restored_without_being_configured_is_noticed() {
    expect_limit_violation(
        1,
        |driver| driver.with_name("RestoreAtUnload", "RestoreAtUnloaX"),
        |scenario| {
            put(scenario, "RestoreAtUnloaX", 1);
            set(scenario, LIMIT);
        },
        "at unload: a write at unload that was not configured",
    );
}
