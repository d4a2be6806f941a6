//! Properties of `tcplimit patch --cabinets` on cabinets of several files.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::OnceLock;

use tcplimit::panic_guard::catch_panic;
use tcplimit::patch::job::{FileResult, Job, Outcome, Target, Task};
use tcplimit::patch::replace::Failure;

use crate::faulty_disk::FaultyDisk;
use crate::patching::assert_only_value_and_checksum_differ;
use specimen::Spec;
use specimen::cabinet::{Cabinet, Folder, Method};

/// The cabinet's path.
pub const FILE: &str = "/xp/Driver Cache/i386/sp3.cab";
/// Patches to 100.
pub const PATCH: Task = Task::Patch { limit: 100 };
/// Restores from the backup.
pub const RESTORE: Task = Task::Restore { use_backup: true };
/// All compression methods that can be rewritten.
pub const METHODS: [Method; 3] = [Method::Stored, Method::MsZip, Method::Lzx];

/// Runs a task on the cabinet, in place.
pub fn run(disk: &FaultyDisk, task: Task) -> FileResult {
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

/// A cabinet with both drivers, in separate folders or in one.
pub fn cabinet(methods: [Method; 3], reserve: u8, apart: bool) -> Cabinet {
    let (xp, tcpip6) = (
        Spec::xp_sp3().with_text_kib(4),
        Spec::tcpip6_x86().with_text_kib(4),
    );
    let (xp, tcpip6) = (xp.build().file, tcpip6.build().file);
    let text: Vec<u8> = (0..=250).cycle().take(40_000).collect();
    let first: [(&str, &[u8]); 3] = [("a.txt", &text), ("tcpip.sys", &xp), ("b.txt", b"b")];
    let second: [(&str, &[u8]); 2] = [("c.txt", &text), ("TCPIP6.SYS", &tcpip6)];
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
        // The crate `cab`, which checks the result, pads differently.
        block_reserve: reserve / 4 * 4,
        ..Cabinet::new(folders)
    }
}

/// Names, dates, attributes and contents, read by the crate `cab`; `None` if it
/// can't read them all.
pub fn members(file: &[u8]) -> Option<Vec<(String, String, Vec<u8>)>> {
    let read = || {
        let mut cabinet = cab::Cabinet::new(Cursor::new(file))?;
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
            cabinet.read_file(name)?.read_to_end(content)?;
        }
        Ok(members)
    };
    catch_panic(read).ok()
}

/// Checks that only the limit and checksum of drivers differ.
pub fn assert_only_drivers_differ(before: &[u8], after: &[u8], limit: u32) {
    let [before, after] = [before, after].map(|file| members(file).expect("a sound cabinet"));
    assert_eq!(before.len(), after.len());
    for ((name, about, old), (again, about_again, new)) in before.iter().zip(&after) {
        assert_eq!((name, about), (again, about_again));
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let last = last.strip_suffix(";1").unwrap_or(last).to_lowercase();
        let last = match last.strip_suffix('_') {
            Some(stem) => format!("{stem}s"),
            None => last,
        };
        match last.as_str() {
            "tcpip.sys" | "tcpip6.sys" => {
                assert_only_value_and_checksum_differ(old, new, None, limit);
            }
            // A driver that damage gave another name counts as another file.
            _ => assert_eq!(old, new, "{name}"),
        }
    }
}

/// A sound cabinet with all methods and reserved bytes.
pub fn sound(no_checksums: bool) -> Vec<u8> {
    let cabinet = Cabinet {
        no_checksums,
        ..cabinet([Method::MsZip, Method::Lzx, Method::MsZip], 4, true)
    };
    cabinet.build()
}

/// **A damaged cabinet is patched correctly and restored to the byte, or
/// refused and left unchanged.** Returns whether it was patched.
pub fn right_or_refused(damaged: &[u8]) -> bool {
    let disk = FaultyDisk::with(&[(FILE, damaged)]);
    let done = run(&disk, PATCH);
    let now = disk.content(FILE).expect("the file is there");
    match done.outcome {
        Outcome::Changed => {
            if members(damaged).is_some() {
                assert_only_drivers_differ(damaged, &now, 100);
            }
            let restored = run(&disk, RESTORE).outcome;
            assert!(matches!(restored, Outcome::Changed), "{restored:?}");
            assert!(disk.content(FILE).as_deref() == Some(damaged));
            true
        }
        // Unchanged: damage gave the limit its new value.
        Outcome::Unchanged | Outcome::Failed(Failure::Refused(_)) => {
            assert!(now == damaged);
            false
        }
        other => panic!("{other:?}"),
    }
}

/// Checks a sound cabinet with any edits: each seven bytes are an offset and
/// the four bytes to put there, near the start if the offset's lowest bit is
/// set, otherwise anywhere.
pub fn any_edits(bytes: &[u8]) {
    static SOUND: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let both = SOUND.get_or_init(|| [false, true].map(sound));
    let Some((&first, edits)) = bytes.split_first() else {
        return;
    };
    let mut damaged = both[usize::from(first & 1)].clone();
    for edit in edits.chunks_exact(7) {
        let place = u32::from_le_bytes([edit[0], edit[1], edit[2], 0]) as usize;
        let within = match place & 1 {
            1 => 0x180,
            _ => damaged.len() - 4,
        };
        let place = (place >> 1) % within;
        damaged[place..place + 4].copy_from_slice(&edit[3..]);
    }
    right_or_refused(&damaged);
}
