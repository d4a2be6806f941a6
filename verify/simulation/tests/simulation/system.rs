//! The simulated system itself: it detects violations, and its builds get their
//! stated verdicts.

use scanner_core::policy::{PageFacts, WriteRequest, permit};
use scanner_core::{Headers, Image, MappedSection, Rva, Section, locate};
use simulation::kernel::{
    AddressLayout, Configuration, Fault, Installed, Number, System, X64, X86, all, named,
};
use simulation::session::{Action, Answer, Run};
use specimen::{Arch, Module};
use tcplimit_driver::{Device, Exclusion, Kernel, ModuleRef};
use tcplimit_protocol::Reason;

const TCPIP: scanner_core::Module = scanner_core::Module::Tcpip;

/// The violations while `work` ran inside the exclusion.
fn violations(work: impl FnOnce(&System<X86>)) -> Vec<String> {
    let system = System::start(&Configuration::x86(), AddressLayout::First);
    system.exclusion().inside(|| work(&system));
    let state = system.state();
    state.violations().to_vec()
}

fn assert_violation(expected: &str, work: impl FnOnce(&System<X86>)) {
    let noted = violations(work);
    assert!(
        noted.iter().any(|note| note.contains(expected)),
        "{noted:?}"
    );
}

#[test]
fn reads_outside_code_are_noted() {
    let truth = &all()[named("tcpip-2003-sp2-x86")].specimen.truth;
    let data = Rva(truth.threshold);
    assert_violation("some of it in .data", |system| {
        system.reference_module(TCPIP).unwrap().bytes(data, 4);
    });
    assert_violation("past the module's end", |system| {
        let held = system.reference_module(TCPIP).unwrap();
        assert_eq!(held.bytes(Rva(0), u32::MAX), None);
    });
    assert_violation("where no variable can be", |system| {
        system
            .reference_module(TCPIP)
            .unwrap()
            .read(Rva(data.0 + 1));
    });
    assert_eq!(
        violations(|system| {
            let held = system.reference_module(TCPIP).unwrap();
            assert!(held.bytes(Rva(0), 0x1000).is_some());
            assert_eq!(held.read(data), Some(10));
        }),
        [] as [String; 0]
    );
}

#[test]
fn a_page_of_a_discarded_section_cannot_be_read() {
    violations(|system| {
        let held = system.reference_module(TCPIP).unwrap();
        let build = &all()[named("tcpip-2003-sp2-x86")];
        for (name, is_there) in [(&b".text"[..], true), (b"INIT", false), (b".reloc", false)] {
            let named = build
                .sections
                .iter()
                .find(|section| section.name.starts_with(name));
            let rva = Rva(named.unwrap().rva);
            assert_eq!(held.page_facts(rva).valid, is_there);
            assert_eq!(held.bytes(rva, 16).is_some(), is_there);
        }
    });
}

#[test]
fn calls_outside_of_the_exclusion_are_noted() {
    let system = System::<X86>::start(&Configuration::x86(), AddressLayout::First);
    drop(system.reference_module(TCPIP));
    assert!(system.state().violations()[0].contains("outside"));
}

#[test]
#[should_panic(expected = "enters its exclusion twice")]
fn entering_the_exclusion_twice_is_noticed() {
    let exclusion = System::<X86>::start(&Configuration::x86(), AddressLayout::First).exclusion();
    exclusion.inside(|| exclusion.enter());
}

#[test]
fn device_calls_in_the_wrong_order_are_noted() {
    let ours = Device::Ours;
    assert_violation("created twice", |system| {
        system.create_device(ours).unwrap();
        system.create_device(ours).unwrap();
    });
    assert_violation("linked unprotected", |system| {
        system.create_device(ours).unwrap();
        system.link_device(ours).unwrap();
    });
    assert_violation("deleted twice, or with its link", |system| {
        system.create_device(ours).unwrap();
        system.protect_device(ours).unwrap();
        system.link_device(ours).unwrap();
        system.delete_device(ours);
    });
    assert_violation("had no link of ours", |system| system.unlink_device(ours));
    assert_violation("deleted twice", |system| system.delete_device(ours));
}

