//! Disc images: probed, patched and refused.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lzxc::WindowSize;
use specimen::Spec;
use specimen::disc::{Disc, DiscImage, SECTOR, both};

use crate::cabinet::{lzx, mszip};
use crate::expand::expanded;
use crate::{Files, Run, patched, xp};

/// A program with sections that is not a driver.
const PROGRAM: &[u8] = include_bytes!("../../../corpus/specimens/tcpip-xp-sp3-x86.sys");

/// A self-extractor: a program (subsystem 2) followed by a cabinet.
fn self_extractor(cabinet: &[u8]) -> Vec<u8> {
    let mut program = PROGRAM.to_vec();
    let nt = usize::try_from(u32::from_le_bytes(program[60..64].try_into().unwrap())).unwrap();
    program[nt + 24 + 68] = 2;
    [&program, cabinet].concat()
}

fn compressed() -> Vec<u8> {
    lzx("tcpip.sys", &xp(), WindowSize::MB2)
}

/// A setup disc: both trees, two names of one file, x86 and x64.
fn setup() -> Disc {
    let packed = compressed();
    let x64 = mszip(&[("tcpip.sys", &Spec::xp_x64().build().file)]);
    let sp3 = mszip(&[("afd.sys", b"x"), ("TCPIP.SYS", &xp())]);
    Disc::new(&[
        ("WIN51", b"Windows"),
        ("I386/AFD.SY_", b"afd"),
        ("I386/TCPIP.SY_", &packed),
        ("I386/TXTSETUP.SIF", b"[Version]"),
        ("I386/SP3.CAB", &sp3),
        ("AMD64/TCPIP.SY_", &x64),
        ("$OEM$/$1/again/tcpip.sys", &patched(50)),
        ("$OEM$/$1/readme.txt", b""),
        ("COPY/TCPIP.SY_", &packed),
    ])
}

fn with(built: &DiscImage) -> Files {
    Files::new().with("XP.ISO", &built.image)
}

fn read(files: &Files, name: &str) -> Vec<u8> {
    fs::read(files.path().join(name)).unwrap()
}

fn states(run: &Run) -> Vec<(String, String)> {
    let objects = run.objects();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    objects
        .iter()
        .filter(|object| object["summary"].is_null())
        .map(|object| (text(&object["member"]), text(&object["state"])))
        .collect()
}

fn all(found: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(member, state): &(&str, &str)| ((*member).to_owned(), (*state).to_owned());
    found.iter().map(own).collect()
}

#[test]
fn every_copy_on_a_disc_is_found_and_probed_like_a_file() {
    let files = with(&setup().build());
    let run = files.run(&["probe", "--json", "XP.ISO"]);
    run.ends_with(0);
    let expected = [
        ("$OEM$/$1/again/tcpip.sys", "patched"),
        ("AMD64/TCPIP.SY_/tcpip.sys", "unpatched"),
        ("COPY/TCPIP.SY_/tcpip.sys", "unpatched"),
        ("I386/SP3.CAB/TCPIP.SYS", "unpatched"),
    ];
    let mut found = states(&run);
    found.sort();
    assert_eq!(found, all(&expected), "each extent once");
    let text = files.run(&["probe", "XP.ISO"]).stdout;
    assert!(
        text.contains("XP.ISO/AMD64/TCPIP.SY_/tcpip.sys: located, unpatched"),
        "{text}"
    );
    let explained = files.run(&["explain", "XP.ISO"]);
    assert_eq!(explained.code, 0);
    assert!(explained.stdout.contains("XP.ISO/I386/SP3.CAB/TCPIP.SYS"));
}

#[test]
fn primary_tree_names_are_used_without_a_joliet_tree() {
    let disc = Disc {
        joliet: false,
        ..Disc::new(&[("i386/tcpip.sy_", &compressed())])
    };
    let run = with(&disc.build()).run(&["probe", "--json", "XP.ISO"]);
    assert_eq!(
        states(&run),
        all(&[("I386/TCPIP.SY_/tcpip.sys", "unpatched")])
    );
}

#[test]
fn a_folder_of_images_is_searched_and_images_without_a_driver_are_reported() {
    let files = Files::new()
        .with("images/a.iso", &setup().build().image)
        .with("images/b.iso", &Disc::new(&[("A.TXT", b"a")]).build().image)
        .with("images/c.txt", b"hello");
    let run = files.run(&["probe", "-r", "images"]);
    assert_eq!(run.code, 0);
    assert_eq!(run.stdout.matches(": located").count(), 4, "{}", run.stdout);
    run.prints("  disc-image                  1\n");
    let one = files.run(&["probe", "images/b.iso"]);
    assert_eq!(one.code, 1);
    assert!(one.stdout.contains("a disc image of 1 file, none named"));
}

