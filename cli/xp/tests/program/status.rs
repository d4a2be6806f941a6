//! `status`, and its notes on what does not fit together.

use tcplimit_protocol::{Reason, Start as Applied, State};
use tcplimit_xp::{Exit, Start, Windows};

use crate::machine::{
    ACCEPTS_UNKNOWN_RIGHTS, DRIVER, Data, Machine, PARAMETERS, TCPIP, X86, record, stamp,
};

/// The notes, each in one line.
fn notes(machine: &Machine) -> Vec<String> {
    machine.forget();
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
    machine.done(&format!("probe --json {TCPIP}"));
    let object: serde_json::Value =
        serde_json::from_str(&machine.out.borrow()).expect("one object");
    let at = object["start_up"]["file_offset"].as_u64().expect("a store");
    let at = usize::try_from(at).expect("small");
    file[at..at + 4].copy_from_slice(&limit.to_le_bytes());
    file
}

#[test]
fn where_all_is_well_there_are_no_notes() {
    let machine = Machine::installed();
    let said = machine.done("status");
    for line in [
        concat!(
            "driver       loaded (",
            env!("CARGO_PKG_VERSION"),
            "); loaded on demand\n"
        ),
        "  in memory  10 (3 half-open, 0 queued, peak 0)\n",
        "  on disk    10; unpatched, checksum right\n",
        "  stored     no limit for the next start\n",
        "event 4226   not logged since Windows was started\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(notes(&machine), Vec::<String>::new());
    machine.done("set 100 --persist");
    let mut limiter = machine.limiters.borrow_mut();
    (limiter[0].configured, limiter[0].start) = (100, Applied::Applied);
    drop(limiter);
    assert_eq!(notes(&machine), Vec::<String>::new());
    assert!(
        machine
            .done("status")
            .contains("100, applied when the driver was loaded")
    );
}

/// Each of these must give just one note, with those words.
#[test]
fn each_thing_that_does_not_fit_is_told_by_a_note_of_its_own() {
    type Change = fn(&Machine);
    let changes: [(&str, Change); 15] = [
        ("what is stored as its limit is no number", |machine| {
            let stored = machine.set_text(PARAMETERS, "Limit", "100");
            stored.expect("the registry takes it");
        }),
        ("other software did, or the file was changed", |machine| {
            machine.limiters.borrow_mut()[0].limit = 50;
        }),
        (
            "tcplimit set the limit to 100, and now it is 70",
            |machine| {
                machine.done("set 100");
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
        ("this is Safe Mode", |machine| {
            started(machine, Applied::SafeMode);
        }),
        ("Windows did not come up the last time", |machine| {
            started(machine, Applied::Guarded);
        }),
        (Reason::UnexpectedValue.text(), |machine| {
            started(machine, Applied::Refused);
            machine.limiters.borrow_mut()[0].start_reason = Reason::UnexpectedValue;
        }),
        ("It will be 100 at the next start", |machine| {
            started(machine, Applied::Applied);
            machine.done("set 60");
        }),
        ("the driver is not loaded when Windows starts", |machine| {
            machine.done("set 100 --persist");
            let mut services = machine.services.borrow_mut();
            services.get_mut("TcpLimit").unwrap().start = Start::Demand;
        }),
        ("is stored no more", |machine| {
            machine.limiters.borrow_mut()[0].configured = 100;
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
        ("The installation is not whole", |machine| {
            machine.files.borrow_mut().remove(DRIVER);
        }),
        ("The limit of 10 was reached", |machine| {
            let now = machine.now.get();
            machine
                .log
                .borrow_mut()
                .push(record(now, 0x8000_1082, "Tcpip"));
        }),
        ("Run: tcplimit load", |machine| drop(machine.done("unload"))),
    ];
    for (says, change) in changes {
        let machine = Machine::installed();
        change(&machine);
        let notes = notes(&machine);
        assert_eq!(notes.len(), 1, "{says}: {notes:?}");
        assert!(notes[0].contains(says), "{says}: {notes:?}");
    }
}

/// A stored limit, and what became of it when the driver was loaded.
fn started(machine: &Machine, outcome: Applied) {
    machine.done("set 100 --persist");
    if outcome != Applied::Applied {
        machine.limiters.borrow_mut()[0].limit = 10;
        machine.limiters.borrow_mut()[0].written = 0;
    }
    machine.limiters.borrow_mut()[0].start = outcome;
    machine.limiters.borrow_mut()[0].configured = 100;
}

/// A file with the checksum that its bytes have.
fn mended(mut file: Vec<u8>) -> Vec<u8> {
    let headers = scanner_core::Headers::parse(&file).expect("a driver");
    let sum = scanner_core::Checksum::of(&headers, &file).computed;
    let at = headers.checksum_offset();
    file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    file
}

#[test]
fn a_patched_file_is_told_with_what_windows_will_start_with() {
    let machine = Machine::installed();
    machine.files.borrow_mut().insert(TCPIP.into(), patched(50));
    machine.limiters.borrow_mut()[0].limit = 50;
    let notes = notes(&machine);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("Windows starts with 50"), "{notes:?}");
    assert!(
        machine
            .done("status")
            .contains("  on disk    50; patched, checksum wrong: damaged, or changed\n")
    );
}

#[test]
fn a_wrong_checksum_is_told() {
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
            .done("status")
            .contains("event 4226   logged 3 times")
    );
    // What is no record ends it.
    machine.log.borrow_mut()[1][4] ^= 1;
    assert!(machine.done("status").contains("event 4226   logged once"));
    machine.log.borrow_mut()[1] = vec![0; 60];
    assert!(machine.done("status").contains("event 4226   logged once"));
}

#[test]
fn the_exit_code_tells_whether_the_limit_could_be_told() {
    let machine = Machine::new();
    machine.forget();
    assert_eq!(machine.run("status"), Exit::Unreachable);
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
    machine.forget();
    assert_eq!(machine.run("status"), Exit::Refused);
    assert!(machine.out.borrow().contains("  in memory  not located\n"));
}
