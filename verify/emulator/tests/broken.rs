//! The shipped files, broken on purpose: each breakage must be noticed, and for
//! what it is. Instructions are found by what they do, not by where they are.

#![cfg(feature = "unicorn")]

use emulator::broken::{Broken, PREFERRED};
use emulator::plain::races;
use emulator::run::run;
use emulator::scenario::Scenario;
use emulator::shipped::{files, folder};
use emulator::system::System;
use emulator::violation::{Access, Violation};
use iced_x86::{Mnemonic, OpKind, Register};
use verify::specimen::{Arch, Spec};

fn spec(arch: Arch) -> Spec {
    match arch {
        Arch::X86 => Spec::xp_sp3().sized(4),
        Arch::X64 => Spec::xp_x64().sized(4),
    }
}

/// Breaks each driver, and runs it.
fn broken(how: impl Fn(Broken) -> Broken, mut noticed: impl FnMut(&Violation) -> bool) {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let broken = how(Broken::of(&file));
        assert!(
            broken.changed > 0,
            "nothing to break in the driver for {arch:?}"
        );
        let scenario = Scenario::of_specimen(&spec(arch));
        let result = System::new(broken.file(), PREFERRED)
            .and_then(|mut system| run(&mut system, &scenario));
        match result {
            Ok(_) => panic!("{arch:?}: not noticed"),
            Err(violation) => assert!(noticed(&violation), "{arch:?}: {violation}"),
        }
    }
}

fn unbalanced(what: &str) -> impl Fn(&Violation) -> bool {
    move |violation| matches!(violation, Violation::Unbalanced(left) if left.contains(what))
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
        let broken = Broken::of(&file).exchange(|operands| vec![0x89, operands]);
        assert_eq!(broken.changed, 1);
        let result = race(broken.file());
        assert!(matches!(result, Err(Violation::Limit(_))), "{result:?}");
    }
}

#[test]
fn a_write_beside_the_limit_is_noticed() {
    // The same with a displacement of 4, in the place of the prefix.
    let beside = |operands| vec![0x0F, 0xB1, operands | 0x40, 4];
    broken(
        |driver| driver.exchange(beside),
        |violation| matches!(violation, Violation::Write { size: 4, .. }),
    );
}

#[test]
fn an_exchange_that_does_not_happen_is_noticed() {
    broken(
        |driver| driver.exchange(|_| vec![]),
        |violation| matches!(violation, Violation::Disagreement(_)),
    );
}

#[test]
fn a_reference_that_is_kept_is_noticed() {
    broken(
        |driver| driver.without("ObfDereferenceObject", 0),
        unbalanced("references"),
    );
}

#[test]
fn a_handle_that_is_kept_is_noticed() {
    broken(|driver| driver.without("ZwClose", 1), unbalanced("handles"));
}

#[test]
fn pool_that_is_kept_is_noticed() {
    broken(
        |driver| driver.without("ExFreePoolWithTag", 2),
        unbalanced("pool"),
    );
}

#[test]
fn a_critical_region_that_is_not_left_is_noticed() {
    broken(
        |driver| driver.without("KeLeaveCriticalRegion", 0),
        unbalanced("critical"),
    );
}

#[test]
fn a_mutex_that_is_kept_is_noticed() {
    broken(
        |driver| driver.without("KeReleaseMutex", 2),
        |violation| matches!(violation, Violation::Call { import, .. } if *import == "KeLeaveCriticalRegion"),
    );
}

