//! The depths here are added up by hand.

use crate::shipped::assembler::{Assembled, Assembler};
use crate::shipped::pe::{self, DBG_PRINT, Draft, IO_CREATE_DEVICE, IOF_COMPLETE_REQUEST, driver};
use iced_x86::code_asm::{
    dword_ptr, eax, ebp, ebx, ecx, esi, esp, ptr, qword_ptr, rax, rbp, rbx, rcx, rsp,
};
use scanner_core::Rva;
use verify::shipped::{Arch, DEEPEST_DRIVER, Kind, Stack, Violation};

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
    let draft = x86(|code| {
        let a = &mut code.asm;
        a.enter(0x30, 0)?; // 4 + 48
        a.mov(eax, dword_ptr(ebp + 8))?;
        a.mov(esp, ebp)?;
        a.pop(ebp)?;
        a.ret_1(8)
    });
    assert_eq!(stack(&draft), "52 bytes: 1000 (52)");
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
fn a_stack_probe_that_keeps_its_size_is_followed() {
    // Windows' __chkstk for x64: rax is the size, and comes back.
    let draft = x64(|code| {
        let a = &mut code.asm;
        let mut probe = a.create_label();
        a.mov(eax, 0x600)?;
        a.call(probe)?;
        a.sub(rsp, rax)?; // 1536
        a.add(rsp, 0x600)?;
        a.ret()?;
        a.set_label(&mut probe)?;
        a.push(rcx)?;
        a.push(rax)?;
        a.lea(rcx, ptr(rsp + 0x18))?;
        a.test(qword_ptr(rcx), rcx)?;
        a.pop(rax)?;
        a.pop(rcx)?;
        a.ret()
    });
    assert_eq!(stack(&draft), "1536 bytes: 1000 (1536)");
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
