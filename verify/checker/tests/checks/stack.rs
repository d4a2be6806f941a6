//! Stack depths, added up by hand.

use crate::assembler::{Assembler, RET, RET_8, Register};
use crate::pe::{
    self, DBG_PRINT, Draft, IO_CREATE_DEVICE, IO_DELETE_DEVICE, IO_DRIVER_OBJECT_TYPE,
    IOF_COMPLETE_REQUEST, driver,
};
use checker::{Arch, DEEPEST_DRIVER, Kind, Stack, Violation};
use scanner_core::Rva;

fn x86(code: impl FnOnce(&mut Assembler)) -> Draft {
    driver(Arch::X86, code)
}

fn x64(code: impl FnOnce(&mut Assembler)) -> Draft {
    driver(Arch::X64, code)
}

/// Depth and chain.
fn stack(draft: &Draft) -> String {
    draft.report().stack.unwrap().to_string()
}

#[test]
fn pushes_and_locals_add_up() {
    let draft = x86(|code| {
        code.emit(b"\x53"); // push ebx: 4
        code.emit(b"\x83\xEC\x20"); // sub esp,20h: 36
        code.emit(b"\x89\x44\x24\x08"); // mov [esp+8],eax
        code.emit(b"\x50"); // push eax: 40
        code.emit(b"\x59"); // pop ecx
        code.emit(b"\x83\xC4\x20"); // add esp,20h
        code.emit(b"\x5B"); // pop ebx
        code.emit(RET_8);
    });
    assert_eq!(stack(&draft), "40 bytes: 1000 (40)");
    let draft = x64(|code| {
        code.emit(b"\x53"); // push rbx: 8
        code.emit(b"\x48\x8D\x64\x24\xE0"); // lea rsp,[rsp-20h]: 40
        code.emit(b"\x48\x83\xC4\x20"); // add rsp,20h
        code.emit(b"\x5B"); // pop rbx
        code.emit(RET);
    });
    assert_eq!(stack(&draft), "40 bytes: 1000 (40)");
}

#[test]
fn an_import_removes_arguments_by_its_convention() {
    let draft = x86(|code| {
        for _ in 0..7 {
            code.emit(b"\x6A\x00"); // push 0: 28
        }
        code.call_import(IO_CREATE_DEVICE); // 32
        code.emit(b"\x6A\x00"); // push 0: 4
        code.emit(b"\x6A\x00"); // push 0: 8
        code.call_import(DBG_PRINT); // 12, removes nothing
        code.emit(b"\x83\xC4\x08"); // add esp,8
        code.emit(b"\x31\xC9"); // xor ecx,ecx
        code.call_import(IOF_COMPLETE_REQUEST); // 4
        code.emit(RET_8);
    });
    assert_eq!(stack(&draft), "32 bytes: 1000 (32)");
    let draft = x64(|code| {
        code.emit(b"\x48\x83\xEC\x48"); // sub rsp,48h: 72
        code.call_import(IO_CREATE_DEVICE); // 80
        code.emit(b"\x48\x83\xC4\x48"); // add rsp,48h
        code.emit(RET);
    });
    assert_eq!(stack(&draft), "80 bytes: 1000 (80)");
}

#[test]
fn a_chain_of_calls_adds_up() {
    let draft = x86(|code| {
        let (middle, leaf) = (code.label(), code.label());
        code.call(leaf); // 4 + 4
        code.emit(b"\x6A\x01"); // push 1: 4
        code.call(middle); // 8 + 76: 84
        code.emit(RET_8);
        code.define(middle);
        code.emit(b"\x55"); // push ebp: 4
        code.emit(b"\x89\xE5"); // mov ebp,esp
        code.emit(b"\x83\xEC\x40"); // sub esp,40h: 68
        code.emit(b"\x8B\x45\x08"); // mov eax,[ebp+8]
        code.call(leaf); // 72 + 4: 76
        code.emit(b"\xC9"); // leave
        code.emit(b"\xC2\x04\x00"); // ret 4
        code.define(leaf);
        code.emit(b"\x50"); // push eax: 4
        code.emit(b"\x58"); // pop eax
        code.emit(RET);
    });
    assert_eq!(stack(&draft), "84 bytes: 1000 (8) 100F (72) 1021 (4)");
}

