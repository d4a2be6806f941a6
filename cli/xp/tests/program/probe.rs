//! `probe`.

use std::fs;

use tcplimit_xp::{Exit, Win32Error};

use crate::machine::{Machine, TCPIP, X86};

fn objects(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect()
}

#[test]
fn probe_reads_the_systems_file_and_memory_where_the_driver_is_loaded() {
    let machine = Machine::new();
    let output = machine.succeeds("probe");
    assert!(
        output.starts_with(&format!("{TCPIP}: located, unpatched: the limit is 10")),
        "{output}"
    );
    assert!(
        output.contains("  calls       near the gates to imports "),
        "{output}"
    );
    assert!(output.contains("tcplimit.sys is not loaded"), "{output}");
    let machine = Machine::installed();
    let output = machine.succeeds("probe");
    assert!(
        output.contains("tcpip.sys in memory: located, the limit is 10"),
        "{output}"
    );
}

/// The JSON objects of this program and of the workbench for a file.
fn objects_of_both(path: &str, bytes: &[u8]) -> (serde_json::Value, serde_json::Value) {
    let machine = Machine::new();
    machine.files.borrow_mut().insert(path.into(), bytes.into());
    machine.clear_output();
    machine.run(&format!("probe --json {path}"));
    let [object] = objects(&machine.out.borrow()).try_into().expect("one");
    let reports = tcplimit::probe::bytes(path, bytes, &tcplimit::probe::Options::default());
    let [report] = reports.try_into().expect("one");
    let workbench = serde_json::to_value(tcplimit::report::JsonReport::of(&report)).expect("JSON");
    (object, workbench)
}

/// Images for every state that both programs have, with their names.
fn images() -> Vec<(&'static str, String, Vec<u8>)> {
    let named = |state, name: &str, bytes: &[u8]| (state, format!(r"E:\{name}"), bytes.to_vec());
    let specimen = |wanted: &str| {
        let all = specimens().into_iter();
        let found = all.into_iter().find(|(name, _)| name == wanted);
        found.expect("a specimen").1
    };
    let changed = |bytes: &[u8], at: usize, new: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let signature = usize::try_from(u32::from_le_bytes(X86[60..64].try_into().expect("four")));
    let signature = signature.expect("small");
    let store = tcplimit::probe::bytes("tcpip.sys", X86, &tcplimit::probe::Options::default());
    let Some(scanner_core::StartUpStore::Unique { value_offset, .. }) = store[0].start_up else {
        panic!("a store");
    };
    let value = usize::try_from(value_offset).expect("small");
    let gate = store[0]
        .located()
        .expect("located")
        .findings()
        .gates()
        .next();
    let gate = usize::try_from(gate.expect("a gate").at().0).expect("small");
    let v6 = specimen("tcpip6-x86.sys");
    let mut images = vec![
        named("unpatched", "tcpip.sys", X86),
        named("unpatched", "x.bin", X86),
        named("unpatched", "tcpip6.sys", &v6),
        named("patched", "tcpip.sys", &changed(X86, value, &[50, 0, 0, 0])),
        named("patched", "tcpip.sys", &changed(X86, value, &[0; 4])),
        named("not-located", "tcpip.sys", &changed(X86, gate, &[0x90; 16])),
        named("conflicting-names", "tcpip6.sys", X86),
        named(
            "not-a-driver",
            "tcpip.sys",
            &changed(X86, signature + 24 + 68, &[3, 0]),
        ),
        named(
            "not-a-driver",
            "x.exe",
            &changed(X86, signature + 24 + 68, &[2, 0]),
        ),
        named(
            "unsupported-machine",
            "tcpip.sys",
            &changed(X86, signature + 4, &[0, 2]),
        ),
        named("damaged", "tcpip.sys", &changed(X86, signature, b"NE")),
        named("not-pe", "x.sys", &changed(X86, signature, b"NE")),
        named("damaged", "tcpip.sys", b""),
        named("not-pe", "x.sys", b""),
        named("damaged", "tcpip.sys", b"M"),
        named("not-pe", "tcpip.sys", b"hello"),
        named("not-pe", "a.txt", b"hello"),
        named("compressed", "tcpip.sy_", b"SZDD\x88\xF0\x27\x33As"),
        named("compressed", "x.sy_", b"KWAJ\x88\xF0\x27\xD1"),
    ];
    for length in [100, signature + 10, 600, 5000, X86.len() / 2, X86.len() - 1] {
        for name in ["tcpip.sys", "x.sys"] {
            images.push(named("damaged", name, &X86[..length]));
        }
    }
    let located = specimens().into_iter().map(|(name, bytes)| {
        let is_v6 = name.starts_with("tcpip6");
        named(
            "unpatched",
            if is_v6 { "tcpip6.sys" } else { "TCPIP.SYS" },
            &bytes,
        )
    });
    images.extend(located);
    images
}

