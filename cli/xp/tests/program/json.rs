//! docs/json.md documents every field of every verb.

use serde_json::Value;

use crate::machine::Machine;

const DOCUMENTED: &str = include_str!("../../../../docs/json.md");

/// The chapter on this program.
fn documented() -> &'static str {
    let start = DOCUMENTED.find("## `tcplimit.exe`").expect("a chapter");
    DOCUMENTED.get(start..).expect("the rest")
}

/// Every key has a row, inner ones as `outer.inner`. Answers of the driver and file reports have
/// tables of their own.
fn check(outer: &str, value: &Value) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = match outer {
            "" => key.clone(),
            outer => format!("{outer}.{key}"),
        };
        assert!(documented().contains(&format!("`{path}`")), "{path}");
        match value {
            Value::Array(all) if path == "modules" => {
                for one in all {
                    // `status` has more fields than an answer.
                    let is_answer = one.get("memory").is_none();
                    check(if is_answer { "" } else { "modules" }, one);
                }
            }
            Value::Array(all) if path == "processes" => {
                for one in all {
                    check(&path, one);
                }
            }
            Value::Object(_) if path.ends_with("memory") => check("", value),
            Value::Object(_) if path != "modules.file" => check(&path, value),
            _ => {}
        }
    }
}

#[test]
fn every_field_is_documented() {
    let machine = Machine::installed().with_ipv6();
    machine.looks_left.set(1);
    let row = vec![1, 3, 0, 0, 0x0100_000A, 0x5000, 900];
    machine.tables.borrow_mut().insert("owned-v4", row);
    for line in [
        "install",
        "load",
        "repair",
        "status",
        "get --all",
        "set 50 --persist",
        "reset --all",
        "watch",
        "who",
        "version",
        "help",
        "unload",
        "get",
        "uninstall",
        "set",
    ] {
        machine.clear_output();
        machine.run(&format!("{line} --json"));
        let output = machine.out.borrow();
        assert!(
            output.is_ascii() && output.lines().count() == 1,
            "{line}: {output}"
        );
        let object: Value = serde_json::from_str(&output).expect(line);
        assert_eq!(object["schema"], 2, "{line}");
        check("", &object);
    }
    let machine = Machine::installed();
    machine.succeeds("probe --json");
    let output = machine.out.borrow();
    let memory = output.lines().last().expect("memory");
    check("", &serde_json::from_str(memory).expect("an object"));
}

#[test]
fn characters_outside_ascii_are_escaped() {
    let machine = Machine::new();
    machine.clear_output();
    machine.run("probe --json C:\\\u{e4}\u{1F600}.sys");
    let output = machine.out.borrow();
    assert!(
        output.is_ascii() && output.contains("\\u00e4\\ud83d\\ude00"),
        "{output}"
    );
    let object: Value = serde_json::from_str(&output).expect("an object");
    assert_eq!(object["path"], "C:\\\u{e4}\u{1F600}.sys");
}