#[test]
fn a_device_that_is_left_is_noticed() {
    broken(
        |driver| driver.without("IoDeleteDevice", 1),
        unbalanced(r"\Device\"),
    );
}

#[test]
fn a_device_that_anyone_may_open_is_noticed() {
    broken(
        |driver| driver.without("ZwSetSecurityObject", 3),
        |violation| match violation {
            Violation::Call { import, .. } => *import == "IoCreateSymbolicLink",
            // What is left of the call's place is not the status it wants.
            _ => true,
        },
    );
}

#[test]
fn a_request_that_is_never_completed_is_noticed() {
    broken(
        |driver| driver.without("IofCompleteRequest", 0),
        |violation| matches!(violation, Violation::Completion(what) if what.contains("never")),
    );
}

#[test]
fn pool_that_is_freed_under_another_tag_is_noticed() {
    let tag = u32::from_le_bytes(*b"tcpl");
    let other = |driver: Broken| {
        let allocates = std::cell::Cell::new(true);
        driver.with(|laid, instruction| {
            let operands = 0..instruction.op_count();
            let mut immediates = operands.filter(|&n| {
                instruction.op_kind(n) == OpKind::Immediate32
                    || instruction.op_kind(n) == OpKind::Immediate32to64
            });
            let has = immediates.any(|n| instruction.immediate(n) & 0xFFFF_FFFF == u64::from(tag));
            // The first use is the allocation's.
            if !has || allocates.replace(false) {
                return None;
            }
            let at = usize::try_from(instruction.ip() - laid.base).expect("a small file");
            let mut bytes = laid.memory[at..at + instruction.len()].to_vec();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            Some(bytes)
        })
    };
    broken(
        other,
        |violation| matches!(violation, Violation::Call { import, .. } if *import == "ExFreePoolWithTag"),
    );
}

#[test]
fn a_frame_that_is_larger_than_the_stack_is_noticed() {
    let larger = |driver: Broken| {
        driver.with(|laid, instruction| {
            let stack = [Register::ESP, Register::RSP].contains(&instruction.op0_register());
            let wide = matches!(
                instruction.op1_kind(),
                OpKind::Immediate32 | OpKind::Immediate32to64
            );
            let frame = matches!(instruction.mnemonic(), Mnemonic::Sub | Mnemonic::Add);
            if !stack || !wide || !frame {
                return None;
            }
            let at = usize::try_from(instruction.ip() - laid.base).expect("a small file");
            let mut bytes = laid.memory[at..at + instruction.len()].to_vec();
            // 2 KiB more, taken and given back.
            let second = bytes.len() - 3;
            bytes[second] += 8;
            Some(bytes)
        })
    };
    broken(larger, |violation| {
        // Below the stack there is nothing that it may write.
        matches!(
            violation,
            Violation::Access { .. } | Violation::Write { .. }
        )
    });
}

/// Puts bytes over the driver's very first instructions.
fn first(driver: Broken, bytes: &[u8]) -> Broken {
    let places = std::cell::RefCell::new(bytes.to_vec());
    driver.with(|laid, instruction| {
        let entry = laid.base + u64::from(laid.entry);
        if instruction.ip() < entry || places.borrow().is_empty() {
            return None;
        }
        let mut left = places.borrow_mut();
        let count = left.len().min(instruction.len());
        Some(left.drain(..count).collect())
    })
}

#[test]
fn an_instruction_that_processors_of_the_time_lack_is_noticed() {
    // ud2, which no processor has for a use, on both.
    broken(
        |driver| first(driver, &[0x0F, 0x0B]),
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
    let broken = first(Broken::of(&file), &[0x0F, 0x44, 0xC0, 0xF4]);
    let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
    let result = run(&mut system, &Scenario::of_specimen(&spec(arch)));
    assert!(
        matches!(result, Err(Violation::Exception { .. })),
        "{result:?}"
    );
}

#[test]
fn code_that_runs_where_there_is_none_is_noticed() {
    // A jump to the headers: readable, and no code.
    let jump = |driver: Broken| {
        let back = -0xF00_i32;
        let mut bytes = vec![0xE9];
        bytes.extend(back.to_le_bytes());
        first(driver, &bytes)
    };
    broken(jump, |violation| {
        matches!(
            violation,
            Violation::Access {
                access: Access::Fetch,
                ..
            }
        )
    });
}

#[test]
fn a_call_of_what_has_no_model_is_an_error() {
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
