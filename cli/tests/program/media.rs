//! `patch -r`: a tree of setup files, including compressed ones, checked with
//! cabextract.

use std::fs;

use lzxc::WindowSize;
use specimen::Spec;

use crate::cabinet::{lzx, mszip};
use crate::{Files, expand, patched, xp};

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

/// The member of a cabinet, unpacked by another program.
fn expanded(files: &Files, cabinet: &str, member: &str) -> Option<Vec<u8>> {
    expand::expanded(&read(files, cabinet)).map(|mut members| {
        let content = members.remove(member).expect("the member");
        assert!(members.is_empty(), "{:?}", members.keys());
        content
    })
}

fn media() -> Files {
    Files::new()
        .with("I386/TCPIP.SY_", &lzx("tcpip.sys", &xp(), WindowSize::MB2))
        .with(
            "I386/TCPIP6.SY_",
            include_bytes!("../../../corpus/cabinets/lzx.cab"),
        )
        .with(
            "AMD64/tcpip.sy_",
            &mszip(&[("tcpip.sys", &Spec::xp_x64().build().file)]),
        )
        .with(
            "I386/SP3.CAB",
            &mszip(&[("afd.sys", b"x"), ("TCPIP.SYS", &xp())]),
        )
        .with("I386/DRIVER.CAB", &mszip(&[("afd.sys", b"x")]))
        .with("I386/AFD.SY_", &mszip(&[("afd.sys", b"x")]))
        .with("slipstream/tcpip.sys", &patched(50))
        .with("readme.txt", b"hello")
}

#[test]
fn compressed_drivers_are_rewritten_so_that_cabextract_gives_the_patched_ones() {
    let files = media();
    let large = read(&files, "I386/SP3.CAB");
    let six = expanded(&files, "I386/TCPIP6.SY_", "TCPIP6.SYS");
    let shown = files.run(&["patch", "-r", "."]);
    shown.ends_with(0);
    assert_eq!(
        shown.stdout.matches("would change the limit").count(),
        4,
        "{}",
        shown.stdout
    );
    let run = files.run(&["patch", "-r", "--limit", "200", "--in-place", "."]);
    run.ends_with(0);
    run.prints("4 files: 4 changed");
    run.prints("SP3.CAB: not rewritten");
    assert!(
        !run.stdout.contains("DRIVER.CAB") && !run.stdout.contains("AFD"),
        "{}",
        run.stdout
    );
    assert_eq!(read(&files, "I386/SP3.CAB"), large);
    assert_eq!(read(&files, "slipstream/tcpip.sys"), patched(200));

    // Not a specimen built with 200: its filler would differ.
    let to_200 = |spec: Spec| {
        let specimen = spec.build();
        let mut file = specimen.file.clone();
        let at = specimen.value_offset();
        file[at..at + 4].copy_from_slice(&200_u32.to_le_bytes());
        specimen::checksum::update(&mut file);
        file
    };
    for (cabinet, member, content) in [
        ("I386/TCPIP.SY_", "tcpip.sys", patched(200)),
        ("AMD64/tcpip.sy_", "tcpip.sys", to_200(Spec::xp_x64())),
    ] {
        if let Some(expanded) = expanded(&files, cabinet, member) {
            assert!(expanded == content, "{cabinet}");
        }
        let probe = files.run(&["probe", "--json", cabinet]);
        assert_eq!(probe.objects()[0]["start_up"]["value"], 200, "{cabinet}");
    }
    // Of a driver that an earlier builder made: the value and the checksum changed.
    let probe = files.run(&["probe", "--json", "I386/TCPIP6.SY_"]);
    assert_eq!(probe.objects()[0]["start_up"]["value"], 200);
    assert_eq!(probe.objects()[0]["checksum"]["ok"], true);
    if let Some(before) = six {
        let after = expanded(&files, "I386/TCPIP6.SY_", "TCPIP6.SYS").expect("as before");
        assert_eq!(before.len(), after.len());
        let changed = before.iter().zip(&after).filter(|(old, new)| old != new);
        assert!((1..=8).contains(&changed.count()));
    }
}