#[test]
fn each_field_equals_the_one_of_the_workbench() {
    let documented = include_str!("../../../../docs/json.md");
    for (state, path, bytes) in images() {
        let what = format!("{path}, {} bytes", bytes.len());
        let (object, workbench) = objects_of_both(&path, &bytes);
        assert_eq!(object["state"], state, "{what}: {object}");
        let fields = object.as_object().expect("an object");
        let of_workbench = workbench.as_object().expect("an object");
        assert!(fields.keys().eq(of_workbench.keys()), "{what}");
        assert_eq!(fields.len(), 22);
        for (field, value) in fields {
            assert!(documented.contains(&format!("| `{field}` |")), "{field}");
            if field != "reason" {
                assert_eq!(value, &workbench[field], "{what}: {field}");
            }
        }
        // Only the advice after it differs: this program asks for a report, the workbench suggests
        // an option.
        let [here, there] = [&object, &workbench].map(|it| it["reason"].as_str());
        assert_eq!(here.is_some(), there.is_some(), "{what}");
        let there = there.unwrap_or_default();
        let cause = [": choose one with", ": if it is one of them"]
            .into_iter()
            .find_map(|advice| Some(there.split_once(advice)?.0));
        let here = here.unwrap_or_default();
        assert!(
            here.starts_with(cause.unwrap_or(there)),
            "{what}: {here}, {there}"
        );
    }
}

fn specimens() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/specimens");
    let files = fs::read_dir(folder).expect("specimens").flatten();
    let files: Vec<_> = files
        .filter(|file| file.path().extension().is_some_and(|kind| kind == "sys"))
        .map(|file| {
            let name = file.file_name().into_string().expect("ASCII");
            (name, fs::read(file.path()).expect("readable"))
        })
        .collect();
    assert!(files.len() >= 5);
    files
}

#[test]
fn files_that_are_not_the_driver_are_refused_by_kind() {
    let cut = &X86[..X86.len() / 2];
    for (path, bytes, state, exit) in [
        (r"E:\tcpip.sys", &b"hello"[..], "not-pe", Exit::Refused),
        (r"E:\a.txt", b"hello", "not-pe", Exit::Refused),
        (r"E:\tcpip.sys", cut, "damaged", Exit::Unreadable),
        (r"E:\tcpip.sy_", b"MSCF....", "cabinet", Exit::Refused),
        (r"E:\tcpip6.sys", X86, "conflicting-names", Exit::Refused),
    ] {
        let machine = Machine::new();
        machine.files.borrow_mut().insert(path.into(), bytes.into());
        machine.clear_output();
        assert_eq!(machine.run(&format!("probe --json {path}")), exit, "{path}");
        let [object] = objects(&machine.out.borrow()).try_into().expect("one");
        assert_eq!(object["state"], state, "{path}");
        assert_eq!(object["located"], false);
    }
    let machine = Machine::new();
    assert_eq!(machine.run(r"probe E:\none.sys"), Exit::Unreadable);
    assert!(
        machine
            .out
            .borrow()
            .contains(&Win32Error::FILE_NOT_FOUND.to_string())
    );
}

#[test]
fn a_changed_gate_is_not_located_and_the_missing_evidence_is_named() {
    let machine = Machine::new();
    machine.succeeds(&format!("probe --json {TCPIP}"));
    let [object] = objects(&machine.out.borrow()).try_into().expect("one");
    let gate =
        usize::try_from(object["rvas"]["gates"][0].as_u64().expect("a gate")).expect("small");
    let mut broken = X86.to_vec();
    // File offsets equal RVAs in XP SP3's alignment.
    broken[gate..gate + 16].fill(0x90);
    machine.files.borrow_mut().insert(TCPIP.into(), broken);
    machine.clear_output();
    assert_eq!(machine.run("probe"), Exit::Refused);
    let output = machine.out.borrow();
    assert!(
        output.contains("report.txt") && output.contains("TwoGates"),
        "{output}"
    );
    assert!(!output.contains(": located"), "{output}");
}

#[test]
fn a_report_covers_file_and_memory() {
    let machine = Machine::installed();
    machine.succeeds("probe --json");
    let [file, memory] = objects(&machine.out.borrow()).try_into().expect("two");
    assert_eq!(file["path"], TCPIP);
    assert_eq!(memory["memory"]["limit"], 10);
    machine.succeeds("unload");
    machine.succeeds("probe --json");
    let [_, memory] = objects(&machine.out.borrow()).try_into().expect("two");
    assert!(memory["memory"].is_null());
}

#[test]
fn ipv6_that_is_not_installed_is_no_failure_though_its_file_is_there() {
    let machine = Machine::installed();
    let path = TCPIP.replace("tcpip.sys", "tcpip6.sys");
    let specimen = specimens()
        .into_iter()
        .find(|(name, _)| name == "tcpip6-x86.sys");
    let (_, file) = specimen.expect("one for IPv6");
    machine.files.borrow_mut().insert(path, file);
    let output = machine.succeeds("probe");
    assert!(
        output.contains("tcpip6.sys in memory: not loaded"),
        "{output}"
    );
    assert!(
        machine
            .succeeds("status")
            .contains("  in memory  not loaded\n")
    );
}

#[test]
fn the_known_builds_are_those_of_the_workbench() {
    let manifest = include_str!("../../../../corpus/builds.toml");
    let table = include_str!(concat!(env!("OUT_DIR"), "/known.rs"));
    let hashes = |text: &str| text.matches("sha256 = ").count();
    assert_eq!(table.lines().count(), hashes(manifest) + 2);
    let builds: toml::Table = manifest.parse().expect("TOML");
    for build in builds["build"].as_array().expect("builds") {
        let text = |key: &str| build[key].as_str().expect("a text").to_owned();
        let row = format!("({:?}, {:?}),", text("name"), text("sha256"));
        assert!(table.contains(&row), "{row}");
    }
}
