//! `probe --json`.

use serde_json::{Value, json};
use specimen::{Defect, Spec};

use crate::{Files, patched, xp};

#[test]
fn one_file_is_one_object_with_the_facts_of_the_specimen() {
    let built = Spec::xp_sp3().build();
    let truth = &built.truth;
    let files = Files::new().with("tcpip.sys", &built.file);
    for (arguments, view, base) in [
        (
            ["probe", "--json", "tcpip.sys"].as_slice(),
            "file",
            Value::Null,
        ),
        (
            &["probe", "--json", "--as-loaded", "tcpip.sys"],
            "memory",
            json!("F7A80000"),
        ),
    ] {
        let probe = files.run(arguments);
        assert_eq!(probe.code, 0);
        let objects = probe.objects();
        let [object] = objects.as_slice() else {
            panic!("{objects:?}")
        };
        assert_eq!(object["schema"], 2);
        assert_eq!(object["path"], "tcpip.sys");
        assert_eq!(object["member"], Value::Null);
        assert_eq!(object["bytes"], built.file.len());
        assert_eq!(object["state"], "unpatched");
        assert_eq!(object["located"], true);
        assert_eq!(object["reason"], Value::Null);
        assert_eq!(object["module"], "tcpip.sys");
        assert_eq!(object["names"]["original"], "tcpip.sys");
        assert_eq!(object["arch"], "x86");
        assert_eq!(object["version"], "5.1.2600.5512");
        assert_eq!(object["view"], view);
        assert_eq!(object["loaded_at"], base);
        assert_eq!(object["rvas"]["threshold"], truth.threshold);
        assert_eq!(object["rvas"]["count"], truth.threshold + 4);
        assert_eq!(object["rvas"]["queue"], truth.threshold - 4);
        assert_eq!(object["rvas"]["gates"].as_array().map(Vec::len), Some(2));
        assert_eq!(object["candidate"], Value::Null);
        assert_eq!(object["evidence"]["missing"], json!([]));
        // Only the file has relocations.
        let held = if view == "file" { 12 } else { 11 };
        assert_eq!(
            object["evidence"]["held"].as_array().map(Vec::len),
            Some(held)
        );
        assert_eq!(object["start_up"]["value"], 10);
        assert_eq!(object["checksum"]["ok"], true);
        assert_eq!(object["relocations"], json!({"needed": 5, "covered": 5}));
        assert_eq!(object["sha256"].as_str().map(str::len), Some(64));
        assert_eq!(object["known"], Value::Null);
    }
}

#[test]
fn the_place_of_the_start_up_value_holds_it() {
    let file = patched(0x1234);
    let files = Files::new().with("tcpip.sys", &file);
    let objects = files.run(&["probe", "--json", "tcpip.sys"]).objects();
    assert_eq!(objects[0]["state"], "patched");
    assert_eq!(objects[0]["start_up"]["value"], 0x1234);
    let offset = usize::try_from(objects[0]["start_up"]["file_offset"].as_u64().unwrap()).unwrap();
    assert_eq!(file[offset..offset + 4], [0x34, 0x12, 0, 0]);
}

#[test]
fn a_refused_file_has_a_candidate_and_no_rvas() {
    let spec = Spec {
        defect: Some(Defect::LiveWriter),
        ..Spec::xp_sp3()
    };
    let files = Files::new().with("tcpip.sys", &spec.build().file);
    let probe = files.run(&["probe", "--json", "tcpip.sys"]);
    assert_eq!(probe.code, 1);
    let object = &probe.objects()[0];
    assert_eq!(object["state"], "not-located");
    assert_eq!(object["rvas"], Value::Null);
    assert!(object["candidate"]["threshold"].is_u64());
    assert_eq!(object["evidence"]["missing"], json!(["NoLiveWriter"]));
}