#[test]
fn a_reference_counts_until_it_is_dropped() {
    violations(|system| {
        let held = system.reference_module(TCPIP).unwrap();
        assert!(system.state().is_any_module_referenced());
        drop(held);
        assert!(!system.state().is_any_module_referenced());
    });
}

/// Writes the limit as the driver does, with or without asking for the page facts.
fn write(system: &System<X86>, ask: bool) {
    let held = system.reference_module(TCPIP).unwrap();
    let (base, size) = (held.base(), held.size());
    let bytes = held.bytes(Rva(0), 0x1000).unwrap();
    let headers = Headers::parse_loaded(bytes, base, size).unwrap();
    let live = headers.sections().filter(Section::is_live_code);
    let code: Vec<MappedSection<'_>> = live
        .map(|section| MappedSection {
            rva: section.rva(),
            bytes: held.bytes(section.rva(), section.extent()).unwrap(),
        })
        .collect();
    let image = Image::from_memory(bytes, base, size, &code).unwrap();
    let located = locate(&image, TCPIP).unwrap();
    if ask {
        held.page_facts(located.threshold());
    }
    let permit = permit(
        &located,
        &WriteRequest {
            section: located.section_flags(),
            page: PageFacts {
                valid: true,
                writable: Some(true),
            },
            current: 10,
            expected: 10,
            limit: 100,
        },
    );
    let _ = held.exchange(permit.unwrap());
}

#[test]
fn a_write_that_ignores_the_page_facts_is_noted() {
    assert_eq!(violations(|system| write(system, true)), [] as [String; 0]);
    assert_violation("after page facts None", |system| write(system, false));
    assert_violation("rights are Some(false)", |system| {
        let part = simulation::kernel::ModulePage::Limit;
        system.state().apply(Fault::Protected(Module::Tcpip, part));
        write(system, true);
    });
    assert_violation("rights are None", |system| {
        system.state().apply(Fault::RightsUnknown);
        write(system, true);
    });
}

#[test]
fn a_foreign_change_is_not_taken_for_the_drivers() {
    let system = System::<X86>::start(&Configuration::x86(), AddressLayout::First);
    system
        .state()
        .apply(Fault::Limit(Module::Tcpip, Number(50)));
    system.state().apply(Fault::Headers(Module::Tcpip, 9, 0xFF));
    assert!(system.state().loaded(Module::Tcpip).unwrap().is_intact());
}

/// Tries every build as both modules on both systems; the model relies on the
/// stated verdicts.
#[test]
fn builds_get_their_stated_verdict() {
    let mut reasons = Vec::new();
    for build in all() {
        for module in [Module::Tcpip, Module::Tcpip6] {
            for system in [Configuration::x86(), Configuration::x64()] {
                let place = Installed::with_build(&build.name);
                let (tcpip, tcpip6) = match module {
                    Module::Tcpip => (place, None),
                    Module::Tcpip6 => (None, place),
                };
                let system = Configuration {
                    tcpip,
                    tcpip6,
                    ..system
                };
                let response = first_answer(&system, module);
                let verdict = build.verdict(system.arch, module);
                assert_eq!(
                    response.reason(),
                    verdict.err().unwrap_or(Reason::Done),
                    "{}",
                    build.name
                );
                if let Err(reason) = verdict {
                    reasons.push(reason);
                }
            }
        }
    }
    for reason in [
        Reason::NotAnImage,
        Reason::WrongMachine,
        Reason::Inconsistent,
        Reason::TooManySections,
        Reason::NoGate,
        Reason::EvidenceMissing,
        Reason::Ambiguous,
        Reason::TooManyCandidates,
    ] {
        assert!(reasons.contains(&reason), "no build for {reason:?}");
    }
}

fn first_answer(system: &Configuration, module: Module) -> Answer {
    let steps = [Action::Load.into(), Action::Query(module).into()];
    let [_, response] = match system.arch {
        Arch::X86 => {
            let mut run = Run::<X86>::start(system, AddressLayout::First);
            steps.map(|step| run.step(&step))
        }
        Arch::X64 => {
            let mut run = Run::<X64>::start(system, AddressLayout::First);
            steps.map(|step| run.step(&step))
        }
    };
    Answer::read(&response.output)
}
