//! `--cabinets`: the drivers in cabinets of several files, checked with cabextract
//! or extrac32.

use std::collections::BTreeMap;
use std::fs;

use specimen::Spec;
use specimen::cabinet::{Cabinet, Folder, Method};

use crate::expand::expanded;
use crate::{Files, patched, xp};

const CAB: &str = "WINDOWS/Driver Cache/i386/sp3.cab";
const DRIVER: &str = "WINDOWS/system32/drivers/tcpip.sys";
const CACHE: &str = "WINDOWS/system32/dllcache/tcpip.sys";

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

fn six() -> Vec<u8> {
    Spec::tcpip6_x86().build().file
}

/// Three folders, two of them with drivers, and reserved fields. The first has blocks
/// that repeat one byte or a few: for those, some packers write trees with one
/// distance, which cabextract refuses.
fn sp3(methods: [Method; 3], driver: &[u8]) -> Vec<u8> {
    let mut state = 1_u32;
    let text = (0..100_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(state >> 26).unwrap()
    });
    let text: Vec<u8> = text.collect();
    let repeated = [1_u32, 2, 7, 300].map(|period| {
        let bytes = (0..0x8000).map(|at| u8::try_from(at % period % 251).unwrap());
        bytes.collect::<Vec<u8>>()
    });
    let [a, b, c] = methods;
    Cabinet {
        header_reserve: vec![1, 2, 3, 4, 5],
        folder_reserve: 6,
        ..Cabinet::new(vec![
            Folder::new(
                a,
                &[
                    ("afd.sys", &text),
                    ("tcpip.sys", driver),
                    ("b.dll", &repeated.concat()),
                ],
            ),
            Folder::new(b, &[("c.dll", &text), ("empty.txt", b"")]),
            Folder::new(c, &[("TCPIP6.SYS", &six()), ("d.dll", &text)]),
        ])
    }
    .build()
}

/// The limit of each driver in a cabinet.
fn limits(files: &Files, cabinet: &str) -> Vec<(String, u64)> {
    let probe = files.run(&["probe", "--json", cabinet]);
    let objects = probe.objects().into_iter();
    let located = objects.filter(|object| object["located"] == true);
    located
        .map(|object| {
            let member = object["member"].as_str().unwrap().to_owned();
            (member, object["start_up"]["value"].as_u64().unwrap())
        })
        .collect()
}

fn both(limit: u64) -> Vec<(String, u64)> {
    ["tcpip.sys", "TCPIP6.SYS"]
        .map(|name| (name.to_owned(), limit))
        .to_vec()
}

#[test]
fn only_drivers_in_a_cabinet_change_and_restore_is_exact() {
    use Method::{Lzx, MsZip, Stored};
    for methods in [
        [Stored, Lzx, MsZip],
        [Lzx, MsZip, Lzx],
        [Stored, Stored, Stored],
    ] {
        let old = sp3(methods, &xp());
        let files = Files::new().with("sp3.cab", &old);
        let refused = files.run(&["patch", "sp3.cab"]);
        assert_eq!(refused.code, 1, "{}", refused.stdout);
        for words in [
            "tcpip.sys and TCPIP6.SYS",
            "--cabinets",
            "Windows File Protection",
        ] {
            assert!(
                refused.stdout.contains(words),
                "{words}: {}",
                refused.stdout
            );
        }
        let shown = files.run(&["patch", "--cabinets", "sp3.cab"]);
        assert_eq!(shown.code, 0, "{}", shown.stdout);
        assert_eq!(
            shown
                .stdout
                .matches("would change the limit from 10 to 100")
                .count(),
            2
        );
        assert_eq!(read(&files, "sp3.cab"), old);

        let patch = [
            "patch",
            "--cabinets",
            "--limit",
            "77",
            "--in-place",
            "--json",
            "sp3.cab",
        ];
        let changed = files.run(&patch).objects();
        for (object, member) in changed.iter().zip(["tcpip.sys", "TCPIP6.SYS"]) {
            assert_eq!(
                (&object["path"], &object["state"]),
                (&"sp3.cab".into(), &"changed".into())
            );
            assert_eq!(object["member"], member);
            assert_eq!(object["limit"]["after"], 77);
            assert!(object["backup"].as_str().unwrap().ends_with(".orig"));
        }
        assert_eq!(changed.len(), 2);
        let new = read(&files, "sp3.cab");
        assert_eq!(limits(&files, "sp3.cab"), both(77));
        if let (Some(before), Some(after)) = (expanded(&old), expanded(&new)) {
            assert_eq!(before.len(), 7);
            for (name, content) in &before {
                let is_driver = name.to_lowercase().starts_with("tcpip");
                assert_eq!(after[name] != *content, is_driver, "{name}");
            }
            assert!(after["tcpip.sys"] == patched(77));
            assert_eq!(before.len(), after.len());
        }

        let again = files.run(&patch).objects();
        assert!(
            again.iter().all(|object| object["state"] == "unchanged"),
            "{again:?}"
        );
        assert_eq!(read(&files, "sp3.cab"), new);
        let restore = files.run(&["restore", "--cabinets", "--in-place", "sp3.cab"]);
        assert_eq!(restore.code, 0, "{}", restore.stdout);
        restore.prints(".orig (it stays)");
        assert!(read(&files, "sp3.cab") == old, "{methods:?}");
    }
}

