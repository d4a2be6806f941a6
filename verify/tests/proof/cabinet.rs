//! Large cabinets: whatever is in them, and whatever happens while one is
//! rewritten.

use std::io::{Cursor, Read};
use std::path::Path;

use proptest::prelude::*;
use tcplimit::patch::job::{Done, Job, Target, Task, Verdict};
use tcplimit::patch::replace::{Failure, Keep};
use verify::brittle::{Brittle, Fault};
use verify::cabinet::{Cabinet, Folder, Method};
use verify::patching::only_value_and_checksum;
use verify::specimen::Spec;

const FILE: &str = "/xp/Driver Cache/i386/sp3.cab";
const PATCH: Task = Task::Patch { limit: 100 };
const RESTORE: Task = Task::Restore { use_backup: true };
const METHODS: [Method; 3] = [Method::Stored, Method::MsZip, Method::Lzx];

fn run(disk: &Brittle, task: Task) -> Done {
    let job = Job {
        task,
        target: Target::InPlace,
        module: None,
        running: Vec::new(),
        touch: false,
        cabinets: true,
    };
    job.run(disk, Path::new(FILE))
}

/// Both drivers, in folders of their own or in one.
fn cabinet(methods: [Method; 3], reserve: u8, apart: bool) -> Cabinet {
    let (xp, six) = (Spec::xp_sp3().sized(4), Spec::tcpip6_x86().sized(4));
    let (xp, six) = (xp.build().file, six.build().file);
    let text: Vec<u8> = (0..=250).cycle().take(40_000).collect();
    let first: [(&str, &[u8]); 3] = [("a.txt", &text), ("tcpip.sys", &xp), ("b.txt", b"b")];
    let second: [(&str, &[u8]); 2] = [("c.txt", &text), ("TCPIP6.SYS", &six)];
    let other = Folder::new(methods[2], &[("d.txt", &text)]);
    let folders = match apart {
        true => vec![
            Folder::new(methods[0], &first),
            other,
            Folder::new(methods[1], &second),
        ],
        false => vec![
            other,
            Folder::new(methods[0], &[&first[..], &second[..]].concat()),
        ],
    };
    Cabinet {
        header_reserve: vec![reserve; reserve.into()],
        folder_reserve: reserve,
        // The crate `cab`, which judges here, pads otherwise.
        block_reserve: reserve / 4 * 4,
        ..Cabinet::new(folders)
    }
}

/// Names, dates, attributes and contents, read by the crate `cab`; `None` where
/// it can't read them all.
fn members(file: &[u8]) -> Option<Vec<(String, String, Vec<u8>)>> {
    let read = || {
        let mut cabinet = cab::Cabinet::new(Cursor::new(file)).ok()?;
        let mut members = Vec::new();
        for folder in cabinet.folder_entries() {
            for entry in folder.file_entries() {
                let about = format!(
                    "{:?} {} {} {}",
                    entry.datetime(),
                    entry.is_read_only(),
                    entry.is_hidden(),
                    entry.is_system()
                );
                members.push((entry.name().to_owned(), about, Vec::new()));
            }
        }
        for (name, _, content) in &mut members {
            cabinet.read_file(name).ok()?.read_to_end(content).ok()?;
        }
        Some(members)
    };
    // It panics on some damaged data.
    std::panic::catch_unwind(read).unwrap_or_default()
}

/// Checks that nothing but the limit and checksum of drivers differs.
fn only_drivers_differ(before: &[u8], after: &[u8], limit: u32) {
    let (before, after) = (members(before).unwrap(), members(after).unwrap());
    assert_eq!(before.len(), after.len());
    for ((name, about, old), (again, about_again, new)) in before.iter().zip(&after) {
        assert_eq!((name, about), (again, about_again));
        match name.to_lowercase().ends_with(".sys") {
            true => only_value_and_checksum(old, new, None, limit),
            false => assert_eq!(old, new, "{name}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn what_is_patched_differs_in_drivers_only_and_is_restored_to_the_byte(
        methods in prop::array::uniform3(prop::sample::select(&METHODS[..])),
        reserve in 0..24_u8,
        apart in any::<bool>(),
        limit in 11..=0xFF_FFFF_u32,
    ) {
        let old = cabinet(methods, reserve, apart).build();
        let disk = Brittle::with(&[(FILE, &old)]);
        let done = run(&disk, Task::Patch { limit });
        prop_assert!(matches!(done.verdict, Verdict::Changed), "{done:?}");
        prop_assert_eq!(done.facts.len(), 2);
        let new = disk.content(FILE).unwrap();
        only_drivers_differ(&old, &new, limit);
        let again = run(&disk, Task::Patch { limit });
        prop_assert!(matches!(again.verdict, Verdict::Unchanged), "{again:?}");
        // Without the backup the members come back, if not the bytes.
        let alone = Brittle::with(&[(FILE, &new)]);
        prop_assert!(matches!(run(&alone, RESTORE).verdict, Verdict::Changed));
        only_drivers_differ(&new, &alone.content(FILE).unwrap(), 10);
        prop_assert_eq!(members(&alone.content(FILE).unwrap()), members(&old));
        prop_assert!(matches!(run(&disk, RESTORE).verdict, Verdict::Changed));
        prop_assert_eq!(disk.content(FILE), Some(old));
    }
}

#[test]
fn whatever_byte_is_damaged_the_result_is_right_or_refused() {
    for no_checksums in [false, true] {
        let sound = Cabinet {
            no_checksums,
            ..cabinet([Method::MsZip, Method::Lzx, Method::MsZip], 4, true)
        };
        let sound = sound.build();
        let (mut written, mut refused) = (0, 0);
        let tables = (0..300).step_by(4);
        for at in tables.chain((300..sound.len()).step_by(sound.len() / 40)) {
            let mut damaged = sound.clone();
            damaged[at] ^= [0x01, 0x80, 0xFF][at / 4 % 3];
            let disk = Brittle::with(&[(FILE, &damaged)]);
            let done = run(&disk, PATCH);
            let now = disk.content(FILE).unwrap();
            match done.verdict {
                Verdict::Changed => {
                    written += 1;
                    if members(&damaged).is_some() {
                        only_drivers_differ(&damaged, &now, 100);
                    }
                    assert!(matches!(run(&disk, RESTORE).verdict, Verdict::Changed));
                    assert!(disk.content(FILE).unwrap() == damaged, "at {at}");
                }
                Verdict::Failed(Failure::Refused(_)) => {
                    refused += 1;
                    assert!(now == damaged, "at {at}");
                }
                other => panic!("at {at}: {other:?}"),
            }
        }
        assert!(written > 3 && refused > 50, "{written} {refused}");
    }
}

/// Patched, and restored from the backup, with some faults at every step, and
/// each at some.
#[test]
fn a_cabinet_is_old_or_new_whatever_happens_and_the_next_run_succeeds() {
    let old = cabinet([Method::Lzx; 3], 4, false).build();
    let disk = Brittle::with(&[(FILE, &old)]);
    let patched = disk.after();
    assert!(matches!(run(&patched, PATCH).verdict, Verdict::Changed));
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
            let again = run(&after, task).verdict;
            assert!(
                matches!(again, Verdict::Changed | Verdict::Unchanged),
                "{fault:?}: {again:?}"
            );
            assert!(after.content(FILE).as_ref() == Some(new), "{fault:?}");
        }
    }
}
