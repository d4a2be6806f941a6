//! `probe`.

use std::fs;

use tcplimit_xp::{Exit, Win32};

use crate::machine::{Machine, TCPIP, X86, stamp};

fn objects(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect()
}

#[test]
fn the_systems_file_is_looked_into_and_memory_where_the_driver_is_loaded() {
    let machine = Machine::new();
    let said = machine.done("probe");
    assert!(
        said.starts_with(&format!("{TCPIP}: located, unpatched: the limit is 10")),
        "{said}"
    );
    assert!(
        said.contains("  calls       near the gates to imports "),
        "{said}"
    );
    assert!(said.contains("tcplimit.sys is not loaded"), "{said}");
    let machine = Machine::installed();
    let said = machine.done("probe");
    assert!(
        said.contains("tcpip.sys in memory: located, the limit is 10"),
        "{said}"
    );
}

#[test]
fn an_object_has_the_fields_of_the_workbench_with_the_same_values() {
    for (name, bytes) in specimens() {
        let machine = Machine::new();
        let path = format!(
            r"E:\{}",
            if name.starts_with("tcpip6") {
                "tcpip6.sys"
            } else {
                "tcpip.sys"
            }
        );
        machine
            .files
            .borrow_mut()
            .insert(path.clone(), bytes.clone());
        let said = machine.done(&format!("probe --json {path}"));
        let [object] = objects(&said).try_into().expect("one");
        let reports = tcplimit::probe::bytes(&path, &bytes, &tcplimit::probe::Options::default());
        let Some(report) = reports.first() else {
            panic!("no report of {name}");
        };
        let located = report.located().expect("specimens are located");
        assert_eq!(object["state"], report.state.name(), "{name}");
        assert_eq!(object["rvas"]["threshold"], located.threshold().0, "{name}");
        assert_eq!(object["rvas"]["count"], located.count().0, "{name}");
        assert_eq!(object["time_date_stamp"], stamp(&bytes), "{name}");
        let file = report.file.as_ref().expect("hashed");
        assert_eq!(object["sha256"], file.sha256, "{name}");
        let checksum = file.checksum.expect("of a driver");
        assert_eq!(object["checksum"]["computed"], checksum.computed, "{name}");
        let around: Vec<_> = located.findings().surroundings().collect();
        assert!(around.len() >= 2, "{name}");
        for (number, around) in around.into_iter().enumerate() {
            for (field, count) in [
                ("local_imports", around.imports),
                ("local_functions", around.functions),
            ] {
                let object = &object["evidence"][field][number];
                assert_eq!(object["hits"], count.hits, "{name}, {field}");
                assert_eq!(object["total"], count.total, "{name}, {field}");
            }
        }
        let documented = include_str!("../../../../docs/json.md");
        for key in object.as_object().expect("an object").keys() {
            assert!(documented.contains(&format!("| `{key}` |")), "{key}");
        }
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
fn what_is_no_such_driver_is_refused_in_its_own_way() {
    let cut = &X86[..X86.len() / 2];
    for (path, bytes, state, exit) in [
        (r"E:\tcpip.sys", &b"hello"[..], "not-pe", Exit::Refused),
        (r"E:\a.txt", b"hello", "not-pe", Exit::Refused),
        (r"E:\tcpip.sys", cut, "damaged", Exit::Unreadable),
        (r"E:\tcpip.sy_", b"MSCF....", "compressed", Exit::Refused),
        (r"E:\tcpip6.sys", X86, "conflicting-names", Exit::Refused),
    ] {
        let machine = Machine::new();
        machine.files.borrow_mut().insert(path.into(), bytes.into());
        machine.forget();
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
            .contains(&Win32::FILE_NOT_FOUND.to_string())
    );
}

#[test]
fn a_changed_gate_is_not_located_and_the_missing_evidence_is_named() {
    let machine = Machine::new();
    machine.done(&format!("probe --json {TCPIP}"));
    let [object] = objects(&machine.out.borrow()).try_into().expect("one");
    let gate =
        usize::try_from(object["rvas"]["gates"][0].as_u64().expect("a gate")).expect("small");
    let mut broken = X86.to_vec();
    // File offsets equal RVAs in XP SP3's alignment.
    broken[gate..gate + 16].fill(0x90);
    machine.files.borrow_mut().insert(TCPIP.into(), broken);
    machine.forget();
    assert_eq!(machine.run("probe"), Exit::Refused);
    let said = machine.out.borrow();
    assert!(
        said.contains("report.txt") && said.contains("TwoGates"),
        "{said}"
    );
    assert!(!said.contains(": located"), "{said}");
}

#[test]
fn a_report_tells_the_file_and_what_is_in_memory() {
    let machine = Machine::installed();
    machine.done("probe --json");
    let [file, memory] = objects(&machine.out.borrow()).try_into().expect("two");
    assert_eq!(file["path"], TCPIP);
    assert_eq!(memory["memory"]["limit"], 10);
    machine.done("unload");
    machine.done("probe --json");
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
    let said = machine.done("probe");
    assert!(said.contains("tcpip6.sys in memory: not loaded"), "{said}");
    assert!(machine.done("status").contains("  in memory  not loaded\n"));
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
