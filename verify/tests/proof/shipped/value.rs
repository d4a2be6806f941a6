//! Calls through registers and variables that hold an import's address.

use crate::shipped::assembler::{Assembled, Assembler};
use crate::shipped::pe::{
    DBG_PRINT, Draft, IO_DELETE_DEVICE, IO_DRIVER_OBJECT_TYPE, IOF_COMPLETE_REQUEST, driver,
};
use iced_x86::Register;
use iced_x86::code_asm::{dword_ptr, eax, ecx, esi, esp, rax, rsi, rsp};
use scanner_core::Rva;
use verify::shipped::{Arch, Violation};

fn x86(code: impl FnOnce(&mut Assembler) -> Assembled) -> Draft {
    driver(Arch::X86, code)
}

fn depth(draft: &Draft) -> u32 {
    draft.report().stack.unwrap().depth
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
    assert_eq!(depth(&draft), 12);
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
    assert_eq!(depth(&draft), 48);
}

#[test]
fn an_import_in_a_register_that_calls_change_is_told() {
    let draft = x86(|code| {
        code.load_import(Register::ECX, DBG_PRINT)?;
        code.asm.call(ecx)?;
        code.asm.call(ecx)?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1008))]);
}

#[test]
fn an_import_that_only_one_way_loads_is_told() {
    let draft = x86(|code| {
        let mut call = code.asm.create_label();
        code.asm.test(eax, eax)?;
        code.asm.je(call)?;
        code.load_import(Register::EAX, DBG_PRINT)?;
        code.asm.set_label(&mut call)?;
        code.asm.call(eax)?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x100A))]);
}

#[test]
fn different_imports_on_two_ways_are_told() {
    let draft = x86(|code| {
        let (mut other, mut call) = (code.asm.create_label(), code.asm.create_label());
        code.asm.test(eax, eax)?;
        code.asm.je(other)?;
        code.load_import(Register::ECX, DBG_PRINT)?;
        code.asm.jmp(call)?;
        code.asm.set_label(&mut other)?;
        code.load_import(Register::ECX, IO_DELETE_DEVICE)?;
        code.asm.set_label(&mut call)?;
        code.asm.call(ecx)?;
        code.asm.ret_1(8)
    });
    let violations = draft.violations();
    assert!(
        violations.contains(&Violation::Indirect(Rva(0x1012))),
        "{violations:?}"
    );
}

#[test]
fn an_import_in_a_local_variable_is_known_until_a_call() {
    let spilled = |calls: usize| {
        x86(move |code| {
            code.load_import(Register::EAX, DBG_PRINT)?;
            code.asm.push(eax)?; // 4
            for _ in 0..calls {
                code.asm.call(dword_ptr(esp))?; // 8
            }
            code.asm.add(esp, 4)?;
            code.asm.ret_1(8)
        })
    };
    assert_eq!(depth(&spilled(1)), 8);
    assert_eq!(spilled(2).violations(), [Violation::Indirect(Rva(0x100A))]);
}

#[test]
fn an_import_in_an_overwritten_variable_is_told() {
    for overwrite in [
        |a: &mut iced_x86::code_asm::CodeAssembler| a.mov(iced_x86::code_asm::byte_ptr(esp + 2), 1),
        |a: &mut iced_x86::code_asm::CodeAssembler| a.mov(dword_ptr(ecx), eax),
        |a: &mut iced_x86::code_asm::CodeAssembler| a.inc(dword_ptr(esp)),
        |a: &mut iced_x86::code_asm::CodeAssembler| a.mov(dword_ptr(esp + ecx * 4), 1),
        |a: &mut iced_x86::code_asm::CodeAssembler| a.xchg(dword_ptr(esp), ecx),
    ] {
        let draft = x86(|code| {
            code.load_import(Register::EAX, DBG_PRINT)?;
            code.asm.push(eax)?;
            overwrite(&mut code.asm)?;
            code.asm.call(dword_ptr(esp))?;
            code.asm.add(esp, 4)?;
            code.asm.ret_1(8)
        });
        assert!(matches!(draft.violations()[..], [Violation::Indirect(_)]));
    }
}

#[test]
fn what_was_taken_off_the_stack_is_forgotten() {
    let draft = x86(|code| {
        code.load_import(Register::EAX, DBG_PRINT)?;
        code.asm.push(eax)?;
        code.asm.add(esp, 4)?;
        code.asm.sub(esp, 4)?;
        code.asm.call(dword_ptr(esp))?;
        code.asm.add(esp, 4)?;
        code.asm.ret_1(8)
    });
    assert!(matches!(draft.violations()[..], [Violation::Indirect(_)]));
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
fn an_inner_function_that_changes_the_register_loses_the_import() {
    let draft = x86(|code| {
        let mut inner = code.asm.create_label();
        code.asm.push(esi)?;
        code.load_import(Register::ESI, DBG_PRINT)?;
        code.asm.call(inner)?;
        code.asm.call(esi)?;
        code.asm.pop(esi)?;
        code.asm.ret_1(8)?;
        code.asm.set_label(&mut inner)?;
        code.asm.mov(esi, eax)?;
        code.asm.ret()
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x100C))]);
}
