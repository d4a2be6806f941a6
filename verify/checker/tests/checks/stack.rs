//! The depths here are added up by hand.

use crate::assembler::{Assembled, Assembler};
use crate::pe::{
    self, DBG_PRINT, Draft, IO_CREATE_DEVICE, IO_DELETE_DEVICE, IO_DRIVER_OBJECT_TYPE,
    IOF_COMPLETE_REQUEST, driver,
};
use checker::{Arch, DEEPEST_DRIVER, Kind, Stack, Violation};
use iced_x86::Register;
use iced_x86::code_asm::{
    CodeAssembler, dword_ptr, eax, ebp, ebx, ecx, esi, esp, ptr, qword_ptr, rax, rbp, rbx, rcx,
    rsi, rsp,
};
use scanner_core::Rva;

fn x86(code: impl FnOnce(&mut Assembler) -> Assembled) -> Draft {
    driver(Arch::X86, code)
}

fn x64(code: impl FnOnce(&mut Assembler) -> Assembled) -> Draft {
    driver(Arch::X64, code)
}

/// Depth and chain.
fn stack(draft: &Draft) -> String {
    draft.report().stack.unwrap().to_string()
}

#[test]
fn pushes_and_locals_add_up() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        a.push(ebx)?; // 4
        a.sub(esp, 0x20)?; // 36
        a.mov(dword_ptr(esp + 8), eax)?;
        a.push(eax)?; // 40
        a.pop(ecx)?;
        a.add(esp, 0x20)?;
        a.pop(ebx)?;
        a.ret_1(8)
    });
    assert_eq!(stack(&draft), "40 bytes: 1000 (40)");
    let draft = x64(|code| {
        let a = &mut code.asm;
        a.push(rbx)?; // 8
        a.lea(rsp, ptr(rsp - 0x20))?; // 40
        a.add(rsp, 0x20)?;
        a.pop(rbx)?;
        a.ret()
    });
    assert_eq!(stack(&draft), "40 bytes: 1000 (40)");
}

#[test]
fn an_import_removes_the_arguments_that_its_convention_says() {
    let draft = x86(|code| {
        for _ in 0..7 {
            code.asm.push(0)?; // 28
        }
        code.call_import(IO_CREATE_DEVICE)?; // 32
        code.asm.push(0)?; // 4
        code.asm.push(0)?; // 8
        code.call_import(DBG_PRINT)?; // 12, removes nothing
        code.asm.add(esp, 8)?;
        code.asm.xor(ecx, ecx)?;
        code.call_import(IOF_COMPLETE_REQUEST)?; // 4
        code.asm.ret_1(8)
    });
    assert_eq!(stack(&draft), "32 bytes: 1000 (32)");
    let draft = x64(|code| {
        code.asm.sub(rsp, 0x48)?; // 72
        code.call_import(IO_CREATE_DEVICE)?; // 80
        code.asm.add(rsp, 0x48)?;
        code.asm.ret()
    });
    assert_eq!(stack(&draft), "80 bytes: 1000 (80)");
}

#[test]
fn a_chain_of_calls_adds_up() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        let (mut middle, mut leaf) = (a.create_label(), a.create_label());
        a.call(leaf)?; // 4 + 4
        a.push(1)?; // 4
        a.call(middle)?; // 8 + 76: 84
        a.ret_1(8)?;
        a.set_label(&mut middle)?;
        a.push(ebp)?; // 4
        a.mov(ebp, esp)?;
        a.sub(esp, 0x40)?; // 68
        a.mov(eax, dword_ptr(ebp + 8))?;
        a.call(leaf)?; // 72 + 4: 76
        a.leave()?;
        a.ret_1(4)?;
        a.set_label(&mut leaf)?;
        a.push(eax)?; // 4
        a.pop(eax)?;
        a.ret()
    });
    assert_eq!(stack(&draft), "84 bytes: 1000 (8) 100F (72) 1021 (4)");
}

#[test]
fn frame_pointers_and_aligned_frames_are_followed() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        a.push(ebp)?; // 4
        a.mov(ebp, esp)?;
        a.push(esi)?; // 8
        a.and(esp, -16)?; // at most 12 more: 20
        a.sub(esp, 0x18)?; // 44
        a.mov(dword_ptr(esp), eax)?;
        a.lea(esp, ptr(ebp - 4))?;
        a.pop(esi)?;
        a.pop(ebp)?;
        a.ret_1(8)
    });
    assert_eq!(stack(&draft), "44 bytes: 1000 (44)");
    let draft = x64(|code| {
        let a = &mut code.asm;
        a.push(rbp)?; // 8
        a.lea(rbp, ptr(rsp - 0x10))?;
        a.sub(rsp, 0x30)?; // 56
        a.lea(rsp, ptr(rbp + 0x10))?;
        a.pop(rbp)?;
        a.ret()
    });
    assert_eq!(stack(&draft), "56 bytes: 1000 (56)");
}