#[test]
fn a_hotfix_is_searched_and_a_delta_hotfix_is_reported() {
    let cabinet = mszip(&[("update.exe", b"MZ"), ("sp3gdr\\tcpip.sys", &xp())]);
    let deltas = mszip(&[("_sfx_manifest_", b"x"), ("_sfx_0000._p", b"PA30")]);
    let files = Files::new()
        .with("fixes/KB951748.exe", &self_extractor(&cabinet))
        .with("fixes/deltas.exe", &self_extractor(&deltas))
        .with("fixes/plain.exe", &self_extractor(b"MSCF"));
    let run = files.run(&["probe", "fixes/KB951748.exe"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        run.stdout
            .contains("KB951748.exe/sp3gdr\\tcpip.sys: located")
    );
    let run = files.run(&["probe", "fixes/deltas.exe"]);
    assert_eq!(run.code, 1);
    run.prints("1 of its 2 members are deltas");
    assert!(run.stdout.contains("/x:FOLDER"));
    let run = files.run(&["probe", "fixes/plain.exe"]);
    run.prints("not a driver");
    let run = files.run(&["probe", "-r", "--json", "fixes"]);
    let expected = [
        ("sp3gdr\\tcpip.sys", "unpatched"),
        ("", "compressed"),
        ("", "not-a-driver"),
    ];
    assert_eq!(states(&run), all(&expected));
    // The same on a disc.
    let disc = Disc::new(&[("SVCPACK/KB951748.EXE", &self_extractor(&cabinet))]);
    let run = with(&disc.build()).run(&["probe", "--json", "XP.ISO"]);
    let member = "SVCPACK/KB951748.EXE/sp3gdr\\tcpip.sys";
    assert_eq!(states(&run), all(&[(member, "unpatched")]));
}

/// The offsets at which two images of one length differ, in bytes.
fn differences(one: &[u8], other: &[u8]) -> Vec<usize> {
    let pairs = one.iter().zip(other).enumerate();
    pairs
        .filter(|(_, (a, b))| a != b)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_changed_image_differs_only_in_driver_records_and_volume_size() {
    let built = setup().build();
    let files = with(&built);
    let dry = files.run(&["patch", "XP.ISO"]);
    dry.ends_with(0);
    dry.prints("add --output NEW.iso");
    assert!(
        dry.stdout
            .contains("XP.ISO/I386/TCPIP.SY_/tcpip.sys: would change the limit from 10 to 100")
            || dry
                .stdout
                .contains("XP.ISO/COPY/TCPIP.SY_/tcpip.sys: would change"),
        "{}",
        dry.stdout
    );
    let run = files.run(&["patch", "XP.ISO", "--output", "NEW.iso"]);
    run.ends_with(0);
    assert!(run.stdout.contains("XP.ISO/I386/SP3.CAB: not rewritten"));
    assert_eq!(read(&files, "XP.ISO"), built.image);
    let new = read(&files, "NEW.iso");
    let old = &built.image;
    assert_eq!(new.len() % SECTOR, 0);

    let drivers = [
        "I386/TCPIP.SY_",
        "COPY/TCPIP.SY_",
        "AMD64/TCPIP.SY_",
        "$OEM$/$1/again/tcpip.sys",
    ];
    let mut allowed = Vec::new();
    for driver in drivers {
        for record in &built.records[driver] {
            allowed.extend(record + 2..record + 18);
        }
    }
    for sector in &built.descriptors {
        allowed.extend(sector * SECTOR + 80..sector * SECTOR + 88);
        let size = &new[sector * SECTOR + 80..sector * SECTOR + 88];
        assert_eq!(size, both(new.len() / SECTOR));
    }
    let different = differences(old, &new[..old.len()]);
    assert!(
        different.iter().all(|at| allowed.contains(at)),
        "{different:?}"
    );
    // Both names of one file lead to the same new sectors, in both trees.
    let place = |path: &str| {
        let places = built.records[path].iter();
        let places: Vec<_> = places
            .map(|record| new[record + 2..record + 18].to_vec())
            .collect();
        assert_eq!(places.len(), 2);
        assert_eq!(places[0], places[1], "{path}");
        places[0].clone()
    };
    assert_eq!(place(drivers[0]), place(drivers[1]));
    assert_ne!(place(drivers[0]), place(drivers[2]));

    let probe = files.run(&["probe", "--json", "NEW.iso"]);
    for object in probe.objects() {
        let is_cabinet = object["member"].as_str().unwrap().contains("SP3.CAB");
        let value = if is_cabinet { 10 } else { 100 };
        assert_eq!(object["start_up"]["value"], value, "{object}");
        assert_eq!(object["checksum"]["ok"], true);
    }
}

/// A disc with an update, and a cabinet of several files that has two names.
fn with_cabinets(six: &[u8]) -> DiscImage {
    let sp3 = mszip(&[("afd.sys", b"x"), ("TCPIP.SYS", &xp()), ("tcpip6.sys", six)]);
    let update = mszip(&[("sp3gdr\\tcpip.sys", &xp())]);
    Disc::new(&[
        ("I386/TCPIP.SY_", &compressed()),
        ("I386/SP3.CAB", &sp3),
        ("AMD64/SP3.CAB", &sp3),
        ("SVCPACK/KB951748.EXE", &self_extractor(&update)),
    ])
    .build()
}

#[test]
fn cabinets_on_a_disc_are_rewritten_and_restored_to_the_byte() {
    let built = with_cabinets(&Spec::tcpip6_x86().build().file);
    let files = with(&built);
    let new = ["patch", "XP.ISO", "--cabinets", "--output", "NEW.iso"];
    let run = files.run(&new);
    run.ends_with(0);
    run.prints_all([
        "SP3.CAB/TCPIP.SYS: written, changing the limit from 10 to 100",
        "SP3.CAB/tcpip6.sys: written, changing the limit from 10 to 100",
        "a self-extractor that contains sp3gdr\\tcpip.sys",
    ]);
    assert!(!run.stdout.contains("SP3.CAB: not rewritten"));
    let values = |image: &str, limit: u64| {
        let probe = files.run(&["probe", "--json", image]);
        let mut seen = 0;
        for object in probe.objects() {
            let is_update = object["member"].as_str().unwrap().contains("KB951748");
            let value = if is_update { 10 } else { limit };
            assert_eq!(object["start_up"]["value"], value, "{object}");
            seen += 1;
        }
        assert!(seen >= 4, "{seen}");
    };
    values("NEW.iso", 100);
    // Both names lead to the new cabinet.
    let image = read(&files, "NEW.iso");
    let places: Vec<&[u8]> = ["I386/SP3.CAB", "AMD64/SP3.CAB"]
        .iter()
        .flat_map(|path| &built.records[*path])
        .map(|record| &image[record + 2..record + 18])
        .collect();
    assert!(places.len() >= 4 && places.iter().all(|place| *place == places[0]));
    if let Some(members) = expanded(&cabinet_at(&image, places[0])) {
        assert_eq!(members["afd.sys"], b"x");
        assert_eq!(members["TCPIP.SYS"], patched(100));
    }
    let back = ["restore", "NEW.iso", "--cabinets", "--output", "back.iso"];
    let run = files.run(&back);
    run.ends_with(0);
    assert!(
        run.stdout
            .contains("SP3.CAB/tcpip6.sys: written, changing the limit from 100 to 10"),
        "{}",
        run.stdout
    );
    assert_eq!(read(&files, "back.iso"), built.image);
    // A rewritten cabinet is among the copies, without the option too.
    let run = files.run(&["patch", "NEW.iso", "--limit", "60", "--output", "60.iso"]);
    run.ends_with(0);
    run.prints("SP3.CAB/TCPIP.SYS: written, changing the limit from 100 to 60");
    values("60.iso", 60);
    let run = files.run(&["restore", "NEW.iso", "--output", "again.iso"]);
    run.ends_with(0);
    assert_eq!(read(&files, "again.iso"), built.image);
}

#[test]
fn a_refused_driver_in_a_cabinet_on_a_disc_refuses_the_image() {
    let mut six = Spec::tcpip6_x86().build().file;
    let last = six.len() - 1;
    six[last] ^= 1;
    let files = with(&with_cabinets(&six));
    let run = files.run(&["patch", "XP.ISO", "--cabinets", "--output", "NEW.iso"]);
    run.ends_with(3);
    assert!(
        run.stdout.contains("SP3.CAB/tcpip6.sys: refused") && run.stdout.contains("XP.ISO/"),
        "{}",
        run.stdout
    );
    assert!(!files.path().join("NEW.iso").exists());
}

/// A cabinet of two members, stored in blocks of an unusual size, each with reserved
/// bytes: repacking it would need blocks without old reserved bytes.
fn with_odd_blocks(driver: &[u8]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let half = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let mut members = Vec::new();
    let mut stream = Vec::new();
    for (name, content) in [("afd.sys", &b"x"[..]), ("tcpip.sys", driver)] {
        members.extend(number(content.len()));
        members.extend(number(stream.len()));
        members.extend([0; 8]);
        members.extend(name.bytes().chain([0]));
        stream.extend(content);
    }
    let blocks = stream.chunks(1000).flat_map(|block| {
        let sizes = [half(block.len()), half(block.len())].concat();
        [&[0; 4], &*sizes, &[7; 8], block].concat()
    });
    let blocks: Vec<u8> = blocks.collect();
    let start = 40 + 8 + members.len();
    let mut cabinet = b"MSCF\0\0\0\0".to_vec();
    cabinet.extend(number(start + blocks.len()));
    cabinet.extend([0, 0, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 3, 1]);
    // One folder, two members; reserved fields: none, none, 8 bytes per block.
    cabinet.extend([1, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 8]);
    cabinet.extend(number(start));
    cabinet.extend(half(stream.len().div_ceil(1000)));
    cabinet.extend([0, 0]);
    [cabinet, members, blocks].concat()
}

#[test]
fn a_cabinet_on_a_disc_that_cannot_be_packed_refuses_the_image() {
    let odd = with_odd_blocks(&xp());
    let disc = Disc::new(&[("I386/TCPIP.SY_", &compressed()), ("I386/SP3.CAB", &odd)]);
    let files = with(&disc.build());
    for target in [&["--output", "NEW.iso"][..], &["--dry-run"]] {
        let run = files.run(&[&["patch", "--json", "--cabinets", "XP.ISO"], target].concat());
        run.ends_with(1);
        let objects = run.objects();
        let printed = objects.iter().map(|object| {
            let member = object["member"].as_str().unwrap();
            (member, object["state"].as_str().unwrap())
        });
        let mut printed: Vec<_> = printed.collect();
        printed.sort_unstable();
        assert_eq!(
            printed,
            [
                ("I386/SP3.CAB", "refused"),
                ("I386/TCPIP.SY_/tcpip.sys", "not-done")
            ]
        );
        let refused = objects.iter().find(|object| object["state"] == "refused");
        assert_eq!(refused.unwrap()["refusal"], "odd-cabinet");
        assert!(!files.path().join("NEW.iso").exists());
    }
}

/// The content of a file whose record has this location and length in both byte orders.
fn cabinet_at(image: &[u8], place: &[u8]) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes(place[at..at + 4].try_into().unwrap()) as usize;
    image[number(0) * SECTOR..][..number(8)].to_vec()
}

#[test]
fn a_temporary_file_of_another_run_stays() {
    let files = with(&setup().build()).with("NEW.iso.1.tcplimit-new", b"another's");
    let run = files.run(&["patch", "XP.ISO", "--output", "NEW.iso"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(read(&files, "NEW.iso.1.tcplimit-new"), b"another's");
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), 3);
}

#[test]
fn a_new_image_keeps_the_old_time_unless_touched() {
    let files = with(&setup().build());
    let path = |name: &str| files.path().join(name);
    let modified = |name| fs::metadata(path(name)).unwrap().modified().unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_208_000_000);
    let image = File::options().write(true).open(path("XP.ISO"));
    image.unwrap().set_modified(old).unwrap();
    let keeps = files.run(&["patch", "XP.ISO", "--output", "old.iso"]);
    keeps.prints("or use --touch");
    assert_eq!((keeps.code, modified("old.iso")), (0, old));
    let touched = files.run(&["patch", "XP.ISO", "--touch", "--output", "new.iso"]);
    assert_eq!(touched.code, 0);
    touched.does_not_print("--touch");
    assert!(modified("new.iso") > old);
    assert_eq!(read(&files, "new.iso"), read(&files, "old.iso"));
}

