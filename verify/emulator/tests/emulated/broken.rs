//! The shipped files, broken on purpose: each breakage must be noticed, and for
//! what it is. Instructions are found by what they do, not by where they are.

use emulator::address::STACK;
use emulator::broken::{Broken, PREFERRED};
use emulator::image::Laid;
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

fn called(name: &str, why: &str) -> impl Fn(&Violation) -> bool {
    move |violation| matches!(violation, Violation::Call { import, what } if *import == name && what.contains(why))
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
fn a_module_that_is_looked_at_without_a_reference_is_noticed() {
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let broken = Broken::of(&file).letting_go();
        assert_eq!(broken.changed, 1);
        let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
        let scenario = Scenario::of_specimen(&spec(arch));
        let target = scenario.world.modules[0].as_ref().expect("tcpip.sys");
        let headers = target.base..target.base + 0x1000;
        let result = run(&mut system, &scenario);
        let read = matches!(
            &result,
            Err(Violation::Access { access: Access::Read, address, .. }) if headers.contains(address)
        );
        assert!(read, "{arch:?}: {result:?}");
    }
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
        |driver| driver.pretending("ZwSetSecurityObject", 3),
        called("IoCreateSymbolicLink", "anyone could open the device"),
    );
}

#[test]
fn a_device_that_others_may_open_too_is_noticed() {
    // FILE_ALL_ACCESS, in either of the list's entries.
    for entry in [0, 1] {
        broken(
            |driver| driver.constant(0x001F_01FF, 1, entry),
            called("ZwSetSecurityObject", "other rights than those of SYSTEM"),
        );
    }
}

#[test]
fn a_key_to_remember_in_that_others_may_write_to_is_noticed() {
    // KEY_ALL_ACCESS.
    for entry in [0, 1] {
        broken(
            |driver| driver.constant(0x000F_003F, 1, entry),
            called("ZwCreateKey", "other rights than those of SYSTEM"),
        );
    }
    // Another place, one that might go with the service.
    broken(
        |driver| driver.renamed(r"Control\TcpLimit", r"Control\tcpLimit"),
        called("ZwCreateKey", "none of the driver's"),
    );
}

#[test]
fn a_key_that_is_opened_with_other_rights_is_noticed() {
    // KEY_READ and KEY_WRITE, without the right to query values.
    broken(
        |driver| driver.immediate(0x0002_001F, 1, 0),
        |violation| matches!(violation, Violation::Call { what, .. } if what.contains("DesiredAccess")),
    );
}

#[test]
fn a_link_that_is_left_is_noticed() {
    broken(
        |driver| driver.without("IoDeleteSymbolicLink", 1),
        called("IoDeleteDevice", "programs can still open it"),
    );
    broken(
        |driver| {
            let driver = driver.without("IoDeleteSymbolicLink", 1);
            driver.without("IoDeleteDevice", 1)
        },
        unbalanced(r"\DosDevices\"),
    );
}

#[test]
fn an_entry_of_the_log_that_is_never_written_is_noticed() {
    broken(
        |driver| driver.without("IoWriteErrorLogEntry", 1),
        unbalanced("unwritten log entries"),
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
    broken(
        // The first use is the allocation's.
        |driver| driver.immediate(tag, 1, 1),
        called("ExFreePoolWithTag", "the tag is"),
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
        // Below the stack there is no memory.
        let below = |arch| STACK.of(arch) - 0x1000..STACK.of(arch);
        let stack = [below(Arch::X86), below(Arch::X64)];
        matches!(violation, Violation::Access { access: Access::Write, address, .. }
            | Violation::Write { address, .. } if stack.iter().any(|it| it.contains(address)))
    });
}

#[test]
fn an_instruction_that_processors_of_the_time_lack_is_noticed() {
    // ud2, which no processor has for a use, on both.
    broken(
        |driver| driver.first(&[0x0F, 0x0B]),
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
    let broken = Broken::of(&file).first(&[0x0F, 0x44, 0xC0, 0xF4]);
    let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
    let result = run(&mut system, &Scenario::of_specimen(&spec(arch)));
    assert!(
        matches!(result, Err(Violation::Exception { .. })),
        "{result:?}"
    );
}

#[test]
fn code_that_runs_where_there_is_none_is_noticed() {
    // A jump: to the headers, which are readable and no code; and behind the last
    // byte of code, in its page.
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let laid = Laid::at(&file, PREFERRED).expect("a driver");
        let text = laid.sections.iter().find(|section| section.is_code());
        for to in [0x100, text.expect("code").end()] {
            let mut jump = vec![0xE9];
            jump.extend(to.wrapping_sub(laid.entry + 5).to_le_bytes());
            let broken = Broken::of(&file).first(&jump);
            let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
            let result = system.start();
            // The processor reads on to the end of an instruction that may reach
            // into the next page, and says that first.
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

#[test]
fn a_function_that_does_not_return_is_noticed() {
    for (_, file) in files(&folder()).expect("the drivers are built") {
        // A jump to itself.
        let broken = Broken::of(&file).first(&[0xEB, 0xFE]);
        let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
        system.machine.set_budget(100_000);
        let result = system.start();
        assert!(matches!(result, Err(Violation::Endless(_))), "{result:?}");
    }
}

#[test]
fn a_function_that_returns_otherwise_than_it_must_is_noticed() {
    // ret, and ret 8 on x86, where two arguments are to be removed.
    let (plain, right) = (vec![0xC3], vec![0xC2, 8, 0]);
    for (arch, file) in files(&folder()).expect("the drivers are built") {
        let (ends, wrong) = match arch {
            Arch::X86 => (right.clone(), plain.clone()),
            Arch::X64 => (plain.clone(), right.clone()),
        };
        for (code, end, why) in [
            // xor ebx, ebx; std; nothing.
            (&[0x31, 0xDB][..], ends.clone(), "BX is not what it was"),
            (&[0xFD], ends, "the direction flag"),
            (&[], wrong, "the stack is off"),
        ] {
            let code = [code, &end].concat();
            let broken = Broken::of(&file).first(&code);
            let mut system = System::new(broken.file(), PREFERRED).expect("it loads");
            let result = system.start();
            assert!(
                matches!(&result, Err(Violation::Return(what)) if what.contains(why)),
                "{arch:?}, {why}: {result:?}"
            );
        }
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
