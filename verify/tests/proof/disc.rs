//! Disc images: any tables, and any fault while a changed image is written.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use scanner_core::StartUpStore;
use specimen::Spec;
use specimen::cabinet::{Cabinet, Folder, Method};
use specimen::disc::{Disc, SECTOR};
use tcplimit::patch::filesystem::FileSystem;
use tcplimit::patch::job::{Job, Outcome, Target, Task};
use tcplimit::patch::patch_disc;
use tcplimit::probe::{self, Options};
use verify::faulty_disk::{Fault, FaultyDisk};
use verify::probing::any_disc_tables;

const OLD: &str = "/images/XP.ISO";
const NEW: &str = "/images/NEW.ISO";

fn image() -> Vec<u8> {
    let driver = Spec::xp_sp3().with_text_kib(4).build().file;
    Disc::new(&[("I386/TCPIP.SYS", &driver), ("A.TXT", b"a")])
        .build()
        .image
}

/// The same image with another driver in a cabinet of two files.
fn image_with_cabinet() -> Vec<u8> {
    let driver = Spec::xp_sp3().with_text_kib(4).build().file;
    let members: [(&str, &[u8]); 2] = [("a.txt", b"a"), ("TCPIP.SYS", &driver)];
    let cabinet = Cabinet::new(vec![Folder::new(Method::MsZip, &members)]).build();
    Disc::new(&[("I386/TCPIP.SYS", &driver), ("I386/SP3.CAB", &cabinet)])
        .build()
        .image
}

fn job(task: Task, output: &str) -> Job {
    Job {
        task,
        target: Target::Output(PathBuf::from(output)),
        module: None,
        touch: false,
        running: Vec::new(),
        cabinets: true,
    }
}

fn run(disk: &FaultyDisk, task: Task, from: &str, to: &str) -> Vec<Outcome> {
    let done = patch_disc(&job(task, to), disk, Path::new(from), &|_, _| true);
    done.copies.into_iter().map(|done| done.outcome).collect()
}

const PATCH: Task = Task::Patch { limit: 100 };
const RESTORE: Task = Task::Restore { use_backup: true };

#[test]
fn after_any_fault_the_old_image_stays_and_the_new_one_is_complete_or_absent() {
    let old = image();
    let disk = FaultyDisk::with(&[(OLD, &old)]);
    let sound = disk.after();
    assert!(matches!(
        run(&sound, PATCH, OLD, NEW)[..],
        [Outcome::Changed]
    ));
    let new = sound.content(NEW).unwrap();
    assert!(sound.steps() > 5, "{} steps", sound.steps());
    for fault in (0..sound.steps()).flat_map(Fault::at) {
        let faulty = disk.faulty(fault);
        let verdicts = run(&faulty, PATCH, OLD, NEW);
        let after = faulty.after();
        assert_eq!(after.content(OLD).as_ref(), Some(&old), "{fault:?}");
        let there = after.content(NEW);
        assert!(there.is_none() || there.as_ref() == Some(&new), "{fault:?}");
        if !fault.ends() {
            match verdicts[..] {
                [Outcome::Changed] => assert!(there.is_some(), "{fault:?}"),
                [Outcome::Failed(_)] => assert!(there.is_none(), "{fault:?}"),
                _ => panic!("{fault:?}: {verdicts:?}"),
            }
            let left = after
                .paths()
                .into_iter()
                .filter(|path| path != OLD && path != NEW);
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{fault:?}");
        }
    }
}

#[test]
fn after_ctrl_c_no_output_file_remains() {
    let disk = FaultyDisk::with(&[(OLD, &image())]);
    let asked = std::cell::Cell::new(0);
    for stop in 0.. {
        asked.set(0);
        let watch = |_: u64, _: u64| {
            asked.set(asked.get() + 1);
            asked.get() <= stop
        };
        let done = patch_disc(&job(PATCH, NEW), &disk, Path::new(OLD), &watch);
        if asked.get() <= stop {
            assert!(matches!(done.copies[0].outcome, Outcome::Changed));
            assert!(stop > 3, "{stop}");
            break;
        }
        assert_eq!(disk.paths(), [OLD], "{stop}");
    }
}

