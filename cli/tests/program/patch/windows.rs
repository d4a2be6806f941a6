//! Metadata of files on Windows.

use std::os::windows::fs::MetadataExt;
use std::process::Command;

use crate::{Files, patched, xp};

#[test]
fn a_read_only_hidden_system_file_stays_one() {
    let files = Files::new().with("tcpip.sys", &xp());
    let path = files.path().join("tcpip.sys");
    // One at a time: Wine's attrib uses only the last.
    for flag in ["+r", "+h", "+s"] {
        let set = Command::new("attrib").arg(flag).arg(&path).status();
        assert!(set.unwrap().success());
    }
    let before = path.metadata().unwrap();
    assert_eq!(before.file_attributes() & 7, 7, "attrib");
    let run = files.run(&["patch", "--in-place", "--limit", "50", "tcpip.sys"]);
    run.ends_with(0);
    let after = path.metadata().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), patched(50));
    assert_eq!(after.file_attributes(), before.file_attributes());
    assert_eq!(after.last_write_time(), before.last_write_time());
    assert_eq!(after.creation_time(), before.creation_time());

    let run = files.run(&["restore", "--in-place", "tcpip.sys"]);
    run.ends_with(0);
    assert_eq!(std::fs::read(&path).unwrap(), xp());
    assert_eq!(
        path.metadata().unwrap().file_attributes(),
        before.file_attributes()
    );
}
