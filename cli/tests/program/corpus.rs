//! `corpus add` and `corpus check`.

use std::fs;

use specimen::{Defect, Spec};

use crate::{Files, patched, run, xp};

#[test]
fn the_built_in_manifest_is_consistent() {
    let check = run(["corpus", "check"]);
    assert_eq!(check.code, 0);
    assert!(check.stdout.contains("builds is consistent"));
}

#[test]
fn an_added_build_passes_the_check() {
    let files = Files::new()
        .with("x86/tcpip.sys", &xp())
        .with("x64/tcpip6.sys", &Spec::tcpip6_x64().build().file);
    let add = files.run(&[
        "corpus",
        "add",
        "--manifest",
        "m.toml",
        "x86/tcpip.sys",
        "x64/tcpip6.sys",
    ]);
    assert_eq!(add.code, 0, "{}", add.stderr);
    assert_eq!(add.stdout.matches(": added").count(), 2);

    let check = files.run(&[
        "corpus",
        "check",
        "--manifest",
        "m.toml",
        "-r",
        "x86",
        "x64",
    ]);
    assert_eq!(check.code, 0, "{}", check.stdout);
    assert!(
        check
            .stdout
            .contains("2 agree, 0 disagree, 0 are not in the manifest")
    );

    let again = files.run(&["corpus", "add", "--manifest", "m.toml", "x86/tcpip.sys"]);
    assert_eq!(again.code, 0);
    assert!(again.stdout.contains("already in the manifest"));
}

#[test]
fn comments_and_entries_stay_as_they_were() {
    let files = Files::new()
        .with("tcpip.sys", &xp())
        .with("m.toml", b"# kept\n");
    let add = files.run(&[
        "corpus",
        "add",
        "--manifest",
        "m.toml",
        "--name",
        "mine",
        "tcpip.sys",
    ]);
    assert_eq!(add.code, 0);
    let text = fs::read_to_string(files.path().join("m.toml")).unwrap();
    assert!(
        text.starts_with("# kept\n\n[[build]]\nname = \"mine\"\n"),
        "{text}"
    );
    assert!(!files.path().join("m.toml.new").exists());
}

#[test]
fn a_contradicting_manifest_disagrees_and_is_never_overwritten() {
    let files = Files::new().with("tcpip.sys", &xp());
    assert_eq!(
        files
            .run(&["corpus", "add", "--manifest", "m.toml", "tcpip.sys"])
            .code,
        0
    );
    let manifest = files.path().join("m.toml");
    let wrong = fs::read_to_string(&manifest)
        .unwrap()
        .replace("start_up_value = 10", "start_up_value = 11");
    fs::write(&manifest, &wrong).unwrap();

    let check = files.run(&["corpus", "check", "--manifest", "m.toml", "tcpip.sys"]);
    assert_eq!(check.code, 1);
    check.prints("start_up_value: 11, not 10");

    let add = files.run(&["corpus", "add", "--manifest", "m.toml", "tcpip.sys"]);
    assert_eq!(add.code, 1);
    add.warns("the manifest has other values");
    assert_eq!(fs::read_to_string(&manifest).unwrap(), wrong);
}

#[test]
fn a_file_that_is_not_located_is_not_added() {
    let defective = Spec {
        defect: Some(Defect::OneGate),
        ..Spec::xp_sp3()
    }
    .build()
    .file;
    let files = Files::new()
        .with("tcpip.sys", &defective)
        .with("text.txt", b"hello");
    let add = files.run(&[
        "corpus",
        "add",
        "--manifest",
        "m.toml",
        "tcpip.sys",
        "text.txt",
    ]);
    assert_eq!(add.code, 1);
    assert!(
        add.stderr
            .contains("tcpip.sys: not added: evidence is missing")
    );
    assert!(
        add.stderr
            .contains("text.txt: not added: it does not begin with MZ")
    );
    assert!(!files.path().join("m.toml").exists());
}

#[test]
fn builds_missing_from_the_manifest_are_reported() {
    let files = Files::new()
        .with("a/tcpip.sys", &patched(100))
        .with("a/text.txt", b"hello");
    let check = files.run(&["corpus", "check", "-r", "a"]);
    assert_eq!(check.code, 1);
    assert!(check.stdout.contains("tcpip.sys: not in the manifest"));
    assert!(
        check
            .stdout
            .contains("0 agree, 0 disagree, 1 is not in the manifest")
    );
}

#[test]
fn an_invalid_manifest_is_a_usage_error() {
    let files = Files::new().with("m.toml", b"[[build]]\nname = 1\n");
    let check = files.run(&["corpus", "check", "--manifest", "m.toml"]);
    assert_eq!(check.code, 2);
    check.warns("m.toml: ");
    assert_eq!(
        files
            .run(&["corpus", "check", "--manifest", "none.toml"])
            .code,
        3
    );
    assert_eq!(
        files
            .run(&["corpus", "add", "--manifest", "m.toml", "x"])
            .code,
        2
    );
}

#[test]
fn added_is_printed_only_after_the_manifest_was_written() {
    let files = Files::new().with("tcpip.sys", &xp());
    let add = files.run(&["corpus", "add", "--manifest", "no/m.toml", "tcpip.sys"]);
    assert_eq!(add.code, 3);
    assert_eq!(add.stdout, "");
    add.warns("can't be written");
}

#[test]
fn a_folder_is_not_added() {
    let files = Files::new().with("a/tcpip.sys", &xp());
    let add = files.run(&["corpus", "add", "--manifest", "m.toml", "a"]);
    assert_eq!(add.code, 2);
    assert!(add.stderr.contains("a is a folder: pass the files in it"));
    add.does_not_warn("-r");
}
