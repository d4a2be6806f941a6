//! Mutants of the shipped files: the emulator must report each with the expected
//! violation.

use emulator::address::entry;
use emulator::happy_path::races;
use emulator::image::LoadedImage;
use emulator::mutants::{Mutant, PREFERRED};
use emulator::run::run;
use emulator::scenario::Scenario;
use emulator::shipped::{files, folder};
use emulator::system::System;
use emulator::violation::{Access, Violation};
use specimen::{Arch, Spec};

fn spec(arch: Arch) -> Spec {
    match arch {
        Arch::X86 => Spec::xp_sp3().with_text_kib(4),
        Arch::X64 => Spec::xp_x64().with_text_kib(4),
    }
}

/// Mutates each driver, runs it, and expects a violation.
fn expect_violation(
    mutate: impl Fn(Mutant) -> Mutant,
    mut is_expected: impl FnMut(&Violation) -> bool,
) {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let mutant = mutate(Mutant::new(&file));
        assert!(
            mutant.changed > 0,
            "nothing to break in the driver for {arch:?}"
        );
        let scenario = Scenario::from_specimen(&spec(arch));
        let result = System::new(mutant.file(), PREFERRED)
            .and_then(|mut system| run(&mut system, &scenario));
        match result {
            Ok(_) => panic!("{arch:?}: not noticed"),
            Err(violation) => assert!(is_expected(&violation), "{arch:?}: {violation}"),
        }
    }
}

fn is_call_violation(name: &str, why: &str) -> impl Fn(&Violation) -> bool {
    move |violation| matches!(violation, Violation::Call { import, detail } if *import == name && detail.contains(why))
}

#[test]
fn an_exchange_without_its_condition_overwrites_what_another_program_set() {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let race = |file: &[u8]| {
            let mut system = System::new(file, PREFERRED)?;
            races(&mut system, &spec(arch)).map(|_| ())
        };
        assert_eq!(race(&file), Ok(()));
        // mov in place of lock cmpxchg.
        let mutant = Mutant::new(&file).with_exchange(|operands| vec![0x89, operands]);
        assert_eq!(mutant.changed, 1);
        let result = race(mutant.file());
        assert!(matches!(result, Err(Violation::Limit(_))), "{result:?}");
    }
}

#[test]
fn a_write_beside_the_limit_is_noticed() {
    // The same with a displacement of 4, in place of the prefix.
    let beside = |operands| vec![0x0F, 0xB1, operands | 0x40, 4];
    expect_violation(
        |driver| driver.with_exchange(beside),
        |violation| matches!(violation, Violation::Write { size: 4, .. }),
    );
}

#[test]
fn an_exchange_that_does_not_happen_is_noticed() {
    expect_violation(
        |driver| driver.with_exchange(|_| vec![]),
        |violation| matches!(violation, Violation::Disagreement(_)),
    );
}

#[test]
fn a_resource_that_is_not_released_is_noticed() {
    for (import, dwords, left) in [
        ("ObfDereferenceObject", 0, "references"),
        ("ZwClose", 1, "handles"),
        ("ExFreePoolWithTag", 2, "pool"),
        ("KeLeaveCriticalRegion", 0, "critical"),
        ("IoDeleteDevice", 1, r"\Device\"),
        ("IoWriteErrorLogEntry", 1, "unwritten log entries"),
    ] {
        expect_violation(
            |driver| driver.without_call(import, dwords),
            |violation| matches!(violation, Violation::Unbalanced(detail) if detail.contains(left)),
        );
    }
}

#[test]
fn a_device_that_anyone_may_open_is_noticed() {
    expect_violation(
        |driver| driver.with_successful_call("ZwSetSecurityObject", 3),
        is_call_violation("IoCreateSymbolicLink", "the device is not secured yet"),
    );
}

#[test]
fn a_request_that_is_never_completed_is_noticed() {
    expect_violation(
        |driver| driver.without_call("IofCompleteRequest", 0),
        |violation| matches!(violation, Violation::Completion(detail) if detail.contains("never")),
    );
}

#[test]
fn an_instruction_that_processors_of_the_time_lack_is_noticed() {
    // ud2, which is invalid on all processors.
    expect_violation(
        |driver| driver.with_entry_code(&[0x0F, 0x0B]),
        |violation| matches!(violation, Violation::Exception { .. }),
    );
}

#[test]
fn a_conditional_move_is_noticed_on_x86() {
    let (arch, file) = files(&folder())
        .expect("the drivers are built")
        .swap_remove(0);
    assert_eq!(arch, Arch::X86);
    // cmove eax, eax; hlt.
    let mutant = Mutant::new(&file).with_entry_code(&[0x0F, 0x44, 0xC0, 0xF4]);
    let mut system = System::new(mutant.file(), PREFERRED).expect("it loads");
    let result = run(&mut system, &Scenario::from_specimen(&spec(arch)));
    assert!(
        matches!(result, Err(Violation::Exception { .. })),
        "{result:?}"
    );
}

#[test]
fn execution_outside_of_the_code_is_noticed() {
    // A jump to the headers, which are readable and not code, and one behind the last
    // byte of code, in its page.
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let image = LoadedImage::load(&file, PREFERRED).expect("a driver");
        let text = image.sections.iter().find(|section| section.is_code());
        for to in [0x100, text.expect("code").end()] {
            let mut jump = vec![0xE9];
            jump.extend(to.wrapping_sub(image.entry + 5).to_le_bytes());
            let mutant = Mutant::new(&file).with_entry_code(&jump);
            let mut system = System::new(mutant.file(), PREFERRED).expect("it loads");
            let result = system.start();
            // The processor reads a whole instruction, which may reach into the
            // next page, and reports that page first.
            let first = PREFERRED + u64::from(to);
            let fetch = matches!(
                result,
                Err(Violation::Access { access: Access::Fetch, address, .. })
                    if address == first || address == first.next_multiple_of(0x1000)
            );
            assert!(fetch, "{arch:?}: {result:?}");
        }
    }
}

