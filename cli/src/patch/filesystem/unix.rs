//! Metadata of a file on Unix other than times and permissions, and file locks.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, OFlags, accessat};
use rustix::io::Errno;

/// The number of names of a file.
pub(super) fn count_links(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.nlink())
}

/// Checks that this process may create files in a folder.
pub(super) fn check_writable(folder: &Path) -> io::Result<()> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    match accessat(CWD, folder, access, AtFlags::EACCESS) {
        Err(error @ (Errno::ACCESS | Errno::ROFS)) => Err(error.into()),
        // Other errors are not about rights: the run itself will meet them.
        _ => Ok(()),
    }
}

/// Locks a file; `None` when another run holds the lock. The file is open for
/// reading and writing: an exclusive lock on NFS requires both.
pub(super) fn try_lock(path: &Path, created: Option<File>) -> io::Result<Option<File>> {
    let file = match created {
        Some(file) => file,
        // Never follow a link; and opening a pipe may block forever.
        None => OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(path)?,
    };
    match file.try_lock() {
        Ok(()) if leads_to(path, &file)? => Ok(Some(file)),
        Ok(()) => Err(ErrorKind::NotFound.into()),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a path leads to this open file.
pub(super) fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (metadata.dev(), metadata.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a file the owner and group of another.
pub(super) fn keep_security(from: &Path, to: &Path) -> io::Result<()> {
    let (metadata, now) = (fs::metadata(from)?, fs::metadata(to)?);
    let other = |new: u32, old: u32| (new != old).then_some(new);
    let owner = other(metadata.uid(), now.uid());
    let group = other(metadata.gid(), now.gid());
    if owner.is_none() && group.is_none() {
        return Ok(());
    }
    chown(to, owner, group).map_err(|error| io::Error::other(refused(owner, group, &error)))
}

/// Why a new file can't have the owner or the group of the old one, with advice.
/// `None` where this process gives the right one.
fn refused(owner: Option<u32>, group: Option<u32>, error: &io::Error) -> String {
    match (owner, group) {
        (None, Some(group)) => format!(
            "the new file can't have the group of the old one ({group}: {error}): run tcplimit as a member of that group, or as root; or give the file a group of yours with chgrp first"
        ),
        _ => format!(
            "the new file can't have the owner of the old one ({error}): run tcplimit as that owner, or as root"
        ),
    }
}

/// Attributes and security of an NTFS: the Linux drivers ntfs-3g and ntfs3 provide
/// these names without listing them.
const OF_NTFS: [&str; 3] = [
    "system.ntfs_acl",
    "system.ntfs_attrib",
    "system.ntfs_security",
];

/// Copies the extended attributes, including those of an NTFS. Attributes that
/// can't be read are skipped: the old file lacks them.
pub(super) fn keep_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let mut names: Vec<OsString> = xattr::list(from).map(Iterator::collect).unwrap_or_default();
    names.extend(OF_NTFS.map(OsString::from));
    for name in names {
        let Ok(Some(value)) = xattr::get(from, &name) else {
            continue;
        };
        // The system sets its own attributes (security.selinux,
        // com.apple.provenance).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_group_is_not_reported_as_a_foreign_owner() {
        let error = io::Error::from(ErrorKind::PermissionDenied);
        let text = refused(None, Some(44), &error);
        assert!(text.contains("group of the old one (44: "), "{text}");
        assert!(!text.contains("owner"), "{text}");
        for group in [None, Some(44)] {
            let text = refused(Some(1000), group, &error);
            assert!(text.contains("run tcplimit as that owner"), "{text}");
        }
    }
}