/// The values that start-up code stores in the drivers of an image.
fn values(image: &[u8]) -> Vec<u32> {
    let reports = probe::bytes("XP.ISO", image, &Options::default());
    let stores = reports.iter().filter_map(|report| match report.start_up {
        Some(StartUpStore::Unique { value, .. }) => Some(value),
        _ => None,
    });
    stores.collect()
}

#[test]
fn each_lost_or_damaged_sector_gives_the_right_result_or_a_refusal() {
    for sound in [image(), image_with_cabinet()] {
        lose_and_damage_each_sector(&sound);
    }
}

fn lose_and_damage_each_sector(sound: &[u8]) {
    let mut written = 0;
    for sector in 0..sound.len() / SECTOR {
        for damage in 0..3 {
            let mut image = sound.to_vec();
            let bytes = &mut image[sector * SECTOR..][..SECTOR];
            match damage {
                0 => bytes.fill(0),
                1 => bytes.fill(0xFF),
                _ => bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0xFF),
            }
            if image == sound {
                continue;
            }
            let disk = FaultyDisk::with(&[(OLD, &image)]);
            let verdicts = run(&disk, PATCH, OLD, NEW);
            let Some(new) = disk.content(NEW) else {
                let is_changed = |outcome| matches!(outcome, &Outcome::Changed);
                assert!(!verdicts.iter().any(is_changed), "{sector}: {verdicts:?}");
                continue;
            };
            written += 1;
            let values = values(&new);
            assert!(values.contains(&100), "{sector}: {values:?}");
            assert!(
                values.iter().all(|&value| value == 100),
                "{sector}: {values:?}"
            );
            run(&disk, RESTORE, NEW, "/images/BACK.ISO");
            assert!(disk.content("/images/BACK.ISO") == Some(image), "{sector}");
        }
    }
    assert!(written > 20, "{written}");
}

#[test]
fn an_image_cut_anywhere_is_refused() {
    let sound = image();
    for length in (0..sound.len()).step_by(SECTOR / 2) {
        let disk = FaultyDisk::with(&[(OLD, &sound[..length])]);
        let verdicts = run(&disk, PATCH, OLD, NEW);
        assert!(
            matches!(verdicts[..], [Outcome::Failed(_)]),
            "{length}: {verdicts:?}"
        );
        assert_eq!(disk.content(NEW), None, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_tables_are_reported_and_never_yield_another_limit(
        edits in prop::collection::vec(any::<[u8; 6]>(), 0..4),
    ) {
        any_disc_tables(&edits.concat());
    }

    /// Any files in any order, and any bytes behind the volume.
    #[test]
    fn patch_then_restore_is_the_identity(
        names in prop::collection::btree_set("[A-Z]{1,8}(/[A-Z]{1,8}){0,3}", 0..12),
        joliet: bool,
        shared: bool,
        behind in 0_usize..5000,
        limit in 11_u32..0x0100_0000,
    ) {
        let driver = Spec::xp_sp3().with_text_kib(4).build().file;
        let x64 = Spec::xp_x64().with_text_kib(4).build().file;
        let mut files: Vec<(String, Vec<u8>)> = names
            .iter()
            .map(|name| (format!("{name}.TXT"), name.repeat(300).into_bytes()))
            .collect();
        files.push(("I386/TCPIP.SYS".to_owned(), driver.clone()));
        files.push(("AMD64/TCPIP.SYS".to_owned(), if shared { driver } else { x64 }));
        let disc = Disc { files, joliet, udf: false };
        let mut image = disc.build().image;
        image.resize(image.len() + behind, 7);
        let disk = FaultyDisk::with(&[(OLD, &image)]);
        for outcome in run(&disk, Task::Patch { limit }, OLD, NEW) {
            prop_assert!(matches!(outcome, Outcome::Changed), "{outcome:?}");
        }
        for outcome in run(&disk, RESTORE, NEW, "/images/BACK.ISO") {
            prop_assert!(matches!(outcome, Outcome::Changed), "{outcome:?}");
        }
        prop_assert_eq!(disk.read(Path::new("/images/BACK.ISO")).unwrap(), image);
        prop_assert!(!disk.read(Path::new(NEW)).unwrap().is_empty());
    }
}
