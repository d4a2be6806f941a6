//! `status`, and its notes on inconsistencies.

use tcplimit_protocol::{Reason, Start as Applied, State};
use tcplimit_xp::{Activity, Exit, Os, Service, Start};

use crate::machine::{
    ACCEPTS_UNKNOWN_RIGHTS, DRIVER, Data, Limiter, Machine, PARAMETERS, TCPIP, X86, record, stamp,
};

/// The notes, one line each.
fn notes(machine: &Machine) -> Vec<String> {
    machine.clear_output();
    machine.run("status --json");
    let object: serde_json::Value =
        serde_json::from_str(&machine.out.borrow()).expect("one object");
    let notes = object["notes"].as_array().expect("notes");
    notes
        .iter()
        .map(|note| note.as_str().expect("a text").to_owned())
        .collect()
}

fn patched(limit: u32) -> Vec<u8> {
    let mut file = X86.to_vec();
    let machine = Machine::new();
    machine.succeeds(&format!("probe --json {TCPIP}"));
    let object: serde_json::Value =
        serde_json::from_str(&machine.out.borrow()).expect("one object");
    let at = object["start_up"]["file_offset"].as_u64().expect("a store");
    let at = usize::try_from(at).expect("small");
    file[at..at + 4].copy_from_slice(&limit.to_le_bytes());
    file
}

