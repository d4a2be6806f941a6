//! Damaged and missing copies.

use super::*;

#[test]
fn a_deleted_copy_is_shown_with_its_backup_and_restored_by_name() {
    let files = windows();
    files.run(&["patch", "--root", ".", "--in-place"]);
    fs::remove_file(files.path().join(DRIVERS)).unwrap();
    let status = files.run(&["status", "--root", "."]);
    status.ends_with(1);
    status.prints_all([
        "system32/drivers/tcpip.sys: missing, but a backup exists",
        "tcplimit restore --in-place ./WINDOWS/system32/drivers/tcpip.sys",
        "tcpip.sys is missing: this backup restores it",
    ]);
    let objects = files.run(&["status", "--root", ".", "--json"]).objects();
    let is_missing = |object: &&serde_json::Value| object["state"] == "missing";
    let missing = objects.iter().find(is_missing).unwrap();
    assert_eq!(missing["role"], "loaded");
    assert_eq!(missing["backups"].as_array().unwrap().len(), 1);

    let restore = files.run(&["restore", "--in-place", DRIVERS]);
    restore.ends_with(0);
    assert_eq!(read(&files, DRIVERS), xp());
    assert_eq!(files.run(&["status", "--root", "."]).code, 0);
}

#[test]
fn a_damaged_copy_is_restored_with_the_others_and_kept() {
    let files = windows();
    files.run(&["patch", "--root", ".", "--in-place"]);
    let damaged = patched(100)[..9000].to_vec();
    let files = files.with(DRIVERS, &damaged);
    let patch = files.run(&["patch", "--root", ".", "--limit", "7", "--in-place"]);
    patch.ends_with(3);
    let restore = files.run(&["restore", "--root", ".", "--in-place"]);
    restore.ends_with(0);
    assert_eq!(limits(&files), expected([10; 5]));
    let hash = specimen::checksum::sha256(&damaged);
    let aside = format!("{DRIVERS}.{}.damaged", &hash[..16]);
    assert_eq!(read(&files, &aside), damaged);
}
