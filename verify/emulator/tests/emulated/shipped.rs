//! The shipped files in usual runs, and with unusual page tables and module lists.

use emulator::address::DRIVER;
use emulator::happy_path::{LIMIT, races};
use emulator::machine::Machine;
use emulator::model::irql::Irql;
use emulator::registry::{DWORD, PARAMETERS};
use emulator::requests;
use emulator::run::run;
use emulator::scenario::{Action, Scenario};
use emulator::shipped::{files, folder};
use emulator::system::System;
use emulator::violation::{Access, Violation};
use emulator::world::{Paging, World};
use scanner_core::Module;
use simulation::kernel::ListState;
use specimen::{Arch, Spec};
use std::ops::Range;
use tcplimit_protocol::{Answer, Flags, Reason};
use verify::property::module;

fn each_driver(mut check: impl FnMut(Arch, &[u8])) {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        check(arch, &file);
    }
}

fn system(arch: Arch, file: &[u8]) -> System {
    System::new(file, DRIVER[0].of(arch)).expect("it can be loaded")
}

fn kinds(arch: Arch) -> impl Iterator<Item = Spec> {
    let kinds = Spec::presets()
        .into_iter()
        .map(|(_, spec)| spec.with_text_kib(8));
    kinds.filter(move |spec| spec.arch == arch)
}

#[test]
fn every_kind_is_located_set_and_reset_at_every_base() {
    each_driver(|arch, file| {
        for base in DRIVER {
            let mut system = System::new(file, base.of(arch)).expect("it can be loaded");
            for spec in kinds(arch) {
                let outcome = run(&mut system, &Scenario::from_specimen(&spec));
                let outcome = outcome.unwrap_or_else(|violation| panic!("{violation}"));
                let changes = match spec.module {
                    specimen::Module::Tcpip => 4,
                    // The 2005 interface has only tcpip.sys.
                    specimen::Module::Tcpip6 => 3,
                };
                assert_eq!((outcome.changes, outcome.failed_exchanges), (changes, 0));
                assert!(outcome.stack <= 2048, "{} bytes of stack", outcome.stack);
            }
        }
    });
}

/// The answer to a set in a world.
fn set(system: &mut System, world: World, spec: &Spec) -> Answer {
    let request = requests::set(module(spec.module), LIMIT, 0);
    system.reset(world);
    assert_eq!(system.start(), Ok(0));
    let completed = system.send(&request).expect("no violation");
    requests::parse_answer(&request, &completed).expect("an answer")
}

fn accept_unknown_rights(world: &mut World) {
    let test_only = (DWORD, vec![1, 0, 0, 0]);
    let name = "TestOnlyAcceptUnknownRights";
    world.registry.put(PARAMETERS, name, test_only);
}

#[test]
fn without_known_page_tables_every_set_is_refused_by_default() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for spec in kinds(arch) {
            let limit = Scenario::from_specimen(&spec).world;
            for paging in [Paging::Absent, Paging::Foreign, Paging::OtherFormat] {
                let mut world = limit.clone();
                world.paging = paging;
                let answer = set(&mut system, world.clone(), &spec);
                assert_eq!(
                    answer.reason.get(),
                    Reason::PageUnknown.code(),
                    "{paging:?}"
                );
                assert_eq!((answer.limit.get(), system.writes.len()), (10, 0));

                accept_unknown_rights(&mut world);
                let answer = set(&mut system, world, &spec);
                assert_eq!(answer.reason.get(), Reason::Done.code(), "{paging:?}");
                assert_eq!(answer.limit.get(), LIMIT);
            }
        }
    });
}

#[test]
fn a_module_that_is_not_listed_is_not_written_to_by_default() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for spec in kinds(arch) {
            let mut world = Scenario::from_specimen(&spec).world;
            world.module_list.state = ListState::Missing;
            let answer = set(&mut system, world.clone(), &spec);
            assert_eq!(answer.reason.get(), Reason::ListDiffers.code());
            assert_eq!((answer.limit.get(), system.writes.len()), (10, 0));
            assert_eq!(answer.flags.get() & Flags::UNLISTED, Flags::UNLISTED);

            accept_unknown_rights(&mut world);
            let answer = set(&mut system, world, &spec);
            assert_eq!(answer.reason.get(), Reason::Done.code());
            assert_eq!(answer.limit.get(), LIMIT);
        }
    });
}

