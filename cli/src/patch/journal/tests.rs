//! Journals: complete, incomplete and foreign.

use super::super::filesystem::HostFileSystem;
use super::*;

fn entry() -> Entry {
    Entry {
        path: "system32/drivers/tcpip.sys".to_owned(),
        temporary: format!("tcpip.sys.1{TEMPORARY}"),
        before: sha256(b"abc"),
        after: sha256(b"axc"),
        bytes: vec![(1, b'b', b'x')],
        kept: None,
    }
}

/// The same entry with the old content kept in a file beside it.
fn kept(name: &str) -> Entry {
    Entry {
        kept: Some(name.to_owned()),
        ..entry()
    }
}

#[test]
fn a_journal_written_is_the_journal_read() {
    for entries in [vec![], vec![entry()], vec![entry(), kept("tcpip.sys.bak")]] {
        let text = serialize(&entries);
        assert_eq!(parse(text.as_bytes()), Some(entries));
    }
}

#[test]
fn every_truncated_journal_is_recognized_and_no_other_text_is() {
    let text = serialize(&[entry(), entry()]);
    for length in 0..text.len() {
        let cut = &text.as_bytes()[..length];
        assert_eq!(parse(cut), None, "{length}");
        assert!(is_torn(cut), "{length}");
        let zeros = [cut, &[0; 100]].concat();
        assert!(is_torn(&zeros), "{length}");
    }
    assert!(!is_torn(text.as_bytes()));
    for other in [
        "x",
        "tcplimit journal 2\nend 0\n",
        "tcplimit journal 1\nend 7\n",
    ] {
        assert_eq!(parse(other.as_bytes()), None);
        assert!(!is_torn(other.as_bytes()), "{other}");
    }
}

#[test]
fn a_journal_with_foreign_paths_is_rejected() {
    for (path, temporary) in [
        ("../tcpip.sys", "a.1.tcplimit-new"),
        ("/etc/passwd", "a.1.tcplimit-new"),
        ("", "a.1.tcplimit-new"),
        ("a", "b"),
        ("a", "../a.1.tcplimit-new"),
    ] {
        let odd = Entry {
            path: path.to_owned(),
            temporary: temporary.to_owned(),
            ..entry()
        };
        assert_eq!(
            parse(serialize(&[odd]).as_bytes()),
            None,
            "{path} {temporary}"
        );
    }
    for name in ["../tcpip.sys.bak", "/etc/passwd", "a/b", "a\\b", ""] {
        assert_eq!(parse(serialize(&[kept(name)]).as_bytes()), None, "{name}");
    }
}

#[test]
fn only_the_expected_content_is_undone() {
    assert_eq!(entry().undo(b"axc".to_vec()), Some(b"abc".to_vec()));
    assert_eq!(entry().undo(b"ayc".to_vec()), None);
    assert_eq!(entry().undo(b"axd".to_vec()), None);
    assert_eq!(entry().undo(b"a".to_vec()), None);
}

#[test]
fn a_journal_that_another_program_has_just_created_stays() {
    let folder = tempfile::tempdir().unwrap();
    let fs = HostFileSystem::default();
    let path = folder.path().join(NAME);
    std::fs::write(&path, "another").unwrap();
    assert!(write_journal(&fs, folder.path(), &[entry()]).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"another");
}

#[test]
fn files_that_keep_old_content_are_returned_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let fs = HostFileSystem::default();
    let files = [("a", Keep::Backup), ("b", Keep::Nothing)].map(|(name, keep)| {
        std::fs::write(folder.path().join(name), "old").unwrap();
        Replacement {
            path: PathBuf::from(name),
            before: b"old".to_vec().into(),
            after: b"new".to_vec().into(),
            keep,
            like: None,
            touch: false,
        }
    });
    let locks = Locks::acquire(&fs, [folder.path()], "patch").unwrap();
    let kept = replace_all(&locks, folder.path(), &files, &|| true, &|_, _| Ok(())).unwrap();
    let backup = Keep::Backup.path(&folder.path().join("a"), b"old").unwrap();
    assert_eq!(kept, [backup]);
    for name in ["a", "b"] {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"new");
    }
}