#[test]
fn restore_gives_the_original_and_patching_twice_equals_patching_once() {
    let mut built = setup().build();
    // Not a whole number of sectors: data after the volume stays as well.
    built.image.extend([7; 100]);
    let files = with(&built);
    let run = |arguments: &[&str]| {
        let run = files.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.stdout, run.stderr);
        run
    };
    run(&["patch", "XP.ISO", "--output", "100.iso"]);
    run(&["patch", "XP.ISO", "--limit", "60", "--output", "60.iso"]);
    run(&["patch", "100.iso", "--limit", "60", "--output", "again.iso"]);
    assert_eq!(read(&files, "again.iso"), read(&files, "60.iso"));
    let same = run(&["patch", "100.iso", "--output", "same.iso"]);
    same.prints("nothing to do");
    assert!(!files.path().join("same.iso").exists());
    let shown = run(&["restore", "100.iso"]);
    assert!(
        shown
            .stdout
            .contains("would change the limit from 100 to 10")
    );
    assert!(
        shown
            .stdout
            .contains("would change the limit from 100 to 50")
    );
    let back = run(&["restore", "--json", "100.iso", "--output", "back.iso"]);
    assert!(
        back.objects()
            .iter()
            .any(|object| object["from"] == "last sector")
    );
    assert_eq!(read(&files, "back.iso"), built.image);
    // Without a record, 10 is used.
    run(&[
        "restore",
        "--without-backup",
        "100.iso",
        "--output",
        "10.iso",
    ]);
    let ten = files.run(&["probe", "--json", "10.iso"]);
    assert!(
        ten.objects()
            .iter()
            .all(|object| object["state"] == "unpatched")
    );
}

