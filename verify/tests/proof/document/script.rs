//! docs/on-real-xp.cmd, as far as it can be checked without cmd.exe.

use std::fs;
use std::path::Path;

fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/on-real-xp.cmd");
    fs::read_to_string(path).expect("the script")
}

/// The commands of the script, without comments.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().map(str::trim);
    lines.filter(|line| !line.starts_with("rem "))
}

#[test]
fn each_line_is_ascii_and_ends_with_cr_lf() {
    let script = script();
    assert!(script.is_ascii());
    assert_eq!(script.matches('\n').count(), script.matches("\r\n").count());
    assert!(script.ends_with("\r\n"));
}

#[test]
fn every_goto_has_exactly_one_label() {
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

/// Without the check a failure would not stop the script.
#[test]
fn each_command_is_followed_by_a_check_of_its_exit_code() {
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
fn the_script_asks_before_it_loads_and_tries_a_refusal_before_it_sets() {
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
