//! `probe --json`.

use serde_json::{Value, json};
use verify::specimen::{Flaw, Spec};

use crate::{Files, patched, xp};

#[test]
fn one_file_is_one_object_with_the_truth_in_it() {
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
        assert_eq!(object["schema"], 1);
        assert_eq!(object["path"], "tcpip.sys");
        assert_eq!(object["member"], Value::Null);
        assert_eq!(object["bytes"], built.file.len());
        assert_eq!(object["state"], "pristine");
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
        assert_eq!(
            object["evidence"]["held"].as_array().map(Vec::len),
            Some(10)
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
        flaw: Some(Flaw::LiveWriter),
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
    assert_eq!(states, ["not-pe", "pristine", "patched", "unreadable"]);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["files"], 4);
    assert_eq!(summary["located"], 2);
    assert_eq!(summary["states"]["not-pe"], 1);
    assert_eq!(summary["interrupted"], false);
    assert_eq!(summary["exit_code"], 3);
}

#[test]
fn the_same_files_give_the_same_lines_however_many_at_once() {
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