#[test]
fn an_image_is_never_changed_in_place_or_overwritten() {
    let built = setup().build();
    let files = with(&built).with("there.iso", b"mine");
    for (arguments, because) in [
        (
            ["patch", "--in-place", "XP.ISO"].as_slice(),
            "--output NEW.iso",
        ),
        (&["restore", "--in-place", "XP.ISO"], "--output NEW.iso"),
        (
            &["patch", "XP.ISO", "--output", "there.iso"],
            "never overwritten",
        ),
        (
            &["patch", "XP.ISO", "--output", "XP.ISO"],
            "never overwritten",
        ),
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 1, "{arguments:?}: {}", run.stdout);
        run.prints(because);
    }
    let objects = files
        .run(&["patch", "--in-place", "--json", "XP.ISO"])
        .objects();
    assert_eq!(objects[0]["refusal"], "disc-in-place");
    assert_eq!(read(&files, "there.iso"), b"mine");
    assert_eq!(read(&files, "XP.ISO"), built.image);
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), 2);
}

#[test]
fn one_doubtful_copy_refuses_the_image() {
    let mut wrong = xp();
    let nt = usize::try_from(u32::from_le_bytes(wrong[60..64].try_into().unwrap())).unwrap();
    wrong[nt + 24 + 64] ^= 1;
    let disc = Disc::new(&[("A/TCPIP.SYS", &xp()), ("B/TCPIP.SYS", &wrong)]);
    let files = with(&disc.build());
    let run = files.run(&["patch", "XP.ISO", "--output", "NEW.iso"]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    run.prints("XP.ISO/B/TCPIP.SYS: refused");
    run.prints("XP.ISO/A/TCPIP.SYS: not done");
    assert!(run.stderr.contains("all copies change together"));
    assert!(!files.path().join("NEW.iso").exists());
}

/// A sound image with one change.
fn refused(change: impl FnOnce(&mut DiscImage), because: &str) {
    let mut built = setup().build();
    change(&mut built);
    let files = with(&built);
    for arguments in [
        ["patch", "XP.ISO", "--dry-run"].as_slice(),
        &["patch", "XP.ISO", "--output", "NEW.iso"],
    ] {
        let run = files.run(arguments);
        assert!(matches!(run.code, 1 | 3), "{because}: {}", run.stdout);
        assert!(
            run.stdout.contains("refused, left unchanged"),
            "{because}: {}",
            run.stdout
        );
        assert!(run.stdout.contains(because), "{because}: {}", run.stdout);
    }
    assert!(!files.path().join("NEW.iso").exists(), "{because}");
    assert_eq!(read(&files, "XP.ISO"), built.image);
}

/// Points the records of a path to other sectors.
fn point(built: &mut DiscImage, path: &str, sector: usize, length: usize) {
    for record in built.records[path].clone() {
        built.image[record + 2..record + 10].copy_from_slice(&both(sector));
        built.image[record + 10..record + 18].copy_from_slice(&both(length));
    }
}

#[test]
fn every_refusal_of_an_image_gives_a_reason() {
    let sector =
        |built: &DiscImage, number: usize| built.image[number * SECTOR..][..SECTOR].to_vec();
    refused(
        |built| {
            *built = Disc {
                udf: true,
                ..setup()
            }
            .build();
        },
        "UDF tree",
    );
    // Another session after the first, and one before it.
    refused(
        |built| {
            let descriptor = sector(built, 16);
            built.image.extend(vec![0; 20 * SECTOR]);
            built.image.extend(descriptor);
        },
        "several sessions",
    );
    refused(
        |built| {
            let (descriptor, end) = (sector(built, 16), built.image.len() - 3 * SECTOR);
            built.image[end..end + SECTOR].copy_from_slice(&descriptor);
        },
        "several sessions",
    );
    refused(
        |built| built.image.truncate(built.image.len() - SECTOR),
        "it is truncated",
    );
}

#[test]
fn an_inconsistent_table_is_refused() {
    // A directory that contains itself.
    refused(
        |built| {
            let root = usize::try_from(u32::from_le_bytes(
                built.image[16 * SECTOR + 158..16 * SECTOR + 162]
                    .try_into()
                    .unwrap(),
            ));
            let record = built.records["I386"][0];
            built.image[record + 2..record + 10].copy_from_slice(&both(root.unwrap()));
        },
        "occurs twice",
    );
    refused(
        |built| point(built, "WIN51", 1 << 20, 7),
        "outside the image",
    );
    refused(
        |built| point(built, "I386", 1 << 20, SECTOR),
        "outside the image",
    );
    // A file over a directory, over descriptors, and over half of another.
    refused(
        |built| {
            let directory = built.records["I386/TCPIP.SY_"][0] / SECTOR;
            point(built, "WIN51", directory, 7);
        },
        "WIN51 share sectors",
    );
    refused(
        |built| point(built, "WIN51", 16, 7),
        "the volume descriptors and WIN51 share sectors",
    );
    refused(
        |built| point(built, "WIN51", built.sectors["I386/TCPIP.SY_"] + 1, 7),
        "COPY/TCPIP.SY_ and WIN51 share sectors",
    );
    refused(
        |built| {
            let root = built.image[16 * SECTOR + 158..16 * SECTOR + 162].try_into();
            let root = usize::try_from(u32::from_le_bytes(root.unwrap()));
            point(built, "WIN51", root.unwrap(), 7);
        },
        "the root directory and WIN51 share sectors",
    );
    refused(
        |built| point(built, "WIN51", built.sectors["I386/TCPIP.SY_"], 7),
        "share sectors",
    );
    // The two byte orders state different locations.
    refused(
        |built| built.image[built.records["WIN51"][1] + 9] ^= 1,
        "two byte orders",
    );
    refused(
        |built| built.image[built.records["WIN51"][0]] = 20,
        "is inconsistent",
    );
    refused(
        |built| built.image[built.records["I386/TCPIP.SY_"][0] + 25] = 0x80,
        "in several parts",
    );
    refused(
        |built| built.image[16 * SECTOR + 80..16 * SECTOR + 88].copy_from_slice(&both(40)),
        "different sizes",
    );
}

#[test]
fn endless_directories_are_refused() {
    let path = "a/".repeat(40) + "TCPIP.SYS";
    let disc = Disc::new(&[(&path, &xp())]);
    let run = with(&disc.build()).run(&["patch", "XP.ISO"]);
    run.prints("nested too deep");
    assert_eq!(run.code, 3);
}

#[test]
fn a_partition_table_is_refused() {
    refused(
        |built| {
            built.image[510..512].copy_from_slice(&[0x55, 0xAA]);
            built.image[450] = 0x17;
        },
        "partition table",
    );
}

#[test]
fn an_image_changed_since_patching_is_not_restored() {
    let files = with(&setup().build());
    assert_eq!(
        files.run(&["patch", "XP.ISO", "--output", "NEW.iso"]).code,
        0
    );
    let mut new = read(&files, "NEW.iso");
    new[0] ^= 1;
    fs::write(files.path().join("OTHER.iso"), new).unwrap();
    for arguments in [
        ["restore", "OTHER.iso"].as_slice(),
        &["restore", "OTHER.iso", "--output", "back.iso"],
    ] {
        let run = files.run(arguments);
        assert_eq!(run.code, 1, "{}", run.stdout);
        run.prints("can't be reconstructed");
    }
    assert!(!Path::new(&files.path().join("back.iso")).exists());
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), 3);
}