#[test]
fn a_loop_that_keeps_the_stack_is_right() {
    let draft = x86(|code| {
        let mut again = code.asm.create_label();
        code.asm.set_label(&mut again)?;
        code.asm.push(ecx)?; // 4
        code.asm.push(0)?; // 8
        code.call_import(DBG_PRINT)?; // 12
        code.asm.add(esp, 4)?;
        code.asm.pop(ecx)?;
        code.asm.dec(ecx)?;
        code.asm.jne(again)?;
        code.asm.ret_1(8)
    });
    assert_eq!(stack(&draft), "12 bytes: 1000 (12)");
}

#[test]
fn tail_calls_take_no_stack() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        let mut other = a.create_label();
        a.push(eax)?; // 4
        a.pop(eax)?;
        a.jmp(other)?;
        a.db(b"\xCC")?;
        a.set_label(&mut other)?;
        a.push(eax)?;
        a.push(eax)?; // 8
        a.add(esp, 8)?;
        a.ret_1(8)
    });
    assert_eq!(stack(&draft), "8 bytes: 1000 (8)");
}

#[test]
fn a_call_of_a_thunk_is_a_call_of_the_import() {
    let draft = x86(|code| {
        let mut thunk = code.asm.create_label();
        for _ in 0..7 {
            code.asm.push(0)?; // 28
        }
        code.asm.call(thunk)?; // 32
        code.asm.ret_1(8)?;
        code.asm.set_label(&mut thunk)?;
        code.jump_to_import(IO_CREATE_DEVICE)
    });
    assert_eq!(stack(&draft), "32 bytes: 1000 (32) 1016 (0)");
}