#[test]
fn one_refused_driver_leaves_the_cabinet_unchanged() {
    let old = sp3([Method::Lzx; 3], &patched(0));
    let files = Files::new().with("sp3.cab", &old);
    let run = files.run(&["patch", "--cabinets", "--in-place", "--json", "sp3.cab"]);
    assert_eq!(run.code, 1);
    let objects = run.objects();
    let printed: Vec<(&str, &str)> = objects
        .iter()
        .map(|object| {
            (
                object["member"].as_str().unwrap(),
                object["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        printed,
        [("tcpip.sys", "refused"), ("TCPIP6.SYS", "not-done")]
    );
    assert_eq!(objects[0]["refusal"], "implausible-value");
    assert!(
        objects[1]["reason"]
            .as_str()
            .unwrap()
            .contains("Another driver")
    );
    assert!(read(&files, "sp3.cab") == old);
}

#[test]
fn cabinets_in_a_tree_or_under_another_name_are_rewritten_on_request() {
    let old = sp3([Method::MsZip; 3], &xp());
    let files = Files::new()
        .with("I386/SP3.CAB", &old)
        .with("I386/NONE.CAB", &sp3_without())
        .with("I386/tcpip.sys", &xp());
    let plain = files.run(&["patch", "-r", "--in-place", "."]);
    plain.prints("SP3.CAB: not rewritten");
    plain.prints("--cabinets");
    assert!(read(&files, "I386/SP3.CAB") == old);
    let run = files.run(&["patch", "-r", "--in-place", "--cabinets", "."]);
    run.ends_with(0);
    run.prints("3 files: 2 changed");
    run.does_not_print("NONE.CAB");
    assert_eq!(limits(&files, "I386/SP3.CAB"), both(100));
    let copy = [
        "restore",
        "--cabinets",
        "--output",
        "back.cab",
        "I386/SP3.CAB",
    ];
    assert_eq!(files.run(&copy).code, 0);
    assert!(read(&files, "back.cab") == old);
    let copy = ["patch", "--cabinets", "--limit", "7", "--output", "7.cab"];
    let objects = files
        .run(&[&copy[..], &["--json", "back.cab"]].concat())
        .objects();
    let written = objects.iter().filter(|object| object["output"] == "7.cab");
    assert_eq!(written.count(), 2, "{objects:?}");
}

fn sp3_without() -> Vec<u8> {
    Cabinet::new(vec![Folder::new(
        Method::MsZip,
        &[("a", b"a"), ("b", b"b")],
    )])
    .build()
}

#[test]
fn a_damaged_cabinet_is_restored_from_its_backup() {
    let old = sp3([Method::MsZip; 3], &xp());
    let files = Files::new().with("sp3.cab", &old);
    files.run(&["patch", "--cabinets", "--in-place", "sp3.cab"]);
    let mut damaged = read(&files, "sp3.cab");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let files = files.with("sp3.cab", &damaged);
    let patch = files.run(&["patch", "--cabinets", "--in-place", "sp3.cab"]);
    assert_eq!(patch.code, 3, "{}", patch.stdout);
    patch.prints("the checksum of data block");
    let restore = files.run(&["restore", "--cabinets", "--in-place", "sp3.cab"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    restore.prints("restored from its backup");
    assert!(read(&files, "sp3.cab") == old);
    fs::remove_file(files.path().join("sp3.cab")).unwrap();
    assert_eq!(
        files
            .run(&["restore", "--cabinets", "--in-place", "sp3.cab"])
            .code,
        0
    );
    assert!(read(&files, "sp3.cab") == old);
}

#[test]
fn a_cabinet_with_a_truncated_driver_is_restored_from_its_backup() {
    let old = sp3([Method::MsZip; 3], &xp());
    let hash = specimen::checksum::sha256(&old);
    let files = Files::new()
        .with("sp3.cab", &sp3([Method::MsZip; 3], &xp()[..300]))
        .with(&format!("sp3.cab.{}.orig", &hash[..16]), &old);
    let restore = ["restore", "--cabinets", "--in-place", "sp3.cab"];
    let run = files.run(&restore);
    run.ends_with(0);
    run.prints("restored from its backup");
    assert!(read(&files, "sp3.cab") == old);
}

#[test]
fn a_backup_with_other_members_is_not_used() {
    let old = sp3([Method::MsZip; 3], &xp());
    // The reserved fields of the header are not part of a driver either.
    let mut other = old.clone();
    let reserved = other.windows(5).position(|bytes| bytes == [1, 2, 3, 4, 5]);
    other[reserved.unwrap()] = 9;
    let hash = specimen::checksum::sha256(&other);
    let files = Files::new()
        .with("sp3.cab", &sp3([Method::MsZip; 3], &patched(100)))
        .with(&format!("sp3.cab.{}.orig", &hash[..16]), &other);
    let restore = ["restore", "--cabinets", "--in-place", "sp3.cab"];
    let run = files.run(&restore);
    run.ends_with(0);
    run.prints("no backup was used");
    assert!(read(&files, "sp3.cab") != other);
    assert_eq!(limits(&files, "sp3.cab"), both(10));
}

/// An installed Windows with copies in a cabinet and in a compressed file.
fn windows(driver: &[u8]) -> Files {
    let six = six();
    let packed = Folder::new(Method::Lzx, &[("tcpip6.sys", &six)]);
    Files::new()
        .with(DRIVER, driver)
        .with(CACHE, &xp())
        .with(CAB, &sp3([Method::Lzx; 3], &xp()))
        .with("WINDOWS/Driver Cache/i386/none.cab", &sp3_without())
        .with(
            "WINDOWS/ServicePackFiles/i386/TCPIP6.SY_",
            &Cabinet::new(vec![packed]).build(),
        )
}

/// All files but backups.
fn all(files: &Files) -> BTreeMap<String, Vec<u8>> {
    let walk = walkdir::WalkDir::new(files.path()).into_iter();
    let entries = walk
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    let contents = entries.map(|entry| {
        let content = fs::read(entry.path()).unwrap();
        (entry.path().display().to_string(), content)
    });
    contents
        .filter(|(path, _)| !path.ends_with(".orig"))
        .collect()
}

#[test]
fn the_cabinets_of_a_windows_are_part_of_its_transaction() {
    let files = windows(&xp());
    let before = all(&files);
    let shown = files.run(&["patch", "--root", ".", "--cabinets"]);
    shown.ends_with(0);
    assert_eq!(
        shown.stdout.matches("would change the limit").count(),
        5,
        "{}",
        shown.stdout
    );
    assert_eq!(all(&files), before);
    let patch = files.run(&["patch", "--root", ".", "--cabinets", "--in-place"]);
    patch.ends_with(0);
    patch.prints("5 files: 5 changed");
    patch.does_not_print("not rewritten");
    assert_eq!(limits(&files, CAB), both(100));
    let status = files.run(&["status", "--root", ".", "--json"]);
    let objects = status.objects();
    let of_cabinet = |object: &&serde_json::Value| {
        object["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("sp3.cab"))
    };
    assert_eq!(objects.iter().filter(of_cabinet).count(), 2);
    for object in objects.iter().filter(of_cabinet) {
        assert_eq!(object["limit"], 100);
        assert_eq!(object["backups"].as_array().unwrap().len(), 1);
    }
    let again = files.run(&["patch", "--root", ".", "--cabinets", "--in-place"]);
    again.prints("5 already correct");
    let restore = files.run(&["restore", "--root", ".", "--cabinets", "--in-place"]);
    restore.ends_with(0);
    assert!(all(&files) == before, "{:?}", all(&files).keys());
}

#[test]
fn a_refused_copy_keeps_cabinets_unchanged_and_vice_versa() {
    let files = windows(&patched(0));
    let before = all(&files);
    let patch = files.run(&["patch", "--root", ".", "--cabinets", "--in-place"]);
    assert_eq!(patch.code, 1);
    assert!(all(&files) == before);
    // A truncated cabinet, or a file that is no cabinet, may have contained a driver.
    for content in [&sp3([Method::Lzx; 3], &xp())[..5000], b"none"] {
        let files = windows(&xp()).with(CAB, content);
        let before = all(&files);
        let patch = files.run(&["patch", "--root", ".", "--cabinets", "--in-place"]);
        assert_ne!(patch.code, 0, "{}", patch.stdout);
        patch.warns("so none is changed");
        assert!(all(&files) == before);
    }
}