#[test]
fn all_formats_of_page_tables_are_read() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for spec in kinds(arch) {
            for (pae, paging, writable, reason) in [
                (Paging::Small, true, Reason::Done),
                (Paging::Small, false, Reason::PageReadOnly),
                (Paging::ReadOnlyAbove, true, Reason::PageReadOnly),
                (Paging::Large, true, Reason::Done),
                (Paging::LargeReadOnly, true, Reason::PageReadOnly),
            ]
            .into_iter()
            .flat_map(|(paging, writable, reason)| {
                [false, true].map(|pae| (pae, paging, writable, reason))
            }) {
                for no_execute in [false, true] {
                    let mut world = Scenario::from_specimen(&spec).world;
                    (world.pae, world.paging, world.no_execute) = (pae, paging, no_execute);
                    for target in world.modules.iter_mut().flatten() {
                        for page in &mut target.pages {
                            page.writable &= writable;
                        }
                    }
                    let answer = set(&mut system, world, &spec);
                    let detail = format!("{pae} {paging:?} {no_execute}");
                    assert_eq!(answer.reason.get(), reason.code(), "{detail}");
                    let limit = if reason == Reason::Done { LIMIT } else { 10 };
                    assert_eq!(answer.limit.get(), limit, "{detail}");
                    let written = usize::from(reason == Reason::Done);
                    assert_eq!(system.writes.len(), written, "{detail}");
                }
            }
        }
    });
}

/// CR4 decides, not PF_PAE_ENABLED, which states what the processor implements.
#[test]
fn pae_is_determined_by_cr4() {
    let (arch, file) = files(&folder())
        .expect("the drivers are built")
        .swap_remove(0);
    assert_eq!(arch, Arch::X86);
    for processor in [Machine::new, Machine::implementing_pae] {
        let base = DRIVER[0].of(arch);
        let mut system = System::on(&file, base, processor).expect("it can be loaded");
        for spec in kinds(arch) {
            for pae in [false, true] {
                for (paging, reason) in [
                    (Paging::Small, Reason::Done),
                    (Paging::OtherFormat, Reason::PageUnknown),
                ] {
                    let mut world = Scenario::from_specimen(&spec).world;
                    (world.pae, world.paging) = (pae, paging);
                    let answer = set(&mut system, world, &spec);
                    assert_eq!(answer.reason.get(), reason.code(), "{pae} {paging:?}");
                }
            }
        }
    }
}

#[test]
fn a_limit_set_by_another_program_at_any_moment_is_not_overwritten() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for spec in kinds(arch) {
            let outcomes = races(&mut system, &spec).expect("no violation");
            // Before the limit is read, between that and the exchange, after.
            let failed_exchanges = outcomes
                .iter()
                .filter(|outcome| outcome.failed_exchanges == 1);
            let won = outcomes.iter().filter(|outcome| outcome.changes == 1);
            assert!(failed_exchanges.count() >= 2 && won.count() >= 1);
        }
    });
}

#[test]
fn every_read_of_an_absent_page_is_noticed() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for spec in kinds(arch) {
            let mut scenario = Scenario::from_specimen(&spec);
            // The pages are present to the driver's queries, but not accessible.
            for target in scenario.world.modules.iter_mut().flatten() {
                for page in &mut target.pages[1..] {
                    page.accessible = false;
                }
            }
            let result = run(&mut system, &scenario).map(|_| ());
            assert!(
                matches!(result, Err(Violation::Access { .. })),
                "{result:?}"
            );
        }
    });
}

#[test]
fn every_read_outside_the_allowed_ranges_is_noticed() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        system.machine.watch_reads();
        for spec in kinds(arch) {
            let whole = Scenario::from_specimen(&spec);
            assert!(run(&mut system, &whole).is_ok());
            // Headers, code and the three variables, each without its first byte,
            // and code without its last bytes.
            let ranges = shrunken_ranges(&whole);
            assert!(ranges.len() >= 6, "{ranges:?}");
            for (number, shrunken, missing) in ranges {
                let mut scenario = Scenario::from_specimen(&spec);
                let target = scenario.world.modules.iter_mut().flatten().next();
                target.expect("a module").readable[number] = shrunken;
                let result = run(&mut system, &scenario).map(|_| ());
                assert!(
                    matches!(&result, Err(Violation::Access { access: Access::Read, address, size, .. })
                        if *address < missing.end && missing.start < *address + *size as u64),
                    "{missing:X?}: {result:?}"
                );
            }
        }
    });
}

/// Readable ranges that lack some bytes: index of the range, the rest of it, and the
/// addresses of the missing bytes.
fn shrunken_ranges(scenario: &Scenario) -> Vec<(usize, Range<u32>, Range<u64>)> {
    let mut modules = scenario.world.modules.iter().flatten();
    let target = modules.next().expect("a module");
    let mut ranges = Vec::new();
    for (number, range) in target.readable.iter().enumerate() {
        let first = target.base + u64::from(range.start);
        ranges.push((number, range.start + 1..range.end, first..first + 1));
        if range.len() > 4 && range.start > 0 {
            let (left, end) = (range.end - 64, target.base + u64::from(range.end));
            ranges.push((number, range.start..left, end - 64..end));
        }
    }
    ranges
}

