//! `watch`.

use tcplimit_xp::{Exit, Win32Error};

use crate::machine::{Fault, Machine, record};

#[test]
fn redirected_watch_prints_one_line_a_sample_and_ctrl_c_exits_0() {
    let machine = Machine::installed();
    machine.looks_left.set(3);
    let now = machine.now.get();
    machine
        .log
        .borrow_mut()
        .push(record(now - 1, 0x8000_1082, "Tcpip"));
    let output = machine.succeeds("watch");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3);
    // 1,200,000,000 is 10 January 2008, 21:20.
    assert_eq!(
        lines[0],
        "21:20:00Z limit 10 half-open 3 queued 0 peak 0 attempts 200 failed 50 connected 7 \
         success 75% 4226/min 1"
    );
    assert!(lines[2].starts_with("21:20:02Z "), "{output}");
    assert!(machine.moved.borrow().is_empty());
}

#[test]
fn an_event_counts_for_a_minute() {
    let machine = Machine::installed();
    let now = machine.now.get();
    machine
        .log
        .borrow_mut()
        .push(record(now, 0x8000_1082, "Tcpip"));
    machine.looks_left.set(4);
    let output = machine.succeeds("watch --interval 30");
    let events: Vec<&str> = output
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(_, events)| events)
        .collect();
    assert_eq!(events, ["1", "1", "1", "0"]);
}

#[test]
fn with_json_each_sample_is_one_object() {
    let mut machine = Machine::installed();
    machine.tcp = Err(Win32Error::GEN_FAILURE);
    machine.columns = Some(80);
    machine.looks_left.set(2);
    let output = machine.succeeds("watch --json");
    assert_eq!(output.lines().count(), 2);
    for line in output.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(object["verb"], "watch");
        assert_eq!(object["half_open"], 3);
        assert!(object["attempts"].is_null() && object["success_percent"].is_null());
        assert_eq!(object["events_4226_last_minute"], 0);
    }
}

#[test]
fn on_a_console_the_screen_is_redrawn_in_place_within_its_width() {
    let mut machine = Machine::installed();
    machine.columns = Some(80);
    machine.looks_left.set(3);
    machine.limiters.borrow_mut()[0].half_open = 6;
    let output = machine.succeeds("watch");
    let moved = machine.moved.borrow();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(*moved, [0, lines.len() / 3, lines.len() / 3]);
    assert!(lines.iter().all(|line| line.len() == 79), "{output}");
    let last = &lines[lines.len() / 3 * 2..];
    assert!(last[0].starts_with("tcplimit watch, every second; Ctrl-C ends it "));
    assert!(
        last[2].starts_with("limit     10      half-open 6 "),
        "{}",
        last[2]
    );
    assert!(last[5].starts_with("who        "), "{}", last[5]);
    assert!(last[10].trim_end().ends_with("6 |###"), "{}", last[10]);
}

#[test]
fn watch_ends_when_its_output_is_closed() {
    for (verb, prints_left) in [("watch", 4), ("watch --json", 2)] {
        let machine = Machine::installed();
        machine.looks_left.set(1000);
        machine.prints_left.set(prints_left);
        assert_eq!(machine.succeeds(verb).lines().count(), 2);
        assert_eq!(machine.looks_left.get(), 998);
    }
}

#[test]
fn an_unloaded_driver_ends_watch_with_advice() {
    let machine = Machine::installed();
    machine.succeeds("unload");
    machine.looks_left.set(1000);
    let output = machine.fails("watch", Exit::Unreadable);
    assert!(output.contains("Run: tcplimit load"), "{output}");
}

/// Ares has two connections, another program one.
fn busy(machine: &Machine) {
    let row = |process| [3, 0, 0, 0x0100_000A, 0x5000, process];
    let rows = [[1234; 2], [900, 1234]].concat();
    let rows = &rows[..3];
    let table = rows.iter().flat_map(|&process| row(process));
    let table: Vec<u32> = [3].into_iter().chain(table).collect();
    machine.tables.borrow_mut().insert("owned-v4", table);
    *machine.processes.borrow_mut() = vec![(900, "svchost.exe", None), (1234, "Ares.exe", None)];
}

#[test]
fn each_sample_shows_the_waiting_processes() {
    let mut machine = Machine::installed();
    busy(&machine);
    machine.looks_left.set(1);
    let who = "who Ares.exe (1234) 2, svchost.exe (900) 1\n";
    assert!(machine.succeeds("watch").ends_with(who));
    machine.looks_left.set(1);
    let output = machine.succeeds("watch --json");
    let object: serde_json::Value = serde_json::from_str(&output).expect("an object");
    assert_eq!(
        object["who"][0],
        serde_json::json!({"pid": 1234, "name": "Ares.exe", "connections": 2})
    );
    machine.columns = Some(80);
    machine.looks_left.set(1);
    let output = machine.succeeds("watch");
    let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
    assert_eq!(lines[5], "who       2       Ares.exe (1234)");
    assert_eq!(lines[6], "          1       svchost.exe (900)");
    assert_eq!(lines[7], "");
}

#[test]
fn a_log_records_the_sample_before_each_event_and_keeps_old_lines() {
    let machine = Machine::installed();
    busy(&machine);
    let file = r"E:\4226.txt";
    machine
        .files
        .borrow_mut()
        .insert(file.into(), b"kept\r\n".into());
    let now = machine.now.get();
    let reached = |at| record(at, 0x8000_1082, "Tcpip");
    // One is older; the others come before the third sample.
    *machine.log.borrow_mut() = vec![reached(now + 200), reached(now + 130), reached(now - 10)];
    machine.hidden_until_due.set(true);
    machine.looks_left.set(4);
    machine.succeeds(&format!("watch --interval 100 --log {file}"));
    let text = String::from_utf8(machine.file(file).expect("the log")).expect("ASCII");
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "kept",
            "2008-01-10 21:20:00Z tcplimit watch begins",
            "2008-01-10 21:22:10Z event 4226; at 21:21:40Z limit 10 half-open 3 queued 0 who \
             Ares.exe (1234) 2, svchost.exe (900) 1",
            "2008-01-10 21:23:20Z event 4226; at 21:21:40Z limit 10 half-open 3 queued 0 who \
             Ares.exe (1234) 2, svchost.exe (900) 1",
            "",
        ]
    );
}

#[test]
fn a_log_that_can_not_be_written_ends_watch_and_is_named() {
    let machine = Machine::installed();
    machine.looks_left.set(1000);
    machine.clear_output();
    let ended = machine.run_with_fault(
        r"watch --log E:\4226.txt",
        0,
        Fault::Fails(Win32Error::DISK_FULL),
    );
    assert_eq!(ended, Some(Exit::Unreadable));
    let error = machine.error.borrow();
    assert!(
        error.contains(r"Can't write E:\4226.txt: the disk is full"),
        "{error}"
    );
}