#[test]
fn a_consistent_installation_has_no_notes() {
    let machine = Machine::installed();
    let output = machine.succeeds("status");
    for line in [
        concat!(
            "driver       loaded (",
            env!("CARGO_PKG_VERSION"),
            "); loaded on demand\n"
        ),
        "  in memory  10 (3 half-open, 0 queued, peak 0)\n",
        "  on disk    10; unpatched, checksum correct\n",
        "  stored     no limit for the next start\n",
        "event 4226   not logged since Windows started\n",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    assert_eq!(notes(&machine), Vec::<String>::new());
    machine.succeeds("set 100 --persist");
    let mut limiter = machine.limiters.borrow_mut();
    (limiter[0].configured, limiter[0].start) = (100, Applied::Applied);
    drop(limiter);
    assert_eq!(notes(&machine), Vec::<String>::new());
    assert!(
        machine
            .succeeds("status")
            .contains("100, applied when tcplimit.sys was loaded")
    );
}

/// Each change must produce exactly one note, with this text.
#[test]
fn each_inconsistency_has_its_own_note() {
    type Change = fn(&Machine);
    let changes: [(&str, Change); 17] = [
        ("the stored limit is not a number", |machine| {
            let stored = machine.set_text(PARAMETERS, "Limit", "100");
            stored.expect("the registry takes it");
        }),
        (
            "Other software set it, or the file was changed",
            |machine| {
                machine.limiters.borrow_mut()[0].limit = 50;
            },
        ),
        (
            "tcplimit set the limit to 100, but now it is 70",
            |machine| {
                machine.succeeds("set 100");
                machine.limiters.borrow_mut()[0].limit = 70;
            },
        ),
        ("an update has replaced it. Restart Windows", |machine| {
            let mut newer = X86.to_vec();
            let at = newer
                .windows(4)
                .position(|four| four == stamp(X86).to_le_bytes());
            newer[at.unwrap()] ^= 1;
            machine
                .files
                .borrow_mut()
                .insert(TCPIP.into(), mended(newer));
        }),
        ("Windows runs in Safe Mode", |machine| {
            started(machine, Applied::SafeMode);
        }),
        ("the last start with it failed", |machine| {
            started(machine, Applied::Guarded);
            machine.set_value(PARAMETERS, "StartPending", Data::Number(1));
        }),
        // A mark of any type counts.
        ("the last start with it failed", |machine| {
            started(machine, Applied::Guarded);
            machine.set_value(PARAMETERS, "StartPending", Data::Text("1".into()));
        }),
        // A manual set has lifted the guard.
        ("It will be 100 at the next start", |machine| {
            started(machine, Applied::Guarded);
            machine.succeeds("set 30");
        }),
        (Reason::UnexpectedValue.text(), |machine| {
            started(machine, Applied::Refused);
            machine.limiters.borrow_mut()[0].start_reason = Reason::UnexpectedValue;
        }),
        ("It will be 100 at the next start", |machine| {
            started(machine, Applied::Applied);
            machine.succeeds("set 60");
        }),
        (
            "tcplimit.sys is not loaded when Windows starts",
            |machine| {
                machine.succeeds("set 100 --persist");
                let mut services = machine.services.borrow_mut();
                services.get_mut("TcpLimit").unwrap().start = Start::Demand;
            },
        ),
        ("has been deleted", |machine| {
            let limiter = &mut machine.limiters.borrow_mut()[0];
            (limiter.configured, limiter.limit, limiter.written) = (100, 100, 100);
        }),
        (
            "Remove that value from any machine that matters",
            |machine| {
                machine.limiters.borrow_mut()[0].flags = ACCEPTS_UNKNOWN_RIGHTS;
            },
        ),
        ("TestOnlyAcceptUnknownRights is set", |machine| {
            machine.set_value(PARAMETERS, "TestOnlyAcceptUnknownRights", Data::Number(1));
        }),
        ("The installation is incomplete", |machine| {
            machine.files.borrow_mut().remove(DRIVER);
        }),
        ("The limit of 10 was reached", |machine| {
            let now = machine.now.get();
            machine
                .log
                .borrow_mut()
                .push(record(now, 0x8000_1082, "Tcpip"));
        }),
        ("Run: tcplimit load", |machine| {
            drop(machine.succeeds("unload"));
        }),
    ];
    for (says, change) in changes {
        let machine = Machine::installed();
        change(&machine);
        let notes = notes(&machine);
        assert_eq!(notes.len(), 1, "{says}: {notes:?}");
        assert!(notes[0].contains(says), "{says}: {notes:?}");
    }
}

/// A stored limit, and its outcome when the driver was loaded.
fn started(machine: &Machine, outcome: Applied) {
    machine.succeeds("set 100 --persist");
    if outcome != Applied::Applied {
        machine.limiters.borrow_mut()[0].limit = 10;
        machine.limiters.borrow_mut()[0].written = 0;
    }
    machine.limiters.borrow_mut()[0].start = outcome;
    machine.limiters.borrow_mut()[0].configured = 100;
}

/// A file with a correct checksum.
fn mended(mut file: Vec<u8>) -> Vec<u8> {
    let headers = scanner_core::Headers::parse(&file).expect("a driver");
    let sum = scanner_core::Checksum::compute(&headers, &file).computed;
    let at = headers.checksum_offset();
    file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    file
}

#[test]
fn commands_in_notes_name_the_limit_that_is_there() {
    type Change = fn(&Machine);
    let changes: [(&str, Change); 3] = [
        ("tcplimit set 100 --expect 50", |machine| {
            machine.limiters.borrow_mut()[0].limit = 50;
        }),
        ("tcplimit set 100 --expect 70", |machine| {
            machine.succeeds("set 100");
            machine.limiters.borrow_mut()[0].limit = 70;
        }),
        ("tcplimit set 100 --expect 50 --persist", |machine| {
            machine.files.borrow_mut().insert(TCPIP.into(), patched(50));
            machine.limiters.borrow_mut()[0].limit = 50;
        }),
    ];
    for (command, change) in changes {
        let machine = Machine::installed();
        change(&machine);
        let notes = notes(&machine);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].ends_with(command), "{notes:?}");
        machine.succeeds(command.trim_start_matches("tcplimit "));
        assert_eq!(machine.succeeds("get"), "100\n");
    }
    // Replacing 10 needs no `--expect`.
    let machine = Machine::installed();
    machine.succeeds("set 100");
    machine.limiters.borrow_mut()[0].limit = 10;
    let notes = notes(&machine);
    assert!(notes[0].ends_with("tcplimit set 100"), "{notes:?}");
}

#[test]
fn a_refused_stored_limit_has_a_note_with_the_command_that_replaces_it() {
    let machine = Machine::installed();
    started(&machine, Applied::Refused);
    let limiter = |limiter: &mut Limiter| {
        limiter.start_reason = Reason::UnexpectedValue;
        limiter.limit = 50;
    };
    limiter(&mut machine.limiters.borrow_mut()[0]);
    let command = "at each start: tcplimit set 100 --expect 50 --persist";
    let notes = notes(&machine);
    assert!(
        notes.iter().any(|note| note.ends_with(command)),
        "{notes:?}"
    );
}

#[test]
fn after_reset_persist_no_note_is_left() {
    let machine = Machine::installed();
    started(&machine, Applied::Applied);
    machine.succeeds("reset --persist");
    assert_eq!(notes(&machine), Vec::<String>::new());
}

#[test]
fn a_guard_lifted_by_set_has_no_note() {
    let machine = Machine::installed();
    started(&machine, Applied::Guarded);
    machine.succeeds("set 100");
    assert_eq!(notes(&machine), Vec::<String>::new());
    let output = machine.succeeds("status");
    let row = "  stored     100, not applied at the last start; the next applies it\n";
    assert!(output.contains(row), "{output}");
}