/// A world whose headers in memory declare the beginning of INIT as resident code:
/// the part that shares a page with a resident section.
fn scenario_with_misleading_headers(spec: &Spec) -> (Scenario, Range<u64>) {
    let mut scenario = Scenario::from_specimen(spec);
    scenario.sound = [false; 2];
    scenario.files = [None, None];
    let target = scenario.world.module_mut(Module::Tcpip).expect("tcpip.sys");
    let number = target
        .sections
        .iter()
        .position(|it| it.name == *b"INIT\0\0\0\0");
    let number = number.expect("an INIT section");
    let init = &target.sections[number];
    let (rva, end) = (init.rva, init.rva.next_multiple_of(0x1000));
    assert!(
        rva < end && target.is_present(rva, end - rva),
        "a shared page"
    );
    let left = rva as usize..end as usize;
    assert!(
        target.memory[left].iter().any(|&byte| byte != 0),
        "INIT's bytes"
    );
    let nt = target.dword(0x3C).expect("headers");
    let table = nt + 24 + (target.dword(nt + 20).expect("headers") & 0xFFFF);
    let header = table + 40 * u32::try_from(number).expect("a few");
    target.write(header, b".text2\0\0");
    target.write(header + 8, &(end - rva).to_le_bytes());
    target.write(header + 16, &(end - rva).to_le_bytes());
    target.write(header + 36, &0x6800_0020_u32.to_le_bytes());
    let base = target.base;
    (scenario, base + u64::from(rva)..base + u64::from(end))
}

#[test]
fn a_read_of_discardable_bytes_on_a_present_page_is_noticed() {
    let (arch, file) = files(&folder())
        .expect("the drivers are built")
        .swap_remove(0);
    // With an amount of code such that INIT shares its first page.
    let shares = |spec: &Spec| {
        let scenario = Scenario::from_specimen(spec);
        let target = scenario.world.module(Module::Tcpip).expect("tcpip.sys");
        let init = target
            .sections
            .iter()
            .find(|it| it.name == *b"INIT\0\0\0\0");
        let init = init.expect("an INIT section");
        let (rva, end) = (init.rva, init.rva.next_multiple_of(0x1000));
        rva < end && target.is_present(rva, end - rva)
    };
    let specs = (4..32).map(|kib| Spec::xp_sp3().with_text_kib(kib));
    let spec = specs.into_iter().find(shares).expect("a shared page");
    let (scenario, init) = scenario_with_misleading_headers(&spec);
    let mut system = system(arch, &file);
    // The page is readable.
    assert_eq!(run(&mut system, &scenario).map(|_| ()), Ok(()));
    system.machine.watch_reads();
    let result = run(&mut system, &scenario).map(|_| ());
    assert!(
        matches!(&result, Err(Violation::Access { access: Access::Read, address, .. })
            if init.contains(address)),
        "{result:?}"
    );
}

#[test]
fn two_runs_of_one_scenario_are_the_same_to_the_instruction() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for seed in 1..6 {
            let mut once = || {
                let scenario = Scenario::from_seed(seed, arch);
                let outcome = run(&mut system, &scenario).expect("no violation");
                (outcome.instructions, outcome.stack, outcome.reasons)
            };
            assert_eq!(once(), once());
        }
    });
}

#[test]
fn a_scenario_sends_requests() {
    let sends = |action: &Action| matches!(action, Action::Send(_));
    let scenario = Scenario::from_seed(1, Arch::X86);
    assert!(
        scenario
            .actions
            .iter()
            .filter(|action| sends(action))
            .count()
            > 6
    );
}

#[test]
fn a_request_above_passive_level_is_stopped_at_the_first_call_that_is_not_allowed_there() {
    each_driver(|arch, file| {
        let mut system = system(arch, file);
        for (irql, import) in [
            // Registry and objects by name need PASSIVE_LEVEL, a wait APC_LEVEL at
            // most.
            (Irql::Apc, "ObReferenceObjectByName"),
            (Irql::Dispatch, "KeEnterCriticalRegion"),
        ] {
            for spec in kinds(arch) {
                system.reset(Scenario::from_specimen(&spec).world);
                assert_eq!(system.start(), Ok(0));
                system.irql = irql;
                let result = system.send(&requests::query(module(spec.module)));
                assert!(
                    matches!(&result, Err(Violation::Call { import: at, detail })
                        if *at == import && detail.contains("level")),
                    "{irql:?}: {result:?}"
                );
            }
        }
    });
}