#[test]
fn frame_pointers_and_aligned_frames_are_followed() {
    let draft = x86(|code| {
        code.emit(b"\x55"); // push ebp: 4
        code.emit(b"\x89\xE5"); // mov ebp,esp
        code.emit(b"\x56"); // push esi: 8
        code.emit(b"\x83\xE4\xF0"); // and esp,-16: at most 12 more: 20
        code.emit(b"\x83\xEC\x18"); // sub esp,18h: 44
        code.emit(b"\x89\x04\x24"); // mov [esp],eax
        code.emit(b"\x8D\x65\xFC"); // lea esp,[ebp-4]
        code.emit(b"\x5E"); // pop esi
        code.emit(b"\x5D"); // pop ebp
        code.emit(RET_8);
    });
    assert_eq!(stack(&draft), "44 bytes: 1000 (44)");
    let draft = x64(|code| {
        code.emit(b"\x55"); // push rbp: 8
        code.emit(b"\x48\x8D\x6C\x24\xF0"); // lea rbp,[rsp-10h]
        code.emit(b"\x48\x83\xEC\x30"); // sub rsp,30h: 56
        code.emit(b"\x48\x8D\x65\x10"); // lea rsp,[rbp+10h]
        code.emit(b"\x5D"); // pop rbp
        code.emit(RET);
    });
    assert_eq!(stack(&draft), "56 bytes: 1000 (56)");
}

#[test]
fn a_loop_that_keeps_the_stack_is_right() {
    let draft = x86(|code| {
        let again = code.label();
        code.define(again);
        code.emit(b"\x51"); // push ecx: 4
        code.emit(b"\x6A\x00"); // push 0: 8
        code.call_import(DBG_PRINT); // 12
        code.emit(b"\x83\xC4\x04"); // add esp,4
        code.emit(b"\x59"); // pop ecx
        code.emit(b"\x49"); // dec ecx
        code.jne(again);
        code.emit(RET_8);
    });
    assert_eq!(stack(&draft), "12 bytes: 1000 (12)");
}

#[test]
fn tail_calls_take_no_stack() {
    let draft = x86(|code| {
        let other = code.label();
        code.emit(b"\x50"); // push eax: 4
        code.emit(b"\x58"); // pop eax
        code.jmp(other);
        code.emit(b"\xCC");
        code.define(other);
        code.emit(b"\x50"); // push eax
        code.emit(b"\x50"); // push eax: 8
        code.emit(b"\x83\xC4\x08"); // add esp,8
        code.emit(RET_8);
    });
    assert_eq!(stack(&draft), "8 bytes: 1000 (8)");
}

#[test]
fn a_call_of_a_thunk_is_a_call_of_the_import() {
    let draft = x86(|code| {
        let thunk = code.label();
        for _ in 0..7 {
            code.emit(b"\x6A\x00"); // push 0: 28
        }
        code.call(thunk); // 32
        code.emit(RET_8);
        code.define(thunk);
        code.jump_to_import(IO_CREATE_DEVICE);
    });
    assert_eq!(stack(&draft), "32 bytes: 1000 (32) 1016 (0)");
}

