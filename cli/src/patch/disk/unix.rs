//! What Unix keeps of a file beside its content, its times and its permissions.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// How many names a file has.
pub(super) fn names_of(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.nlink())
}

/// Gives a file the owner and group of another.
pub(super) fn keep_security(from: &Path, to: &Path) -> io::Result<()> {
    let (about, now) = (fs::metadata(from)?, fs::metadata(to)?);
    let other = |new: u32, old: u32| (new != old).then_some(new);
    let owner = other(about.uid(), now.uid());
    let group = other(about.gid(), now.gid());
    if owner.is_none() && group.is_none() {
        return Ok(());
    }
    chown(to, owner, group).map_err(|error| {
        io::Error::other(format!(
            "the new file can't have the owner of the old one ({error}): run tcplimit as that owner, or as root"
        ))
    })
}

/// Attributes and security of an NTFS, which its drivers for Linux show under
/// these names without listing them (ntfs-3g; ntfs3).
const OF_NTFS: [&str; 3] = [
    "system.ntfs_acl",
    "system.ntfs_attrib",
    "system.ntfs_security",
];

/// Extended attributes, with those of an NTFS. What can't be had is no loss:
/// the file did not have it.
pub(super) fn keep_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let mut names: Vec<OsString> = xattr::list(from).map(Iterator::collect).unwrap_or_default();
    names.extend(OF_NTFS.map(OsString::from));
    for name in names {
        let Ok(Some(value)) = xattr::get(from, &name) else {
            continue;
        };
        // What is the system's own (security.selinux, com.apple.provenance) is
        // given by itself.
        let shown = name.to_string_lossy();
        let ours = match cfg!(target_os = "macos") {
            true => shown != "com.apple.provenance",
            false => shown.starts_with("user.") || shown.starts_with("system."),
        };
        if ours && xattr::get(to, &name).ok().flatten().as_ref() != Some(&value) {
            xattr::set(to, &name, &value).map_err(|error| {
                io::Error::other(format!(
                    "the new file can't have the attribute {shown} of the old one ({error})"
                ))
            })?;
        }
    }
    Ok(())
}