#[test]
fn recursion_is_told_with_its_circle() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        let (mut one, mut two) = (a.create_label(), a.create_label());
        a.call(one)?;
        a.ret_1(8)?;
        a.set_label(&mut one)?; // 1008
        a.call(two)?;
        a.ret()?;
        a.set_label(&mut two)?; // 100E
        a.call(one)?;
        a.ret()
    });
    let circle = vec![Rva(0x1008), Rva(0x100E), Rva(0x1008)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

/// Whose stack is not bounded else.
#[test]
fn recursion_in_a_program_is_told() {
    let draft = pe::draft(Kind::Program, Arch::X64, |code| {
        let a = &mut code.asm;
        let mut one = a.create_label();
        a.set_label(&mut one)?;
        a.push(rax)?;
        a.call(one)?;
        a.pop(rax)?;
        a.ret()
    });
    let circle = vec![Rva(0x1000), Rva(0x1000)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

#[test]
fn recursion_through_a_tail_call_is_told() {
    let draft = x64(|code| {
        let a = &mut code.asm;
        let mut entry = a.create_label();
        let mut other = a.create_label();
        a.set_label(&mut entry)?;
        a.jmp(other)?;
        a.db(b"\xCC\xCC")?;
        a.set_label(&mut other)?;
        a.push(rax)?;
        a.call(entry)?;
        a.pop(rax)?;
        a.ret()
    });
    let circle = vec![Rva(0x1000), Rva(0x1000)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

#[test]
fn a_function_that_never_returns_ends_its_callers_way() {
    // Behind the call, the stack is not what it would have to be.
    let draft = x86(|code| {
        let a = &mut code.asm;
        let (mut never, mut out) = (a.create_label(), a.create_label());
        a.test(eax, eax)?;
        a.je(out)?;
        a.push(eax)?; // 4
        a.call(never)?; // 8
        a.set_label(&mut out)?;
        a.ret_1(8)?;
        a.set_label(&mut never)?;
        a.nop()?;
        a.jmp(never)
    });
    let violations = draft.check();
    assert_eq!(violations.unwrap().stack.unwrap().depth, 8);
}

#[test]
fn too_deep_a_stack_is_told() {
    let deep = |bytes: u32| {
        x64(move |code| {
            code.asm.sub(rsp, bytes.cast_signed())?;
            code.asm.add(rsp, bytes.cast_signed())?;
            code.asm.ret()
        })
    };
    assert_eq!(deep(DEEPEST_DRIVER).report().stack.unwrap().depth, 2048);
    let wrong = Violation::TooDeep {
        stack: Stack {
            depth: 2056,
            chain: vec![(Rva(0x1000), 2056)],
        },
        most: DEEPEST_DRIVER,
    };
    assert_eq!(deep(DEEPEST_DRIVER + 8).violations(), [wrong]);
}

#[test]
fn ways_that_meet_at_another_depth_are_told() {
    let draft = x64(|code| {
        let mut meet = code.asm.create_label();
        code.asm.test(eax, eax)?;
        code.asm.je(meet)?;
        code.asm.push(rax)?;
        code.asm.set_label(&mut meet)?;
        code.asm.ret()
    });
    let at = Rva(0x1005);
    let wrong = |one, other| Violation::Disagree { at, one, other };
    let violations = draft.violations();
    assert!(violations.contains(&wrong(8, 0)) || violations.contains(&wrong(0, 8)));
}

#[test]
fn a_loop_that_grows_the_stack_is_told() {
    let draft = x86(|code| {
        let mut again = code.asm.create_label();
        code.asm.set_label(&mut again)?;
        code.asm.push(ecx)?;
        code.asm.dec(ecx)?;
        code.asm.jne(again)?;
        code.asm.pop(ecx)?;
        code.asm.ret_1(8)
    });
    let wrong = Violation::Disagree {
        at: Rva(0x1000),
        one: 0,
        other: 4,
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_stack_of_unknown_size_is_told() {
    for lose in [
        |a: &mut CodeAssembler| a.sub(esp, eax),
        |a: &mut CodeAssembler| a.mov(esp, eax),
        |a: &mut CodeAssembler| a.xchg(esp, eax),
        |a: &mut CodeAssembler| a.inc(esp),
        |a: &mut CodeAssembler| a.leave(),
        |a: &mut CodeAssembler| a.db(b"\x66\x50"),
    ] {
        let draft = x86(|code| {
            lose(&mut code.asm)?;
            code.asm.ret_1(8)
        });
        assert_eq!(draft.violations(), [Violation::StackLost(Rva(0x1000))]);
    }
}

#[test]
fn a_return_with_something_left_is_told() {
    let draft = x86(|code| {
        code.asm.push(eax)?;
        code.asm.ret_1(8)
    });
    let at = Rva(0x1001);
    assert_eq!(draft.violations(), [Violation::Return { at, depth: 4 }]);
}

#[test]
fn taking_what_belongs_to_the_caller_is_told() {
    let draft = x86(|code| {
        code.asm.pop(eax)?;
        code.asm.push(eax)?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::BelowEntry(Rva(0x1000))]);
    let draft = x86(|code| {
        code.call_import(IO_CREATE_DEVICE)?; // without its arguments
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::BelowEntry(Rva(0x1000))]);
}

#[test]
fn memory_beyond_the_top_of_the_stack_is_told() {
    let draft = x64(|code| {
        code.asm.lea(rax, ptr(rsp - 8))?;
        code.asm.mov(qword_ptr(rsp - 8), rcx)?;
        code.asm.ret()
    });
    assert_eq!(draft.violations(), [Violation::BeyondTop(Rva(0x1005))]);
}

#[test]
fn returns_that_remove_different_arguments_are_told() {
    let draft = x86(|code| {
        let a = &mut code.asm;
        let mut other = a.create_label();
        a.test(eax, eax)?;
        a.je(other)?;
        a.ret_1(8)?;
        a.set_label(&mut other)?;
        a.ret_1(4)
    });
    let wrong = Violation::Cleanup {
        at: Rva(0x1007),
        one: 4,
        other: 8,
    };
    assert!(draft.violations().contains(&wrong));
}

#[test]
fn a_driver_entry_that_leaves_its_arguments_is_told() {
    let draft = x86(|code| code.asm.ret());
    let (removes, wanted) = (0, 8);
    assert_eq!(
        draft.violations(),
        [Violation::EntryCleanup { removes, wanted }]
    );
}

#[test]
fn an_import_in_a_preserved_register_may_be_called_again_and_again() {
    let draft = x86(|code| {
        let mut again = code.asm.create_label();
        code.asm.push(esi)?; // 4
        code.load_import(Register::ESI, IO_DELETE_DEVICE)?;
        code.asm.set_label(&mut again)?;
        code.asm.push(eax)?; // 8
        code.asm.call(esi)?; // 12, removes the argument
        code.asm.test(eax, eax)?;
        code.asm.jne(again)?;
        code.asm.pop(esi)?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.report().stack.unwrap().depth, 12);
    let draft = driver(Arch::X64, |code| {
        code.asm.push(rsi)?; // 8
        code.asm.sub(rsp, 0x20)?; // 40
        code.load_import(Register::RSI, IO_DELETE_DEVICE)?;
        code.asm.call(rsi)?; // 48
        code.asm.call(rsi)?;
        code.asm.add(rsp, 0x20)?;
        code.asm.pop(rsi)?;
        code.load_import(Register::RAX, IOF_COMPLETE_REQUEST)?;
        code.asm.jmp(rax)
    });
    assert_eq!(draft.report().stack.unwrap().depth, 48);
}

#[test]
fn a_call_through_any_other_pointer_is_told() {
    for arch in [Arch::X86, Arch::X64] {
        let draft = driver(arch, |code| {
            match code.arch {
                Arch::X86 => code.asm.call(eax)?,
                Arch::X64 => code.asm.call(rax)?,
            }
            code.asm.ret()
        });
        assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
    }
    let draft = x86(|code| {
        code.asm.call(dword_ptr(0x1_3000))?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
    let draft = x86(|code| code.asm.jmp(dword_ptr(ecx * 4 + 0x1_2000)));
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
}

#[test]
fn a_call_of_an_imported_variable_is_told() {
    let draft = x86(|code| {
        code.call_import(IO_DRIVER_OBJECT_TYPE)?;
        code.asm.ret_1(8)
    });
    let wrong = Violation::CallsData {
        at: Rva(0x1000),
        name: "IoDriverObjectType".to_owned(),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_call_through_a_register_that_lost_the_import_is_told() {
    let draft = x86(|code| {
        code.load_import(Register::ESI, DBG_PRINT)?;
        code.asm.mov(esi, ecx)?;
        code.asm.call(esi)?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1008))]);
}