/// Much larger than the window, or than any such driver: blocks span frames, matches reach
/// back over many frames, and calls are translated in each.
#[test]
fn cabextract_unpacks_lzx_with_any_window() {
    let large = |text_kib, start_up| {
        let spec = Spec {
            text_kib,
            start_up,
            ..Spec::xp_sp3()
        };
        spec.build().file
    };
    // KiB of code; a file of more than 1 MiB would be compressed by MSZIP.
    for (window, text_kib) in [
        (WindowSize::KB32, 100),
        (WindowSize::KB64, 200),
        (WindowSize::KB128, 300),
        (WindowSize::KB256, 600),
        (WindowSize::KB512, 600),
        (WindowSize::MB1, 600),
        (WindowSize::MB2, 600),
    ] {
        let [before, after] = [large(text_kib, 10), large(text_kib, 100)];
        let packed = lzx("tcpip.sys", &before, window);
        assert!(
            packed.len() < before.len(),
            "{window:?}: nothing was packed"
        );
        let files = Files::new().with("TCPIP.SY_", &packed);
        if let Some(expanded) = expanded(&files, "TCPIP.SY_", "tcpip.sys") {
            assert!(expanded == before, "{window:?}");
        }
        let patch = files.run(&["patch", "--in-place", "TCPIP.SY_"]);
        assert_eq!(patch.code, 0, "{window:?}: {}", patch.stdout);
        if let Some(expanded) = expanded(&files, "TCPIP.SY_", "tcpip.sys") {
            assert!(expanded == after, "{window:?}");
        }
    }
}

#[test]
fn a_cabinets_name_date_attributes_and_method_are_kept() {
    let before = include_bytes!("../../../corpus/cabinets/lzx.cab");
    let files = Files::new().with("TCPIP6.SY_", before);
    assert_eq!(files.run(&["patch", "--in-place", "TCPIP6.SY_"]).code, 0);
    let after = read(&files, "TCPIP6.SY_");
    // The table of members ([MS-CAB], CFFILE): size, offset and folder, then
    // date, time, attributes and name.
    let entry = |cabinet: &[u8]| {
        let at = usize::try_from(u32::from_le_bytes(cabinet[16..20].try_into().unwrap())).unwrap();
        cabinet[at + 10..at + 16 + "TCPIP6.SYS\0".len()].to_vec()
    };
    assert_eq!(entry(&after), entry(before));
    assert!(entry(before).ends_with(b"TCPIP6.SYS\0"));
    // The folder's method: LZX, with the window in the other byte.
    assert_eq!(before[42], 3);
    assert_eq!(after[42..44], before[42..44]);
}

#[test]
fn a_restored_tree_equals_the_old_one() {
    let files = media();
    let names = [
        "I386/TCPIP.SY_",
        "I386/TCPIP6.SY_",
        "AMD64/tcpip.sy_",
        "slipstream/tcpip.sys",
    ];
    let before = names.map(|name| read(&files, name));
    files.run(&["patch", "-r", "--in-place", "."]);
    assert_ne!(names.map(|name| read(&files, name)), before);
    let restore = files.run(&["restore", "-r", "--in-place", "."]);
    restore.ends_with(0);
    assert_eq!(names.map(|name| read(&files, name)), before);
}

