use crate::BOTH;
use crate::assembler::{Assembler, RET, RET_8};
use crate::pe::{self, BASE, Draft, EXTRA, RDATA, TEXT, driver};
use checker::{Arch, Kind, Violation};
use scanner_core::Rva;

/// Ends a driver's entry point.
fn finish(code: &mut Assembler) {
    match code.arch {
        Arch::X86 => code.emit(RET_8),
        Arch::X64 => code.emit(RET),
    }
}

/// A file whose code starts with these bytes.
fn with(kind: Kind, arch: Arch, bytes: &[u8]) -> Draft {
    pe::draft(kind, arch, |code| {
        code.emit(bytes);
        finish(code);
    })
}

fn needs(draft: &Draft) -> String {
    match &draft.violations()[..] {
        [Violation::Processor { at, needs, .. }] => format!("{at} {needs:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn instructions_that_an_old_processor_lacks_are_violations() {
    let both: [(&[u8], &str); 8] = [
        (b"\xD9\xE8", "FPU"),            // fld1
        (b"\x0F\x77", "MMX"),            // emms
        (b"\x0F\x28\xC1", "SSE"),        // movaps xmm0,xmm1
        (b"\x66\x0F\xEF\xC0", "SSE2"),   // pxor xmm0,xmm0
        (b"\x0F\x0F\xC1\x9E", "D3NOW"),  // pfadd mm0,mm1
        (b"\xC5\xF8\x28\xC1", "AVX"),    // vmovaps xmm0,xmm1
        (b"\xF3\x0F\xB8\xC1", "POPCNT"), // popcnt eax,ecx
        (b"\xF3\x0F\xBC\xC1", "BMI1"),   // tzcnt eax,ecx
    ];
    let x86: [(&[u8], &str); 2] = [
        (b"\x0F\x44\xC1", "CMOV"),         // cmove eax,ecx
        (b"\x0F\x1F\x00", "MULTIBYTENOP"), // nop [eax]
    ];
    for (bytes, feature) in both {
        for arch in BOTH {
            let wanted = format!("1000 {feature}");
            assert_eq!(needs(&with(Kind::Driver, arch, bytes)), wanted);
        }
    }
    for (bytes, feature) in x86 {
        let wanted = format!("1000 {feature}");
        assert_eq!(needs(&with(Kind::Driver, Arch::X86, bytes)), wanted);
        assert_eq!(needs(&with(Kind::Program, Arch::X86, bytes)), wanted);
        with(Kind::Driver, Arch::X64, bytes).report();
    }
}

#[test]
fn a_program_may_use_the_baseline_of_x64() {
    for bytes in [&b"\x0F\x28\xC1"[..], b"\x66\x0F\xEF\xC0"] {
        with(Kind::Program, Arch::X64, bytes).report();
        with(Kind::Program, Arch::X86, bytes).violations();
    }
    // cvtpi2ps xmm0,mm1: an instruction of SSE, a register of MMX.
    let mixed = with(Kind::Program, Arch::X64, b"\x0F\x2A\xC1");
    assert_eq!(needs(&mixed), "1000 MMX");
    assert_eq!(
        needs(&with(Kind::Program, Arch::X64, b"\x0F\x77")),
        "1000 MMX"
    );
}

#[test]
fn forbidden_instructions_are_violations() {
    let both: [&[u8]; 15] = [
        b"\xE4\x40",     // in al,40h
        b"\xEE",         // out dx,al
        b"\x6C",         // insb
        b"\xF4",         // hlt
        b"\xFA",         // cli
        b"\xFB",         // sti
        b"\x9C\x9D",     // pushf, popf: sets the interrupt flag
        b"\x0F\x20\xC0", // mov eax,cr0
        b"\x0F\x22\xE0", // mov cr4,eax
        b"\x0F\x22\xC0", // mov cr0,eax
        b"\x0F\x21\xC0", // mov eax,dr0
        b"\x8E\xD8",     // mov ds,eax
        b"\x0F\x01\x10", // lgdt [eax]
        b"\x0F\x08",     // invd
        b"\xF1",         // int1
    ];
    for bytes in both {
        for arch in BOTH {
            for kind in [Kind::Driver, Kind::Program] {
                let violations = with(kind, arch, bytes).violations();
                let wrong = |it: &Violation| {
                    matches!(
                        it,
                        Violation::Forbidden {
                            at: Rva(TEXT..=0x1001),
                            ..
                        }
                    )
                };
                assert!(wrong(&violations[0]), "{bytes:X?}: {violations:?}");
            }
        }
    }
    for bytes in [
        &b"\x0F\x30"[..],
        b"\x0F\x32",
        b"\x0F\xA2",
        b"\x0F\x31",
        b"\x0F\x05",
    ] {
        // wrmsr, rdmsr, cpuid, rdtsc, syscall: refused by feature.
        let violations = with(Kind::Driver, Arch::X64, bytes).violations();
        assert!(matches!(
            violations[0],
            Violation::Processor { at: Rva(TEXT), .. }
        ));
    }
}

#[test]
fn interrupts_are_violations() {
    for bytes in [&b"\xCD\x2E"[..], b"\xCD\x03", b"\xCF"] {
        let violations = with(Kind::Driver, Arch::X86, bytes).violations();
        assert!(matches!(
            violations[0],
            Violation::Forbidden { at: Rva(TEXT), .. }
        ));
    }
}

#[test]
fn far_calls_and_jumps_are_violations() {
    for bytes in [&b"\xFF\x18"[..], b"\xFF\x28", b"\xCB"] {
        let violations = with(Kind::Driver, Arch::X86, bytes).violations();
        assert!(matches!(
            violations[0],
            Violation::Forbidden { at: Rva(TEXT), .. }
        ));
    }
}

#[test]
fn only_a_program_may_use_its_threads_own_block() {
    let bytes = b"\x64\xA1\x18\x00\x00\x00"; // mov eax,fs:[18h]
    with(Kind::Program, Arch::X86, bytes).report();
    let violations = with(Kind::Driver, Arch::X86, bytes).violations();
    assert!(matches!(
        violations[..],
        [Violation::Forbidden { at: Rva(TEXT), .. }]
    ));
}

#[test]
fn a_trap_that_a_driver_can_reach_is_a_violation() {
    for arch in BOTH {
        for trap in [&b"\xCC"[..], b"\x0F\x0B"] {
            let draft = |kind| {
                pe::draft(kind, arch, |code| {
                    let out = code.label();
                    code.emit(b"\x85\xC0"); // test eax,eax
                    code.jne(out);
                    code.emit(trap);
                    code.define(out);
                    code.emit(b"\x90"); // nop
                    finish(code);
                })
            };
            assert_eq!(
                draft(Kind::Driver).violations(),
                [Violation::Trap(Rva(0x1004))]
            );
            assert_eq!(draft(Kind::Program).report().traps, [Rva(0x1004)]);
        }
    }
}

#[test]
fn padding_that_nothing_reaches_is_no_violation() {
    for arch in BOTH {
        driver(arch, |code| {
            let out = code.label();
            code.jmp(out);
            // int3, nops of many lengths, a nop that a Pentium lacks.
            code.emit(b"\xCC\xCC\x90\x66\x90\x0F\x1F\x84\x00\x00\x00\x00\x00\xCC");
            code.define(out);
            finish(code);
        })
        .report();
    }
}

#[test]
fn code_that_nothing_reaches_is_a_violation() {
    for arch in BOTH {
        let draft = driver(arch, |code| {
            finish(code);
            code.emit(b"\xCC"); // int3
            code.emit(b"\x89\xC8"); // mov eax,ecx
            code.emit(RET);
        });
        let start = if arch == Arch::X86 { 3 } else { 1 };
        let violations = draft.violations();
        // Up to the end of the section: the zeros behind it may belong to it.
        let at = Rva(TEXT + start);
        let bytes = 0x1000 - start;
        assert_eq!(violations, [Violation::Unreached { at, bytes }]);
    }
}

#[test]
fn bytes_that_are_no_instruction_are_violations() {
    for arch in BOTH {
        let draft = driver(arch, |code| code.emit(b"\x90\xFF\xFF"));
        let violations = draft.violations();
        assert_eq!(violations[0], Violation::Undecodable(Rva(TEXT + 1)));
    }
}

#[test]
fn a_branch_out_of_the_code_is_a_violation() {
    for (bytes, target) in [
        (&b"\xE9\xFB\x1F\x00\x00"[..], 0x3000), // jmp .data
        (b"\xE8\xFB\x8F\x00\x00", 0xA000),      // call behind the image
        (b"\x0F\x84\xFA\xEF\xFF\xFF", 0),       // je header
    ] {
        let at = Rva(TEXT);
        let target = BASE + target;
        let violations = with(Kind::Driver, Arch::X86, bytes).violations();
        assert_eq!(violations[0], Violation::BranchOutside { at, target });
    }
}

#[test]
fn code_that_runs_off_its_section_is_a_violation() {
    let draft = driver(Arch::X86, |code| code.emit(&[0x90; 0x1000]));
    let wrong = Violation::BranchOutside {
        at: Rva(0x1FFF),
        target: BASE + 0x2000,
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn an_instruction_inside_another_is_a_violation() {
    // test eax,eax; je inside; mov eax,90909090h with a ret at its end.
    let code = b"\x85\xC0\x74\x01\xB8\x90\x90\xC2\x08\x00";
    let draft = driver(Arch::X86, |assembler| assembler.emit(code));
    let wrong = Violation::Overlap {
        at: Rva(0x1005),
        inside: Rva(0x1004),
    };
    assert!(draft.violations().contains(&wrong));
}

#[test]
fn functions_are_found_by_references_to_their_address() {
    // A rip-relative operand.
    let draft = driver(Arch::X64, |code| {
        let other = code.label();
        code.lea_rcx(other);
        code.emit(b"\x48\x89\x08"); // mov [rax],rcx
        code.emit(RET);
        code.define(other);
        code.emit(b"\xF4"); // hlt
        code.emit(RET);
    });
    let violations = draft.violations();
    assert!(matches!(
        violations[..],
        [Violation::Forbidden {
            at: Rva(0x100B),
            ..
        }]
    ));

    // The operand of an instruction, through its relocation.
    let mut draft = driver(Arch::X86, |code| {
        code.emit(b"\xC7\x00\x09\x10\x01\x00"); // mov dword [eax],11009h
        code.emit(RET_8);
        code.emit(b"\xF4"); // hlt
        code.emit(RET_8);
    });
    draft.relocations = vec![(TEXT + 2, 3)];
    let violations = draft.violations();
    assert!(matches!(
        violations[..],
        [Violation::Forbidden {
            at: Rva(0x1009),
            ..
        }]
    ));
}

#[test]
fn the_table_of_functions_of_x64_leads_to_code() {
    let mut draft = driver(Arch::X64, |code| {
        code.emit(RET);
        code.emit(b"\xF4"); // hlt
        code.emit(RET);
    });
    let unwind = RDATA + u32::try_from(EXTRA).unwrap() + 12;
    let entry = [TEXT + 1, TEXT + 3, unwind, 1];
    draft.extra = entry.into_iter().flat_map(u32::to_le_bytes).collect();
    draft.directories = vec![(3, unwind - 12, 12)];
    let violations = draft.violations();
    assert!(matches!(
        violations[..],
        [Violation::Forbidden {
            at: Rva(0x1001),
            ..
        }]
    ));
    // A part of another function is not a function.
    draft.extra[12] = 1 | 4 << 3;
    let violations = draft.violations();
    assert!(matches!(
        violations[..],
        [Violation::Unreached {
            at: Rva(0x1001),
            ..
        }]
    ));
}

#[test]
fn locked_exchanges_are_counted() {
    for arch in BOTH {
        let report = driver(arch, |code| {
            code.emit(b"\xF0\x0F\xB1\x11"); // lock cmpxchg [ecx],edx
            code.emit(b"\x0F\xB1\x11"); // cmpxchg [ecx],edx
            code.emit(b"\xF0\x0F\xC7\x09"); // lock cmpxchg8b qword [ecx]
            finish(code);
        })
        .report();
        assert_eq!(report.locked_exchanges, 1);
    }
}

/// Each is a way to write to another driver's memory.
#[test]
fn a_driver_with_two_locked_exchanges_is_a_violation() {
    for (count, right) in [(1, true), (2, false)] {
        for arch in BOTH {
            let draft = driver(arch, |code| {
                for _ in 0..count {
                    code.emit(b"\xF0\x0F\xB1\x11"); // lock cmpxchg [ecx],edx
                }
                finish(code);
            });
            let places = vec![Rva(0x1000), Rva(0x1004)];
            let wrong = [Violation::LockedExchanges(places)];
            assert_eq!(draft.check().is_ok(), right);
            assert!(right || draft.violations() == wrong);
        }
    }
}

/// `mov reg,cr4`: once, and only in the driver for x86.
#[test]
fn cr4_is_read_at_most_once_and_only_by_the_driver_for_x86() {
    let read = b"\x0F\x20\xE1"; // mov ecx,cr4
    let report = with(Kind::Driver, Arch::X86, read).report();
    assert_eq!(report.control_reads, 1);
    let twice = [read.as_slice(), b"\x0F\x20\xE0"].concat();
    let places = vec![Rva(0x1000), Rva(0x1003)];
    let wrong = [Violation::ControlReads(places)];
    assert_eq!(with(Kind::Driver, Arch::X86, &twice).violations(), wrong);
    for (kind, arch) in [
        (Kind::Driver, Arch::X64),
        (Kind::Program, Arch::X86),
        (Kind::Program, Arch::X64),
    ] {
        let violations = with(kind, arch, read).violations();
        assert!(
            matches!(violations[..], [Violation::Forbidden { at: Rva(TEXT), .. }]),
            "{kind:?} {arch:?}: {violations:?}"
        );
    }
}
