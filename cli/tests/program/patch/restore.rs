//! `restore`, and the backup that it uses.

use super::*;

#[test]
fn a_file_patched_by_another_tool_is_patched_and_restored() {
    let files = Files::new().with("tcpip.sys", &patched(50));
    let run = files.run(&["patch", "--limit", "70", "--in-place", "tcpip.sys"]);
    run.prints("the limit from 50 to 70");
    assert_eq!(state(&files, "tcpip.sys"), (70, true));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stderr);
    assert_eq!(read(&files, "tcpip.sys"), patched(50));
    // As shipped, on request.
    let ten = files.run(&["restore", "--without-backup", "--in-place", "tcpip.sys"]);
    assert_eq!(ten.code, 0, "{}", ten.stderr);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn restore_without_a_backup_sets_10() {
    let files = Files::new().with("tcpip.sys", &patched(100));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stderr);
    restore.prints("no backup was used");
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()), ["tcpip.sys"]);
    let again = files.run(&["restore", "--in-place", "tcpip.sys"]);
    again.ends_with(0);
    again.does_not_print("no backup was used");
}

#[test]
fn a_backup_of_another_build_or_with_a_wrong_name_is_not_used() {
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with("tcpip.sys.0123456789abcdef.orig", &patched(20));
    let other = Spec {
        seed: 1,
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let hash = specimen::checksum::sha256(&other);
    let name = format!("tcpip.sys.{}.orig", &hash[..16]);
    let files = files.with(&name, &other);
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn among_several_backups_the_one_with_10_is_used_or_none() {
    let backup = |value| {
        let file = patched(value);
        let hash = specimen::checksum::sha256(&file);
        (format!("tcpip.sys.{}.orig", &hash[..16]), file)
    };
    let (twenty, thirty, ten) = (backup(20), backup(30), backup(10));
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with(&twenty.0, &twenty.1)
        .with(&thirty.0, &thirty.1);
    let run = files.run(&["restore", "--in-place", "tcpip.sys"]);
    refused(&run, "several backups fit");
    assert!(run.stdout.contains(&twenty.0) && run.stdout.contains(&thirty.0));
    assert_eq!(read(&files, "tcpip.sys"), patched(100));
    let files = files.with(&ten.0, &ten.1);
    assert_eq!(files.run(&["restore", "--in-place", "tcpip.sys"]).code, 0);
    assert_eq!(read(&files, "tcpip.sys"), xp());
}

#[test]
fn only_a_known_build_is_proved_by_its_hash() {
    let files = Files::new().with("tcpip.sys", &xp());
    let add = files.run(&[
        "corpus",
        "add",
        "--manifest",
        "m.toml",
        "--name",
        "mine",
        "tcpip.sys",
    ]);
    assert_eq!(add.code, 0, "{}", add.stderr);
    files.run(&["patch", "--in-place", "tcpip.sys"]);
    let known = files.run(&["restore", "--manifest", "m.toml", "tcpip.sys"]);
    known.prints("a known build as shipped: mine");
    let unknown = files.run(&["restore", "tcpip.sys"]);
    unknown.prints("not proved");
    // A known build that does not store 10 is not as shipped.
    let odd = Files::new().with("tcpip.sys", &patched(20));
    odd.run(&["corpus", "add", "--manifest", "m.toml", "tcpip.sys"]);
    odd.run(&["patch", "--in-place", "tcpip.sys"]);
    let restore = odd.run(&["restore", "--manifest", "m.toml", "tcpip.sys"]);
    restore.prints("the limit from 100 to 20");
    restore.prints("not proved");
}

/// A file system that does not preserve case may return another case.
#[test]
fn a_backup_is_recognized_in_any_case() {
    let hash = specimen::checksum::sha256(&patched(20));
    let name = format!("TCPIP.SYS.{}.ORIG", hash[..16].to_uppercase());
    let files = Files::new()
        .with("tcpip.sys", &patched(100))
        .with(&name, &patched(20));
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_eq!(restore.code, 0, "{}", restore.stdout);
    assert_eq!(read(&files, "tcpip.sys"), patched(20));
}

/// A sound driver's backup, under its name.
fn backup(file: &[u8]) -> String {
    let hash = specimen::checksum::sha256(file);
    format!("tcpip.sys.{}.orig", &hash[..16])
}

#[test]
fn a_damaged_file_is_restored_from_its_backup_and_kept() {
    let mut flipped = patched(100);
    flipped[20_000] ^= 0xFF;
    for damaged in [
        Vec::new(),
        vec![0; 50_000],
        b"MZ".to_vec(),
        patched(100)[..5000].to_vec(),
        patched(100)[..30_000].to_vec(),
        flipped,
    ] {
        let files = Files::new()
            .with("tcpip.sys", &damaged)
            .with(&backup(&xp()), &xp())
            .with(&backup(&patched(20)), &patched(20));
        let length = damaged.len();
        let shown = files.run(&["restore", "tcpip.sys"]);
        assert_eq!(shown.code, 0, "{length}: {}{}", shown.stdout, shown.stderr);
        let expected = "would be restored from its backup: the limit is 10";
        assert!(
            shown.stdout.contains(expected),
            "{length}: {}",
            shown.stdout
        );
        shown.prints(backup(&xp()));
        assert_eq!(read(&files, "tcpip.sys"), damaged);
        let without = files.run(&["restore", "--without-backup", "--in-place", "tcpip.sys"]);
        assert_ne!(without.code, 0, "{length}: {}", without.stdout);
        assert_eq!(read(&files, "tcpip.sys"), damaged);

        let restore = files.run(&["restore", "--in-place", "--json", "tcpip.sys"]);
        assert_eq!(
            restore.code, 0,
            "{length}: {}{}",
            restore.stdout, restore.stderr
        );
        let object = &restore.objects()[0];
        assert_eq!(object["state"], "changed");
        assert_eq!(object["from"], backup(&xp()));
        assert!(object["damage"].is_string(), "{object}");
        assert_eq!(
            object["limit"],
            serde_json::json!({"before": null, "after": 10})
        );
        assert_eq!(read(&files, "tcpip.sys"), xp(), "{length}");
        let aside = object["kept_aside"].as_str().unwrap();
        assert_eq!(read(&files, aside), damaged, "{length}");
        assert_eq!(names(&files.path()).len(), 4, "{length}");
    }
}

#[test]
fn a_missing_file_is_restored_from_its_backup() {
    let files = Files::new().with(&backup(&xp()), &xp());
    let shown = files.run(&["restore", "tcpip.sys"]);
    shown.ends_with(0);
    assert_eq!(names(&files.path()).len(), 1);
    let restore = files.run(&["restore", "--in-place", "tcpip.sys"]);
    restore.ends_with(0);
    assert_eq!(read(&files, "tcpip.sys"), xp());
    assert_eq!(names(&files.path()).len(), 2);
    let about = |name: &str| fs::metadata(files.path().join(name)).unwrap();
    let modified = |name: &str| about(name).modified().unwrap();
    assert_eq!(modified("tcpip.sys"), modified(&backup(&xp())));
    // None of the others is damaged.
    for arguments in [
        ["restore", "--in-place", "tcpip6.sys"].as_slice(),
        &[
            "restore",
            "--in-place",
            "--without-backup",
            "gone/tcpip.sys",
        ],
        &["patch", "--in-place", "gone/tcpip.sys"],
    ] {
        assert_eq!(files.run(arguments).code, 3, "{arguments:?}");
    }
}

#[test]
fn a_damaged_file_needs_sound_backups_of_one_build() {
    let other = Spec {
        seed: 1,
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let cut = &xp()[..5000];
    let damaged = Files::new()
        .with("tcpip.sys", b"")
        // Its hash is not the one in its name; and not a driver.
        .with("tcpip.sys.0123456789abcdef.orig", &xp())
        .with(&backup(cut), cut);
    let run = damaged.run(&["restore", "--in-place", "tcpip.sys"]);
    assert_ne!(run.code, 0, "{}", run.stdout);
    assert_eq!(read(&damaged, "tcpip.sys"), b"");
    let files = damaged
        .with(&backup(&xp()), &xp())
        .with(&backup(&other), &other);
    let run = files.run(&["restore", "--in-place", "--json", "tcpip.sys"]);
    assert_eq!(
        run.objects()[0]["refusal"],
        "several-builds",
        "{}",
        run.stdout
    );
    assert_eq!(run.code, 1);
    assert_eq!(read(&files, "tcpip.sys"), b"");
    // A sound file of another build is not damaged: it may be newer than the backup.
    let update = Files::new()
        .with("tcpip.sys", &other)
        .with(&backup(&xp()), &xp());
    assert_eq!(update.run(&["restore", "--in-place", "tcpip.sys"]).code, 0);
    assert_eq!(read(&update, "tcpip.sys"), other);
    // Nor is one whose limit is not located.
    let newer = Spec {
        defect: Some(Defect::OneGate),
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let update = update.with("tcpip.sys", &newer);
    let run = update.run(&["restore", "--in-place", "tcpip.sys"]);
    refused(&run, "evidence is missing: TwoGates");
    assert_eq!(read(&update, "tcpip.sys"), newer);
}
