//! `watch`.

use tcplimit_xp::{Exit, Win32};

use crate::machine::{Machine, record};

#[test]
fn redirected_it_prints_a_line_each_time_and_ctrl_c_is_a_good_end() {
    let machine = Machine::installed();
    machine.patience.set(3);
    let now = machine.now.get();
    machine
        .log
        .borrow_mut()
        .push(record(now - 1, 0x8000_1082, "Tcpip"));
    let said = machine.done("watch");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3);
    // 1,200,000,000 is 10 January 2008, 21:20.
    assert_eq!(
        lines[0],
        "21:20:00Z limit 10 half-open 3 queued 0 peak 0 attempts 200 failed 50 connected 7 \
         success 75% 4226/min 1"
    );
    assert!(lines[2].starts_with("21:20:02Z "), "{said}");
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
    machine.patience.set(4);
    let said = machine.done("watch --interval 30");
    let events: Vec<&str> = said
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(_, events)| events)
        .collect();
    assert_eq!(events, ["1", "1", "1", "0"]);
}

#[test]
fn with_json_it_is_an_object_each_time() {
    let mut machine = Machine::installed();
    machine.tcp = Err(Win32::GEN_FAILURE);
    machine.columns = Some(80);
    machine.patience.set(2);
    let said = machine.done("watch --json");
    assert_eq!(said.lines().count(), 2);
    for line in said.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(object["verb"], "watch");
        assert_eq!(object["half_open"], 3);
        assert!(object["attempts"].is_null() && object["success_percent"].is_null());
        assert_eq!(object["events_4226_last_minute"], 0);
    }
}

#[test]
fn on_a_console_the_same_lines_are_drawn_again_and_none_is_wider() {
    let mut machine = Machine::installed();
    machine.columns = Some(80);
    machine.patience.set(3);
    machine.limiters.borrow_mut()[0].half_open = 6;
    let said = machine.done("watch");
    let moved = machine.moved.borrow();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(*moved, [0, lines.len() / 3, lines.len() / 3]);
    assert!(lines.iter().all(|line| line.len() == 79), "{said}");
    let last = &lines[lines.len() / 3 * 2..];
    assert!(last[0].starts_with("tcplimit watch, every second; Ctrl-C ends it "));
    assert!(
        last[2].starts_with("limit     10      half-open 6 "),
        "{}",
        last[2]
    );
    assert!(last[7].trim_end().ends_with("6 |###"), "{}", last[7]);
}

#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    for (verb, reads) in [("watch", 4), ("watch --json", 2)] {
        let machine = Machine::installed();
        machine.patience.set(1000);
        machine.reads.set(reads);
        assert_eq!(machine.done(verb).lines().count(), 2);
        assert_eq!(machine.patience.get(), 998);
    }
}

#[test]
fn a_driver_that_goes_away_ends_it_with_what_to_do() {
    let machine = Machine::installed();
    machine.done("unload");
    machine.patience.set(1000);
    let said = machine.fails("watch", Exit::Unreachable);
    assert!(said.contains("Run: tcplimit load"), "{said}");
}
