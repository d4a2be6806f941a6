//! Functions that take from the stack, leave on it, or change what isn't theirs.

use crate::shipped::assembler::{Assembled, Assembler};
use crate::shipped::pe::{DBG_PRINT, Draft, IO_CREATE_DEVICE, driver};
use iced_x86::code_asm::{
    CodeAssembler, dword_ptr, eax, ebx, ecx, edi, edx, esi, esp, ptr, qword_ptr, rax, rbx, rcx, rsp,
};
use scanner_core::Rva;
use verify::shipped::{Arch, Violation};

fn x86(code: impl FnOnce(&mut Assembler) -> Assembled) -> Draft {
    driver(Arch::X86, code)
}

fn x64(code: impl FnOnce(&mut Assembler) -> Assembled) -> Draft {
    driver(Arch::X64, code)
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
fn another_return_address_is_told() {
    let draft = x86(|code| {
        code.asm.mov(dword_ptr(esp), eax)?;
        code.asm.ret_1(8)
    });
    let at = Rva(0x1003);
    assert_eq!(draft.violations(), [Violation::Return { at, depth: 0 }]);
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
    assert_eq!(draft.violations(), [wrong]);
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
fn a_register_that_is_not_given_back_is_told() {
    let draft = x86(|code| {
        let mut inner = code.asm.create_label();
        code.asm.push(edi)?;
        code.asm.mov(edi, eax)?;
        code.asm.call(inner)?;
        code.asm.pop(edi)?;
        code.asm.ret_1(8)?;
        code.asm.set_label(&mut inner)?;
        // Of inner functions nobody asks for it, but it counts for what calls them.
        code.asm.mov(ebx, edx)?;
        code.asm.ret()
    });
    let wrong = Violation::Register {
        function: Rva(0x1000),
        register: iced_x86::Register::RBX,
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_register_that_is_restored_from_an_overwritten_place_is_told() {
    let draft = x86(|code| {
        code.asm.push(esi)?;
        code.asm.mov(dword_ptr(esp), 1)?;
        code.asm.pop(esi)?;
        code.asm.ret_1(8)
    });
    let violations = draft.violations();
    assert!(matches!(violations[..], [Violation::Register { .. }]));
}

#[test]
fn a_register_that_is_saved_where_an_import_may_write_is_told() {
    let saved = |home: i32| {
        x64(move |code| {
            code.asm.push(rbx)?;
            code.asm.sub(rsp, home)?;
            code.call_import(DBG_PRINT)?;
            code.asm.add(rsp, home)?;
            code.asm.pop(rbx)?;
            code.asm.ret()
        })
    };
    saved(0x20).report();
    let violations = saved(0x18).violations();
    assert!(matches!(violations[..], [Violation::Register { .. }]));
    // Not even the return address is safe.
    let draft = x64(|code| {
        code.call_import(DBG_PRINT)?;
        code.asm.ret()
    });
    let at = Rva(0x1006);
    assert_eq!(draft.violations(), [Violation::Return { at, depth: 0 }]);
}

#[test]
fn a_set_direction_flag_is_told() {
    let right = x86(|code| {
        code.asm.std()?;
        code.asm.rep().movsb()?;
        code.asm.cld()?;
        code.asm.push(edi)?;
        code.asm.pop(edi)?;
        code.asm.ret_1(8)
    });
    // movsb moves esi and edi, which the caller wants back.
    assert!(
        right
            .violations()
            .iter()
            .all(|it| matches!(it, Violation::Register { .. }))
    );
    let draft = x86(|code| {
        code.asm.std()?;
        code.asm.ret_1(8)
    });
    assert_eq!(draft.violations(), [Violation::Direction(Rva(0x1001))]);
}