#[test]
fn a_compressed_driver_without_a_backup_is_set_to_10() {
    let files = Files::new().with(
        "TCPIP.SY_",
        &lzx("tcpip.sys", &patched(20), WindowSize::MB2),
    );
    let restore = files.run(&["restore", "--in-place", "TCPIP.SY_"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    if let Some(expanded) = expanded(&files, "TCPIP.SY_", "tcpip.sys") {
        assert!(expanded == xp());
    }
}

#[test]
fn unwritable_cabinets_are_refused_and_the_rest_is_patched() {
    let szdd = b"SZDD\x88\xF0\x27\x33As";
    let mut damaged = mszip(&[("tcpip.sys", &xp())]);
    let last = damaged.len() - 100;
    damaged[last] ^= 0xFF;
    let two = mszip(&[("tcpip.sys", &xp()), ("a", b"x")]);
    for (content, code, because) in [
        (szdd.to_vec(), 1, "compressed by COMPRESS.EXE"),
        (damaged, 3, "take a fresh copy"),
        (two, 1, "including tcpip.sys"),
        (
            mszip(&[("tcpip.sys", b"hello")]),
            1,
            "does not begin with MZ",
        ),
    ] {
        let files = Files::new()
            .with("a/TCPIP.SY_", &content)
            .with("b/tcpip.sys", &xp());
        let run = files.run(&["patch", "-r", "--in-place", "."]);
        assert_eq!(run.code, code, "{because}: {}", run.stdout);
        assert!(run.stdout.contains(because), "{because}: {}", run.stdout);
        assert_eq!(read(&files, "a/TCPIP.SY_"), content, "{because}");
        assert_eq!(read(&files, "b/tcpip.sys"), patched(100), "{because}");
    }
}

#[test]
fn every_file_has_an_object_and_the_last_line_is_the_summary() {
    let files = media().with("z/tcpip.sys", &patched(0));
    let run = files.run(&["patch", "-r", "--json", "--in-place", "."]);
    assert_eq!(run.code, 1);
    let objects = run.objects();
    let state = |object: &serde_json::Value| object["state"].as_str().map(str::to_owned);
    let states: Vec<String> = objects.iter().filter_map(state).collect();
    assert_eq!(
        states,
        [
            "changed", "cabinet", "changed", "changed", "changed", "refused"
        ]
    );
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(summary["changed"], 4);
    assert_eq!(summary["refused"], 1);
    assert_eq!(summary["cabinets"], 1);
    assert_eq!(summary["exit_code"], 1);
    let cabinet = objects
        .iter()
        .find(|object| object["state"] == "cabinet")
        .unwrap();
    assert_eq!(cabinet["members"], serde_json::json!(["TCPIP.SYS"]));
}

#[test]
fn a_tree_without_drivers_is_reported() {
    let files = Files::new().with("a/b.txt", b"x");
    let run = files.run(&["patch", "-r", "--in-place", "."]);
    assert_eq!(run.code, 1);
    run.warns("neither tcpip.sys nor tcpip6.sys");
}

#[test]
#[cfg(unix)]
fn links_in_a_folder_are_named_and_not_followed() {
    use std::os::unix::fs::symlink;
    let outside = Files::new().with("tcpip.sys", &xp()).with("sp.cab", b"x");
    let files = Files::new()
        .with("tree/a/tcpip.sys", &xp())
        .with("tree/b/x", b"");
    let link = |to: &str, name: &str| {
        symlink(outside.path().join(to), files.path().join(name)).unwrap();
    };
    link("tcpip.sys", "tree/b/tcpip.sys");
    link("sp.cab", "tree/b/sp.cab");
    link("nowhere", "tree/b/TCPIP6.SY_");
    link("tcpip.sys", "tcpip.sys");
    symlink("tree", files.path().join("named")).unwrap();
    let run = files.run(&["patch", "-r", "--in-place", "named"]);
    run.ends_with(0);
    assert_eq!(
        run.stdout.matches(": not followed").count(),
        3,
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("1 file: 1 changed,") && run.stdout.contains("; 3 links not followed"),
        "{}",
        run.stdout
    );
    assert_eq!(read(&files, "tree/a/tcpip.sys"), patched(100));
    assert_eq!(read(&outside, "tcpip.sys"), xp());
    let objects = files
        .run(&["restore", "-r", "--json", "--in-place", "tree"])
        .objects();
    let links = objects.iter().filter(|object| object["state"] == "link");
    assert_eq!(links.count(), 3);
    assert_eq!(objects.last().unwrap()["summary"]["links"], 3);
    assert_eq!(read(&outside, "tcpip.sys"), xp());
    // A link on the command line is followed.
    assert_eq!(files.run(&["patch", "--in-place", "tcpip.sys"]).code, 0);
    assert_eq!(read(&outside, "tcpip.sys"), patched(100));
}

#[test]
fn an_unreadable_cabinet_fails() {
    let files = media()
        .with("I386/SP2.CAB", b"MSCF")
        .with("x.cab", b"x")
        // A format of another vendor, which Windows does not use.
        .with("data1.cab", b"ISc(\0\0");
    let run = files.run(&["patch", "-r", "."]);
    run.ends_with(3);
    run.prints_all([
        "SP2.CAB can't be opened: the cabinet ends",
        "x.cab can't be opened: not a cabinet",
        "4 to change, 0 already correct, 2 failed; 1 cabinet with",
    ]);
    run.does_not_print("data1.cab");
    let objects = files.run(&["patch", "-r", "--json", "."]).objects();
    let failed = objects.iter().filter(|object| object["state"] == "failed");
    assert_eq!(failed.count(), 2);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!(
        (&summary["failed"], &summary["exit_code"]),
        (&2.into(), &3.into())
    );
}
