//! Runs beside files given by path, and errors for unusable files.

use std::fs;
use std::path::{Path, PathBuf};

use emulator::campaign::Campaign;
use emulator::command::{CommandError, run_file};
use emulator::mutants::Mutant;
use emulator::shipped::{files, folder};
use specimen::{Arch, Defect, Spec};

/// Writes a file in a folder of the test's own.
fn file(test: &str, name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

fn run(path: &Path) -> Result<String, CommandError> {
    run_file(&files(&folder()).expect("the drivers are built"), path)
}

/// The reason why a file could not be run.
fn input_error(path: &Path) -> String {
    match run(path) {
        Err(CommandError::Input(why)) => why,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn every_committed_specimen_is_located_where_it_was_put_and_changed() {
    for (kind, spec) in Spec::presets() {
        let specimen = spec.build();
        let path = file("specimens", &format!("{kind}.sys"), &specimen.file);
        let result = run(&path).expect("it can be run");
        let located = format!("located at RVA {:X};", specimen.truth.threshold);
        assert!(result.contains(&located), "{result}");
        assert!(!result.contains(" 0 limits changed"), "{result}");
    }
}

#[test]
fn a_module_without_its_evidence_is_refused_with_what_is_missing_and_not_written() {
    let spec = Spec {
        defect: Some(Defect::NoEventId),
        ..Spec::xp_sp3()
    };
    let path = file("refused", "tcpip.sys", &spec.build().file);
    let result = run(&path).expect("it can be run");
    assert!(
        result.contains("refused as tcpip.sys: evidence is missing: EventId"),
        "{result}"
    );
    assert!(result.contains(" 0 limits changed"), "{result}");
}

#[test]
fn a_file_that_is_no_module_is_refused_with_the_reason() {
    let whole = Spec::xp_x64().build().file;
    for (name, bytes, why) in [
        ("text.txt", &b"hello, this is text"[..], "not a PE file"),
        ("empty.sys", b"", "not a PE file"),
        ("head.sys", &whole[..200], "truncated"),
        ("cut.sys", &whole[..20_000], "truncated inside a section"),
    ] {
        let result = input_error(&file("unfit", name, bytes));
        assert!(result.contains(why), "{name}: {result}");
    }
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("missing.sys");
    assert!(!input_error(&missing).is_empty());
}

/// The emulator has its own reader of files, which must not panic.
#[test]
fn no_byte_of_headers_and_relocations_makes_the_emulator_panic() {
    for spec in [Spec::xp_sp3(), Spec::xp_x64()] {
        let specimen = spec.with_text_kib(1).build();
        let load = |bytes: &[u8]| {
            if let Ok(arch) = emulator::happy_path::file_arch(bytes) {
                let _ = emulator::happy_path::load_scenario("tcpip.sys", bytes, arch);
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
            // nop in place of lock cmpxchg: no write.
            let mutant = Mutant::new(&file).with_exchange(|_| Vec::new());
            assert_eq!(mutant.changed, 1);
            (arch, mutant.file().to_vec())
        })
        .collect();
    let campaign = Campaign {
        drivers: &drivers,
        seed: 1,
        runs: 40,
        print_line: |_| {},
    };
    let totals = campaign.run().expect("it can be loaded");
    let failure = totals.failures.first().expect("a failure");
    let repeat = format!("--seed {} --runs 1", failure.seed);
    assert!(failure.to_string().contains(&repeat), "{failure}");

    let without_reference = Campaign {
        seed: failure.seed,
        runs: 1,
        ..campaign
    };
    let totals = without_reference.run().expect("it can be loaded");
    let same = totals.failures.iter().find(|it| it.arch == failure.arch);
    assert_eq!(same.map(ToString::to_string), Some(failure.to_string()));
}