#[test]
fn every_file_has_an_object_and_the_last_line_is_the_summary() {
    let files = Files::new()
        .with("a/1.txt", b"hello")
        .with("a/tcpip.sys", &xp())
        .with("b/tcpip.sys", &patched(50));
    let probe = files.run(&["probe", "-r", "--json", "a", "b", "nowhere"]);
    assert_eq!(probe.code, 3);
    assert_eq!(probe.stderr, "", "errors are objects too");
    let objects = probe.objects();
    let states: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["state"].as_str())
        .collect();
    assert_eq!(states, ["not-pe", "unpatched", "patched", "unreadable"]);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["files"], 4);
    assert_eq!(summary["located"], 2);
    assert_eq!(summary["states"]["not-pe"], 1);
    assert_eq!(summary["interrupted"], false);
    assert_eq!(summary["exit_code"], 3);
}

#[test]
fn the_same_files_give_the_same_lines_with_any_number_of_threads() {
    let mut files = Files::new();
    for index in 0..40 {
        let content = if index % 2 == 0 {
            xp()
        } else {
            b"hello".to_vec()
        };
        files = files.with(&format!("a/{index:02}/tcpip.sys"), &content);
    }
    let lines = |threads: &str| {
        let stdout = files
            .run(&["probe", "-r", "--json", "--threads", threads, "a"])
            .stdout;
        let all = stdout.lines().map(str::to_owned);
        all.filter(|line| !line.contains("\"summary\""))
            .collect::<Vec<_>>()
    };
    let one = lines("1");
    assert_eq!(one.len(), 40);
    assert_eq!(one, lines("4"));
}

/// Checks that every key has a row in a table of docs/json.md, nested ones as `outer.inner`.
fn documented(outer: &str, value: &Value) {
    const DOCUMENTED: &str = include_str!("../../../docs/json.md");
    if let Some(elements) = value.as_array() {
        elements
            .iter()
            .for_each(|element| documented(outer, element));
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = match outer {
            "" => key.clone(),
            outer => format!("{outer}.{key}"),
        };
        assert!(DOCUMENTED.contains(&format!("| `{path}` |")), "{path}");
        documented(&path, value);
    }
    for word in ["state", "refusal", "role"] {
        if let Some(word) = value[word].as_str() {
            assert!(DOCUMENTED.contains(&format!("| `{word}` |")), "{word}");
        }
    }
}

#[test]
fn json_of_the_writing_commands_is_documented() {
    let files = Files::new()
        .with("WINDOWS/system32/drivers/tcpip.sys", &xp())
        .with("WINDOWS/system32/dllcache/tcpip.sys", &patched(0))
        .with(
            "WINDOWS/Driver Cache/i386/sp3.cab",
            &crate::cabinet::mszip(&[("tcpip.sys", &xp()), ("a", b"")]),
        )
        .with("a.sys", &xp());
    let mut lines = 0;
    for arguments in [
        ["patch", "--json", "-r", "."].as_slice(),
        &["patch", "--json", "--root", "."],
        &[
            "patch",
            "--json",
            "--in-place",
            "--module",
            "tcpip",
            "a.sys",
        ],
        &["restore", "--json", "--module", "tcpip", "a.sys"],
        &["patch", "--json", "a.sys"],
        &["status", "--json", "--root", "."],
        &["status", "--json", "--root", "nowhere"],
    ] {
        for object in files.run(arguments).objects() {
            documented("", &object);
            lines += 1;
        }
    }
    assert_eq!(lines, 4 + 4 + 3 + 4 + 1);
}

#[test]
fn every_refusal_is_documented() {
    const DOCUMENTED: &str = include_str!("../../../docs/json.md");
    const SOURCE: &str = include_str!("../../src/patch/refusal.rs");
    let (_, names) = SOURCE.split_once("fn name(").unwrap();
    let (names, _) = names.split_once("impl fmt::Display").unwrap();
    let words: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(words.len() > 15, "{words:?}");
    for word in words {
        assert!(DOCUMENTED.contains(&format!("| `{word}` |")), "{word}");
    }
}
