//! docs/on-real-xp.cmd, as far as it can be judged without cmd.exe.

use std::fs;
use std::path::Path;

fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/on-real-xp.cmd");
    fs::read_to_string(path).expect("the script")
}

/// Its commands, without comments.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().map(str::trim);
    lines.filter(|line| !line.starts_with("rem "))
}

#[test]
fn each_line_ends_as_the_cmd_of_xp_wants_it_and_is_ascii() {
    let script = script();
    assert!(script.is_ascii());
    assert_eq!(script.matches('\n').count(), script.matches("\r\n").count());
    assert!(script.ends_with("\r\n"));
}

#[test]
fn every_label_that_is_gone_to_is_there_once() {
    let script = script();
    let mut named = 0;
    for line in commands(&script) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let label = match pair {
                ["goto", label] => *label,
                ["call", label] if label.starts_with(':') => &label[1..],
                _ => continue,
            };
            let place = format!(":{label}");
            let places = commands(&script).filter(|line| **line == *place);
            assert_eq!(places.count(), 1, "{line}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

/// One that is not looked at would not stop the script.
#[test]
fn the_end_of_each_step_is_looked_at_right_after_it() {
    let script = script();
    let lines: Vec<&str> = commands(&script).collect();
    let mut steps = 0;
    for (at, line) in lines.iter().enumerate() {
        if ["call :run ", "call :limit ", "call :watch"]
            .iter()
            .any(|step| line.starts_with(step))
        {
            assert!(lines[at + 1].starts_with("if errorlevel 1 "), "{line}");
            steps += 1;
        }
    }
    assert!(steps > 20, "{steps}");
}

#[test]
fn nothing_is_loaded_before_it_was_asked_and_nothing_set_before_it_was_refused() {
    let script = script();
    let at = |command: &str| {
        let found = script.find(command);
        found.unwrap_or_else(|| panic!("no {command}"))
    };
    let order = [
        "call :run 0 version",
        "call :run 0 probe",
        "set /p GO=",
        "call :run 0 install",
        "call :limit 10",
        "call :run 1 set 100 --expect 11",
        "call :run 0 set 100\r",
        "call :run 0 reset",
        "call :run 0 uninstall",
    ];
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
    }
}