#[test]
fn an_import_without_a_model_is_an_error() {
    for (_, mut file) in files(&folder()).expect("the drivers are built") {
        let name = b"ZwFlushKey\0";
        let at = file.windows(name.len()).position(|bytes| bytes == name);
        file[at.expect("it is imported") + 2] = b'L';
        let result = System::new(&file, PREFERRED).map(|_| ());
        assert!(
            matches!(result, Err(Violation::Unmodelled(_))),
            "{result:?}"
        );
    }
}

#[test]
fn a_function_that_does_not_return_is_noticed() {
    for (_, file) in files(&folder()).expect("the drivers are built") {
        // A jump to itself.
        let mutant = Mutant::new(&file).with_entry_code(&[0xEB, 0xFE]);
        let mut system = System::new(mutant.file(), PREFERRED).expect("it loads");
        system.machine.set_budget(100_000);
        let result = system.start();
        assert!(matches!(result, Err(Violation::Endless(_))), "{result:?}");
    }
}

#[test]
fn a_return_that_breaks_the_calling_convention_is_noticed() {
    // ret, and ret 8 on x86, where two arguments are to be removed.
    let (plain, right) = (vec![0xC3], vec![0xC2, 8, 0]);
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let (ends, wrong) = match arch {
            Arch::X86 => (right.clone(), plain.clone()),
            Arch::X64 => (plain.clone(), right.clone()),
        };
        for (code, end, why) in [
            // xor ebx, ebx; std; nothing.
            (&[0x31, 0xDB][..], ends.clone(), "BX is not preserved"),
            (&[0xFD], ends, "the direction flag"),
            (&[], wrong, "the stack is off"),
        ] {
            let code = [code, &end].concat();
            let mutant = Mutant::new(&file).with_entry_code(&code);
            let mut system = System::new(mutant.file(), PREFERRED).expect("it loads");
            let result = system.start();
            assert!(
                matches!(&result, Err(Violation::Return(detail)) if detail.contains(why)),
                "{arch:?}, {why}: {result:?}"
            );
        }
    }
}

#[test]
fn a_stack_that_is_too_deep_is_noticed() {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        // sub esp, 2052; mov byte [esp], 0.
        let wide: &[u8] = if arch == Arch::X64 { &[0x48] } else { &[] };
        let code = [wide, &[0x81, 0xEC, 4, 8, 0, 0], &[0xC6, 4, 0x24, 0]].concat();
        let mutant = Mutant::new(&file).with_entry_code(&code);
        let mut system = System::new(mutant.file(), PREFERRED).expect("it loads");
        let below = entry(arch) - 2052;
        let result = system.start();
        assert!(
            matches!(result, Err(Violation::Write { address, size: 1, .. }) if address == below),
            "{arch:?}: {result:?}"
        );
    }
}

#[test]
fn a_file_that_can_not_be_loaded_is_noticed() {
    for (_, file) in files(&folder()).expect("the drivers are built") {
        for bad in [&b"MZ"[..], &file[..file.len() / 2]] {
            let result = System::new(bad, PREFERRED).map(|_| ());
            assert!(matches!(result, Err(Violation::File(_))), "{result:?}");
        }
    }
}
