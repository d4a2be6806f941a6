//! The Start menu entry: `install --shortcut`.

use tcplimit_xp::{Exit, Win32Error};

use crate::machine::{ENTRY, FOLDER, Fault, Machine, USERS, WINDOW, descriptor, shortcut_file};

const LINE: &str = "install --shortcut";
const COMMENT: &str = "tcplimit: half-open connection limit";

fn our_shortcut(target: &str) -> Vec<u8> {
    shortcut_file(target, COMMENT)
}

/// The whole zip, unpacked.
fn unpacked() -> Machine {
    Machine::new().with_window()
}

fn part() -> String {
    format!("{ENTRY}.new")
}

#[test]
fn an_entry_for_the_window_is_made_and_uninstall_takes_it_away() {
    let machine = unpacked();
    let output = machine.succeeds(LINE);
    assert!(machine.is_installed());
    assert_eq!(machine.file(ENTRY), Some(our_shortcut(WINDOW)));
    let line = format!("Created a Start menu entry: {ENTRY}\n");
    assert!(output.contains(&line), "{output}");
    let output = machine.succeeds("uninstall");
    assert!(output.contains(&format!("Deleted {ENTRY}.")), "{output}");
    assert!(machine.is_clean());
}

#[test]
fn without_the_option_there_is_no_entry() {
    let machine = unpacked();
    machine.succeeds("install");
    assert_eq!(machine.file(ENTRY), None);
}

#[test]
fn an_installation_without_an_entry_gets_one_and_nothing_else_is_done() {
    let machine = unpacked();
    machine.succeeds("install");
    let output = machine.succeeds(LINE);
    assert!(output.starts_with("Created a Start menu entry"), "{output}");
    // It writes and renames the file.
    assert_eq!(machine.changes.get(), 2);
    let output = machine.succeeds(LINE);
    assert!(output.starts_with("Nothing was done: "), "{output}");
    assert_eq!(machine.changes.get(), 0);
}

#[test]
fn an_entry_for_another_folder_is_replaced() {
    let machine = unpacked();
    let old = our_shortcut(r"C:\old\TCPLIMITW.EXE");
    machine.files.borrow_mut().insert(ENTRY.into(), old);
    machine.succeeds(LINE);
    assert_eq!(machine.file(ENTRY), Some(our_shortcut(WINDOW)));
}

#[test]
fn an_entry_that_a_user_has_made_is_neither_replaced_nor_deleted() {
    for user_file in [
        shortcut_file(WINDOW, ""),
        shortcut_file(r"C:\other\program.exe", COMMENT),
        b"no shortcut".to_vec(),
    ] {
        let machine = unpacked();
        let mut files = machine.files.borrow_mut();
        files.insert(ENTRY.into(), user_file.clone());
        drop(files);
        let output = machine.fails(LINE, Exit::Refused);
        assert!(output.contains("another entry of that name"), "{output}");
        assert_eq!(machine.changes.get(), 0);
        machine.succeeds("install");
        machine.succeeds("uninstall");
        assert_eq!(machine.file(ENTRY), Some(user_file));
    }
}

#[test]
fn an_entry_made_from_another_folder_is_removed_with_the_rest() {
    for verb in ["uninstall", "repair"] {
        let machine = Machine::new();
        let old = our_shortcut(r"C:\old\tcplimitw.exe");
        machine.files.borrow_mut().insert(ENTRY.into(), old);
        let output = machine.succeeds(verb);
        assert!(output.starts_with(&format!("Deleted {ENTRY}.")), "{output}");
        assert!(machine.is_clean());
        assert!(machine.succeeds(verb).starts_with("Nothing was done"));
    }
}

#[test]
fn without_the_window_beside_it_or_with_compat_it_is_refused() {
    let machine = Machine::new();
    let output = machine.fails(LINE, Exit::Unreadable);
    assert!(output.contains("tcplimitw.exe is not beside"), "{output}");
    assert!(machine.is_clean() && machine.changes.get() == 0);
    let output = unpacked().fails(r"install --shortcut --compat E:\Ares", Exit::Usage);
    assert!(output.contains("exclude each other"), "{output}");
}

#[test]
fn a_folder_that_any_user_can_write_to_prints_a_warning() {
    let machine = unpacked();
    let list = Some(descriptor(0x1F_01FF, &USERS));
    machine.access.borrow_mut().insert(FOLDER.into(), list);
    let output = machine.succeeds(LINE);
    let warning = "Warning: D:\\zip is writable by: Users. Any user";
    assert!(output.contains(warning), "{output}");
    machine.access.borrow_mut().insert(FOLDER.into(), None);
    machine.succeeds("uninstall");
    assert!(machine.succeeds(LINE).contains("without access lists"));
}

#[test]
fn an_entry_that_can_not_be_made_rolls_everything_back() {
    let calls = {
        let machine = unpacked();
        machine.succeeds(LINE);
        0..machine.calls()
    };
    let mut failed = 0;
    for call in calls.clone() {
        let machine = unpacked();
        let fault = Fault::Fails(Win32Error::ACCESS_DENIED);
        let exit = machine.run_with_fault(LINE, call, fault);
        let has_entry = machine.file(ENTRY).is_some();
        assert_eq!(machine.file(&part()), None, "{call}");
        if exit == Some(Exit::Done) || has_entry {
            // After the entry, only the query of the limit can fail.
            assert!(machine.is_installed() && has_entry, "{call}");
        } else {
            failed += 1;
            let error = machine.error.borrow();
            assert!(machine.is_clean(), "{call}: {error}");
        }
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn killed_anywhere_it_is_finished_by_the_next_and_undone_by_uninstall() {
    let calls = {
        let machine = unpacked();
        machine.succeeds(LINE);
        0..machine.calls()
    };
    for call in calls {
        for kill in [Fault::Killed, Fault::KilledAfter] {
            let machine = unpacked();
            assert_eq!(machine.run_with_fault(LINE, call, kill), None);
            machine.succeeds(LINE);
            assert!(machine.is_installed(), "{call} {kill:?}");
            assert_eq!(machine.file(ENTRY), Some(our_shortcut(WINDOW)));
            let machine = unpacked();
            assert_eq!(machine.run_with_fault(LINE, call, kill), None);
            machine.succeeds("uninstall");
            assert!(machine.is_clean(), "{call} {kill:?}");
        }
    }
}

#[test]
fn an_uninstall_that_stopped_anywhere_is_finished_by_the_next() {
    let installed = || {
        let machine = unpacked();
        machine.succeeds(LINE);
        machine
    };
    let calls = {
        let machine = installed();
        machine.succeeds("uninstall");
        0..machine.calls()
    };
    for call in calls {
        for fault in [Fault::Killed, Fault::Fails(Win32Error::ACCESS_DENIED)] {
            let machine = installed();
            machine.run_with_fault("uninstall", call, fault);
            machine.succeeds("uninstall");
            assert!(machine.is_clean(), "{call} {fault:?}");
        }
    }
}
