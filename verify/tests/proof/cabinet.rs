//! Cabinets of several files: any contents, and any fault while one is
//! rewritten.

use std::path::Path;

use proptest::prelude::*;
use specimen::cabinet::Method;
use tcplimit::patch::job::{Outcome, Task};
use tcplimit::patch::replace::Keep;
use verify::faulty_disk::{Fault, FaultyDisk};
use verify::rewriting::{
    FILE, METHODS, PATCH, RESTORE, assert_only_drivers_differ, cabinet, members, right_or_refused,
    run, sound,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn patch_changes_only_drivers_and_restore_returns_every_byte(
        methods in prop::array::uniform3(prop::sample::select(&METHODS[..])),
        reserve in 0..24_u8,
        apart in any::<bool>(),
        limit in 11..=0xFF_FFFF_u32,
    ) {
        let old = cabinet(methods, reserve, apart).build();
        let disk = FaultyDisk::with(&[(FILE, &old)]);
        let done = run(&disk, Task::Patch { limit });
        prop_assert!(matches!(done.outcome, Outcome::Changed), "{done:?}");
        prop_assert_eq!(done.facts.len(), 2);
        let new = disk.content(FILE).unwrap();
        assert_only_drivers_differ(&old, &new, limit);
        let again = run(&disk, Task::Patch { limit });
        prop_assert!(matches!(again.outcome, Outcome::Unchanged), "{again:?}");
        // Without the backup the members are restored, but not every byte.
        let alone = FaultyDisk::with(&[(FILE, &new)]);
        prop_assert!(matches!(run(&alone, RESTORE).outcome, Outcome::Changed));
        assert_only_drivers_differ(&new, &alone.content(FILE).unwrap(), 10);
        prop_assert_eq!(members(&alone.content(FILE).unwrap()), members(&old));
        prop_assert!(matches!(run(&disk, RESTORE).outcome, Outcome::Changed));
        prop_assert_eq!(disk.content(FILE), Some(old));
    }
}

#[test]
fn each_damaged_byte_gives_the_right_result_or_a_refusal() {
    for no_checksums in [false, true] {
        let sound = sound(no_checksums);
        let (mut written, mut refused) = (0, 0);
        let tables = (0..300).step_by(4);
        for at in tables.chain((300..sound.len()).step_by(sound.len() / 40)) {
            let mut damaged = sound.clone();
            damaged[at] ^= [0x01, 0x80, 0xFF][at / 4 % 3];
            match right_or_refused(&damaged) {
                true => written += 1,
                false => refused += 1,
            }
        }
        assert!(written > 3 && refused > 50, "{written} {refused}");
    }
}

/// Patched, and restored from the backup, with some faults at every step, and
/// each at some.
#[test]
fn after_any_fault_a_cabinet_is_old_or_new_and_the_next_run_succeeds() {
    let old = cabinet([Method::Lzx; 3], 4, false).build();
    let disk = FaultyDisk::with(&[(FILE, &old)]);
    let patched = disk.after();
    assert!(matches!(run(&patched, PATCH).outcome, Outcome::Changed));
    let new = patched.content(FILE).unwrap();
    let backup = Keep::Backup.path(Path::new(FILE), &old).unwrap();
    assert_eq!(
        patched.content(&backup.display().to_string()),
        Some(old.clone())
    );
    for (disk, task, old, new) in [(&disk, PATCH, &old, &new), (&patched, RESTORE, &new, &old)] {
        let counted = disk.after();
        run(&counted, task);
        assert!(counted.steps() > 5, "{} steps", counted.steps());
        for fault in (0..counted.steps()).flat_map(Fault::at).step_by(7) {
            let faulty = disk.faulty(fault);
            run(&faulty, task);
            let after = faulty.after();
            let now = after.content(FILE).unwrap();
            assert!(now == *old || now == *new, "{fault:?}");
            let again = run(&after, task).outcome;
            assert!(
                matches!(again, Outcome::Changed | Outcome::Unchanged),
                "{fault:?}: {again:?}"
            );
            assert!(after.content(FILE).as_ref() == Some(new), "{fault:?}");
        }
    }
}