#[test]
fn recursion_is_reported_with_its_cycle() {
    let draft = x86(|code| {
        let (one, two) = (code.label(), code.label());
        code.call(one);
        code.emit(RET_8);
        code.define(one); // 1008
        code.call(two);
        code.emit(RET);
        code.define(two); // 100E
        code.call(one);
        code.emit(RET);
    });
    let circle = vec![Rva(0x1008), Rva(0x100E), Rva(0x1008)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

/// A program's stack is not bounded otherwise.
#[test]
fn recursion_in_a_program_is_a_violation() {
    let draft = pe::draft(Kind::Program, Arch::X64, |code| {
        let one = code.label();
        code.define(one);
        code.emit(b"\x50"); // push rax
        code.call(one);
        code.emit(b"\x58"); // pop rax
        code.emit(RET);
    });
    let circle = vec![Rva(0x1000), Rva(0x1000)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

#[test]
fn recursion_through_a_tail_call_is_a_violation() {
    let draft = x64(|code| {
        let entry = code.label();
        let other = code.label();
        code.define(entry);
        code.jmp(other);
        code.emit(b"\xCC\xCC");
        code.define(other);
        code.emit(b"\x50"); // push rax
        code.call(entry);
        code.emit(b"\x58"); // pop rax
        code.emit(RET);
    });
    let circle = vec![Rva(0x1000), Rva(0x1000)];
    assert_eq!(draft.violations(), [Violation::Recursion(circle)]);
}

#[test]
fn a_function_that_never_returns_ends_its_callers_path() {
    // The depth behind the call would be wrong if it were reached.
    let draft = x86(|code| {
        let (never, out) = (code.label(), code.label());
        code.emit(b"\x85\xC0"); // test eax,eax
        code.je(out);
        code.emit(b"\x50"); // push eax: 4
        code.call(never); // 8
        code.define(out);
        code.emit(RET_8);
        code.define(never);
        code.emit(b"\x90"); // nop
        code.jmp(never);
    });
    let violations = draft.check();
    assert_eq!(violations.unwrap().stack.unwrap().depth, 8);
}

#[test]
fn too_deep_a_stack_is_a_violation() {
    let deep = |bytes: u32| {
        x64(move |code| {
            let bytes = bytes.to_le_bytes();
            code.emit(&[b"\x48\x81\xEC", &bytes[..]].concat()); // sub rsp,bytes
            code.emit(&[b"\x48\x81\xC4", &bytes[..]].concat()); // add rsp,bytes
            code.emit(RET);
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
fn paths_that_meet_at_different_depths_are_a_violation() {
    let draft = x64(|code| {
        let meet = code.label();
        code.emit(b"\x85\xC0"); // test eax,eax
        code.je(meet);
        code.emit(b"\x50"); // push rax
        code.define(meet);
        code.emit(RET);
    });
    let at = Rva(0x1005);
    let wrong = |one, other| Violation::DepthMismatch { at, one, other };
    let violations = draft.violations();
    assert!(violations.contains(&wrong(8, 0)) || violations.contains(&wrong(0, 8)));
}

#[test]
fn a_loop_that_grows_the_stack_is_a_violation() {
    let draft = x86(|code| {
        let again = code.label();
        code.define(again);
        code.emit(b"\x51"); // push ecx
        code.emit(b"\x49"); // dec ecx
        code.jne(again);
        code.emit(b"\x59"); // pop ecx
        code.emit(RET_8);
    });
    let wrong = Violation::DepthMismatch {
        at: Rva(0x1000),
        one: 0,
        other: 4,
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_stack_of_unknown_size_is_a_violation() {
    for lose in [
        &b"\x29\xC4"[..], // sub esp,eax
        b"\x89\xC4",      // mov esp,eax
        b"\x94",          // xchg esp,eax
        b"\x44",          // inc esp
        b"\xC9",          // leave
        b"\x66\x50",      // push ax
    ] {
        let draft = x86(|code| {
            code.emit(lose);
            code.emit(RET_8);
        });
        assert_eq!(draft.violations(), [Violation::UnknownStack(Rva(0x1000))]);
    }
}

#[test]
fn a_return_with_something_left_is_a_violation() {
    let draft = x86(|code| {
        code.emit(b"\x50"); // push eax
        code.emit(RET_8);
    });
    let at = Rva(0x1001);
    assert_eq!(draft.violations(), [Violation::Return { at, depth: 4 }]);
}

#[test]
fn popping_the_callers_stack_is_a_violation() {
    let draft = x86(|code| {
        code.emit(b"\x58"); // pop eax
        code.emit(b"\x50"); // push eax
        code.emit(RET_8);
    });
    assert_eq!(draft.violations(), [Violation::BelowEntry(Rva(0x1000))]);
    let draft = x86(|code| {
        code.call_import(IO_CREATE_DEVICE); // without its arguments
        code.emit(RET_8);
    });
    assert_eq!(draft.violations(), [Violation::BelowEntry(Rva(0x1000))]);
}

#[test]
fn memory_beyond_the_top_of_the_stack_is_a_violation() {
    let draft = x64(|code| {
        code.emit(b"\x48\x8D\x44\x24\xF8"); // lea rax,[rsp-8]
        code.emit(b"\x48\x89\x4C\x24\xF8"); // mov [rsp-8],rcx
        code.emit(RET);
    });
    assert_eq!(draft.violations(), [Violation::BeyondTop(Rva(0x1005))]);
}

#[test]
fn returns_that_remove_different_arguments_are_violations() {
    let draft = x86(|code| {
        let other = code.label();
        code.emit(b"\x85\xC0"); // test eax,eax
        code.je(other);
        code.emit(RET_8);
        code.define(other);
        code.emit(b"\xC2\x04\x00"); // ret 4
    });
    let wrong = Violation::ArgumentMismatch {
        at: Rva(0x1007),
        one: 4,
        other: 8,
    };
    assert!(draft.violations().contains(&wrong));
}

#[test]
fn a_driver_entry_that_leaves_its_arguments_is_a_violation() {
    let draft = x86(|code| code.emit(RET));
    let (removes, wanted) = (0, 8);
    assert_eq!(
        draft.violations(),
        [Violation::EntryArguments { removes, wanted }]
    );
}

#[test]
fn an_import_in_a_preserved_register_may_be_called_again_and_again() {
    let draft = x86(|code| {
        let again = code.label();
        code.emit(b"\x56"); // push esi: 4
        code.load_import(Register::Si, IO_DELETE_DEVICE);
        code.define(again);
        code.emit(b"\x50"); // push eax: 8
        code.emit(b"\xFF\xD6"); // call esi: 12, removes the argument
        code.emit(b"\x85\xC0"); // test eax,eax
        code.jne(again);
        code.emit(b"\x5E"); // pop esi
        code.emit(RET_8);
    });
    assert_eq!(draft.report().stack.unwrap().depth, 12);
    let draft = driver(Arch::X64, |code| {
        code.emit(b"\x56"); // push rsi: 8
        code.emit(b"\x48\x83\xEC\x20"); // sub rsp,20h: 40
        code.load_import(Register::Si, IO_DELETE_DEVICE);
        code.emit(b"\xFF\xD6"); // call rsi: 48
        code.emit(b"\xFF\xD6"); // call rsi
        code.emit(b"\x48\x83\xC4\x20"); // add rsp,20h
        code.emit(b"\x5E"); // pop rsi
        code.load_import(Register::Ax, IOF_COMPLETE_REQUEST);
        code.emit(b"\xFF\xE0"); // jmp rax
    });
    assert_eq!(draft.report().stack.unwrap().depth, 48);
}

#[test]
fn a_call_through_any_other_pointer_is_a_violation() {
    for arch in [Arch::X86, Arch::X64] {
        let draft = driver(arch, |code| {
            code.emit(b"\xFF\xD0"); // call eax, or call rax
            code.emit(RET);
        });
        assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
    }
    let draft = x86(|code| {
        code.emit(b"\xFF\x15\x00\x30\x01\x00"); // call dword [13000h]
        code.emit(RET_8);
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
    let draft = x86(|code| code.emit(b"\xFF\x24\x8D\x00\x20\x01\x00"));
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1000))]);
}

#[test]
fn a_call_of_an_imported_variable_is_a_violation() {
    let draft = x86(|code| {
        code.call_import(IO_DRIVER_OBJECT_TYPE);
        code.emit(RET_8);
    });
    let wrong = Violation::CallsData {
        at: Rva(0x1000),
        name: "IoDriverObjectType".to_owned(),
    };
    assert_eq!(draft.violations(), [wrong]);
}

#[test]
fn a_call_through_a_register_that_lost_the_import_is_a_violation() {
    let draft = x86(|code| {
        code.load_import(Register::Si, DBG_PRINT);
        code.emit(b"\x89\xCE"); // mov esi,ecx
        code.emit(b"\xFF\xD6"); // call esi
        code.emit(RET_8);
    });
    assert_eq!(draft.violations(), [Violation::Indirect(Rva(0x1008))]);
}
