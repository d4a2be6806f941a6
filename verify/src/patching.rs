//! Properties of `tcplimit patch`, each one function that panics if the
//! property is violated. Tests call them with proptest's cases, the fuzz target
//! with libFuzzer's.

use std::path::Path;

use tcplimit::patch::container::Container;
use tcplimit::patch::job::{FileResult, Job, Outcome, Target, Task};
use tcplimit::patch::replace::Failure;
use tcplimit::patch::{Plan, Refusal, apply, plan};

use crate::faulty_disk::FaultyDisk;
use crate::property;
use specimen::checksum::{checksum, checksum_field, update};
use specimen::{Checksum, Extras, Spec, Specimen};

/// The plan for a specimen under its own name.
pub fn plan_patch(specimen: &Specimen, limit: u32) -> Result<Plan, Refusal> {
    plan(
        specimen.spec.module.file_name(),
        &specimen.file,
        None,
        limit,
    )
}

/// Whether the specimen of a spec must be patched.
fn is_sound(spec: &Spec) -> bool {
    let value = (1..=0xFF_FFFF).contains(&spec.start_up);
    value
        && spec.extras.checksum == Checksum::Correct
        && spec.extras.relocations
        && is_module_confirmed(spec)
}

/// Whether anything besides the file's name confirms the module: the event
/// constant, another name, or as few atomic updates as in `tcpip6.sys`.
fn is_module_confirmed(spec: &Spec) -> bool {
    let Extras {
        export, version, ..
    } = spec.extras;
    spec.module == specimen::Module::Tcpip || export || version || spec.atomics < 14
}

/// **A sound specimen is patched, and only value and checksum change**: the
/// limit is found where it was built, the checksum is correct, and patching
/// back gives the old file. **Any other is refused.**
pub fn patched_as_built(spec: &Spec, limit: u32) {
    let specimen = spec.build();
    let (name, file) = (specimen.spec.module.file_name(), &specimen.file);
    let planned = plan_patch(&specimen, limit);
    if !is_sound(&specimen.spec) || !(1..=0xFF_FFFF).contains(&limit) {
        assert!(planned.is_err(), "{planned:?}");
        return;
    }
    let planned = planned.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(planned.threshold.0, specimen.truth.threshold);
    assert_eq!(Some(planned.store.0), specimen.truth.start_up_store);
    assert_eq!((planned.before, planned.after), (spec.start_up, limit));
    let patched = apply(name, &planned, file).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_only_value_and_checksum_differ(file, &patched, Some(specimen.value_offset()), limit);
    let module = property::module(specimen.spec.module);
    assert_eq!(
        property::file_verdict(&patched, module),
        property::truth(&specimen)
    );

    let back = plan(name, &patched, None, spec.start_up).expect("the way back");
    assert_eq!(back.changes.len(), planned.changes.len());
    assert_eq!(apply(name, &back, &patched).as_ref(), Ok(file));
}

/// Checks that two images differ only in the value and in the checksum.
pub fn assert_only_value_and_checksum_differ(
    before: &[u8],
    after: &[u8],
    value: Option<usize>,
    limit: u32,
) {
    assert_eq!(before.len(), after.len());
    let field = checksum_field(before).expect("a header");
    assert_eq!(checksum_field(after), Some(field));
    let pairs = before.iter().zip(after).enumerate();
    let differ = pairs.filter(|(_, (before, after))| before != after);
    let outside: Vec<usize> = differ
        .map(|(at, _)| at)
        .filter(|at| !(field..field + 4).contains(at))
        .collect();
    // Four bytes, at the value's offset if that is known.
    if let (Some(&first), Some(&last)) = (outside.first(), outside.last()) {
        let at = value.unwrap_or(first.saturating_sub(3));
        let place = at..value.map_or(first + 4, |at| at + 4);
        assert!(
            place.contains(&first) && place.contains(&last),
            "{outside:X?}"
        );
        assert!(last - first < 4, "{outside:X?}");
    }
    if let Some(at) = value {
        assert_eq!(after[at..at + 4], limit.to_le_bytes());
    }
    let stated = u32::from_le_bytes(after[field..field + 4].try_into().expect("four bytes"));
    assert_eq!(stated, checksum(after, field));
}

/// **Damage never moves the patch**: a specimen with flipped bits (offset and
/// mask) under a correct checksum is patched in the true start-up store, or
/// refused.
pub fn patched_there_or_refused(specimen: &Specimen, flips: &[(usize, u8)], limit: u32) {
    let mut file = specimen.file.clone();
    for &(place, bits) in flips {
        let place = place % file.len();
        file[place] ^= bits;
    }
    let name = specimen.spec.module.file_name();
    update(&mut file);
    let Ok(planned) = plan(name, &file, None, limit) else {
        return;
    };
    assert_eq!(planned.threshold.0, specimen.truth.threshold, "{flips:X?}");
    let patched = apply(name, &planned, &file).expect("what is planned is done");
    assert_only_value_and_checksum_differ(&file, &patched, Some(specimen.value_offset()), limit);
}

/// A job on one file in place, with default options.
pub fn job(task: Task) -> Job {
    Job {
        task,
        target: Target::InPlace,
        module: None,
        touch: false,
        running: Vec::new(),
        cabinets: false,
    }
}

/// Runs a job on one file.
fn run_job(disk: &FaultyDisk, name: &str, task: Task) -> FileResult {
    job(task).run(disk, Path::new(name))
}

/// **Any content is patched or left unchanged**, as a file and as a cabinet,
/// unchanged and with a correct checksum: at most value and checksum change,
/// and restore gives the old file.
pub fn any_content(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    update(&mut mended);
    for content in [bytes, &mended] {
        for name in ["/disc/TCPIP.SY_", "/disc/tcpip6.sys"] {
            let limit = u32::try_from(content.len()).unwrap_or(u32::MAX);
            patched_or_left(name, content, limit.clamp(1, 0xFF_FFFF));
        }
    }
}

fn patched_or_left(name: &str, content: &[u8], limit: u32) {
    let disk = FaultyDisk::with(&[(name, content)]);
    let patch = run_job(&disk, name, Task::Patch { limit });
    let now = disk.content(name).expect("the file is there");
    match patch.outcome {
        Outcome::Changed => {
            let (form, before) = Container::open(content).expect("it was opened");
            let (again, after) = Container::open(&now).expect("it was packed");
            assert_eq!(form, again);
            assert_only_value_and_checksum_differ(&before, &after, None, limit);
            let restore = run_job(&disk, name, Task::Restore { use_backup: true });
            assert!(matches!(restore.outcome, Outcome::Changed), "{restore:?}");
            assert_eq!(disk.content(name).as_deref(), Some(content));
        }
        Outcome::Unchanged | Outcome::Failed(Failure::Refused(_)) => {
            assert!(now == content, "{:?}", patch.outcome);
            assert_eq!(disk.paths(), [name]);
        }
        // This disk has no faults.
        ref other => panic!("{other:?}"),
    }
}
