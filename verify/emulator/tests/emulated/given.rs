//! Files that are given by their path: what the driver makes of them, and what
//! is said of those that are none.

use std::fs;
use std::path::{Path, PathBuf};

use emulator::broken::Broken;
use emulator::campaign::Campaign;
use emulator::command::{Wrong, given};
use emulator::shipped::{files, folder};
use specimen::{Arch, Defect, Spec};

/// A file of that name, in a folder of the test's own.
fn file(test: &str, name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn said(path: &Path) -> Result<String, Wrong> {
    given(&files(&folder()).expect("the drivers are built"), path)
}

/// Why it could not be run.
fn unfit(path: &Path) -> String {
    match said(path) {
        Err(Wrong::Input(why)) => why,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn every_committed_specimen_is_located_where_it_was_put_and_changed() {
    for (kind, spec) in Spec::presets() {
        let specimen = spec.build();
        let path = file("specimens", &format!("{kind}.sys"), &specimen.file);
        let said = said(&path).expect("it can be run");
        let located = format!("located at RVA {:X};", specimen.truth.threshold);
        assert!(said.contains(&located), "{said}");
        assert!(!said.contains(" 0 limits changed"), "{said}");
    }
}

#[test]
fn a_module_without_its_evidence_is_refused_with_what_is_missing_and_not_written() {
    let spec = Spec {
        defect: Some(Defect::NoEventId),
        ..Spec::xp_sp3()
    };
    let path = file("refused", "tcpip.sys", &spec.build().file);
    let said = said(&path).expect("it can be run");
    assert!(
        said.contains("refused as tcpip.sys: evidence is missing: EventId"),
        "{said}"
    );
    assert!(said.contains(" 0 limits changed"), "{said}");
}

#[test]
fn what_is_no_module_is_not_run_and_why_is_said() {
    let whole = Spec::xp_x64().build().file;
    for (name, bytes, why) in [
        (
            "text.txt",
            &b"hello, this is text"[..],
            "no program for Windows",
        ),
        ("empty.sys", b"", "no program for Windows"),
        ("head.sys", &whole[..200], "cut"),
        ("cut.sys", &whole[..20_000], "cut short"),
    ] {
        let said = unfit(&file("unfit", name, bytes));
        assert!(said.contains(why), "{name}: {said}");
    }
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("missing.sys");
    assert!(!unfit(&missing).is_empty());
}

/// The reader of files is the emulator's own; it must not be what fails.
#[test]
fn no_byte_of_headers_and_relocations_makes_the_emulator_panic() {
    for spec in [Spec::xp_sp3(), Spec::xp_x64()] {
        let specimen = spec.with_text_kib(1).build();
        let load = |bytes: &[u8]| {
            if let Ok(arch) = emulator::plain::arch_of(bytes) {
                let _ = emulator::plain::of_file("tcpip.sys", bytes, arch);
            }
        };
        let mut bytes = specimen.file.clone();
        for at in specimen.truth.headers.clone() {
            for value in [0, 0x7F, 0x80, 0xFF, bytes[at] ^ 1] {
                let before = std::mem::replace(&mut bytes[at], value);
                load(&bytes);
                bytes[at] = before;
            }
        }
        let relocations = specimen.sections.last().expect("sections");
        for at in (relocations.offset..).step_by(4).take(4) {
            let at = usize::try_from(at).expect("a small file");
            let mut bytes = bytes.clone();
            bytes[at..at + 4].fill(0xFF);
            load(&bytes);
        }
    }
}

#[test]
fn a_failure_of_a_campaign_names_the_run_that_fails_again_alone() {
    let drivers: Vec<(Arch, Vec<u8>)> = files(&folder())
        .expect("the drivers are built")
        .into_iter()
        .map(|(arch, file)| {
            // nop in place of lock cmpxchg: it writes nothing.
            let broken = Broken::of(&file).exchange(|_| Vec::new());
            assert_eq!(broken.changed, 1);
            (arch, broken.file().to_vec())
        })
        .collect();
    let campaign = Campaign {
        drivers: &drivers,
        seed: 1,
        runs: 40,
        tell: |_| {},
    };
    let tally = campaign.run().expect("it can be loaded");
    let failure = tally.failures.first().expect("a failure");
    let again = format!("--seed {} --runs 1", failure.seed);
    assert!(failure.to_string().contains(&again), "{failure}");

    let alone = Campaign {
        seed: failure.seed,
        runs: 1,
        ..campaign
    };
    let tally = alone.run().expect("it can be loaded");
    let same = tally.failures.iter().find(|it| it.arch == failure.arch);
    assert_eq!(same.map(ToString::to_string), Some(failure.to_string()));
}