#[test]
fn status_names_the_2005_program_that_loaded_the_driver() {
    let legacy_service = Service {
        activity: Activity::Running,
        start: Start::Demand,
        is_quiet: false,
        image: r"E:\Ares\tcpip_patcher.sys".into(),
    };
    let beside = |machine: Machine| {
        let mut services = machine.services.borrow_mut();
        services.insert("tcpip_patcher".into(), legacy_service.clone());
        drop(services);
        machine.succeeds("status")
    };
    let who = concat!(
        "a 2005 program has loaded ",
        env!("CARGO_PKG_VERSION"),
        " as tcpip_patcher\n"
    );
    let installed = Machine::installed();
    installed.succeeds("unload");
    for (machine, row) in [
        (installed, "driver       not loaded; loaded on demand; "),
        (Machine::new(), "driver       not installed; "),
    ] {
        let output = beside(machine);
        assert!(output.contains(&format!("{row}{who}")), "{output}");
    }
}

#[test]
fn a_log_without_an_end_is_read_once() {
    let machine = Machine::installed();
    let now = machine.now.get();
    let reached = |at| record(at, 0x8000_1082, "Tcpip");
    *machine.log.borrow_mut() = vec![reached(now), reached(now - 1), reached(now - 2)];
    machine.endless.set(Some(false));
    let output = machine.succeeds("status");
    assert!(output.contains("event 4226   logged 3 times"), "{output}");
    // Even always decreasing numbers end.
    machine.endless.set(Some(true));
    assert!(machine.succeeds("status").contains("event 4226   logged "));
}

#[test]
fn a_note_names_the_limit_in_a_patched_file() {
    let machine = Machine::installed();
    machine.files.borrow_mut().insert(TCPIP.into(), patched(50));
    machine.limiters.borrow_mut()[0].limit = 50;
    let notes = notes(&machine);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("Windows starts with 50"), "{notes:?}");
    assert!(
        machine
            .succeeds("status")
            .contains("  on disk    50; patched, checksum wrong: damaged or modified\n")
    );
}

#[test]
fn a_wrong_checksum_has_a_note() {
    let machine = Machine::installed();
    let mut file = X86.to_vec();
    let last = file.len() - 1;
    file[last] ^= 0xFF;
    machine.files.borrow_mut().insert(TCPIP.into(), file);
    let notes = notes(&machine);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("checksum"), "{notes:?}");
}

#[test]
fn only_event_4226_of_tcpip_since_windows_was_started_is_counted() {
    let machine = Machine::installed();
    let (now, booted) = (machine.now.get(), machine.booted);
    *machine.log.borrow_mut() = vec![
        record(now, 0x8000_1082, "Tcpip"),
        record(now - 5, 0x8000_1082, "TCPIP"),
        record(now - 6, 0x8000_1083, "Tcpip"),
        record(now - 7, 0x8000_1082, "Tcpip6"),
        record(now - 8, 0x8000_1082, "Tcp"),
        record(booted, 0x8000_1082, "Tcpip"),
        record(booted - 1, 0x8000_1082, "Tcpip"),
        record(booted - 2, 0x8000_1082, "Tcpip"),
    ];
    assert!(
        machine
            .succeeds("status")
            .contains("event 4226   logged 3 times")
    );
    // A malformed record ends it.
    machine.log.borrow_mut()[1][4] ^= 1;
    assert!(
        machine
            .succeeds("status")
            .contains("event 4226   logged once")
    );
    machine.log.borrow_mut()[1] = vec![0; 60];
    assert!(
        machine
            .succeeds("status")
            .contains("event 4226   logged once")
    );
}

#[test]
fn the_exit_code_shows_whether_the_limit_is_known() {
    let machine = Machine::new();
    machine.clear_output();
    assert_eq!(machine.run("status"), Exit::Unreadable);
    assert!(
        machine
            .out
            .borrow()
            .contains("driver       not installed\n")
    );
    let machine = Machine::installed();
    machine.limiters.borrow_mut()[0].query = Reason::NoGate;
    machine.limiters.borrow_mut()[0].state = State::NotLocated;
    machine.limiters.borrow_mut()[0].limit = 0;
    machine.clear_output();
    assert_eq!(machine.run("status"), Exit::Refused);
    assert!(machine.out.borrow().contains("  in memory  not located\n"));
}
