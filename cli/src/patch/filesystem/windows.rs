//! Metadata of a file on Windows other than its times: security and attributes.
//! The standard library can't set these.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, GetFileSecurityW,
    OBJECT_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, SetFileSecurityW,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, GetFileInformationByHandle,
    MoveFileExW, SetFileAttributesW,
};

/// The parts of a file's security, with their names for messages.
const PARTS: [(OBJECT_SECURITY_INFORMATION, &str); 3] = [
    (DACL_SECURITY_INFORMATION, "access list"),
    (GROUP_SECURITY_INFORMATION, "group"),
    (OWNER_SECURITY_INFORMATION, "owner"),
];

/// Attributes that a program may set: read-only, hidden, system, archive, and not
/// indexed.
const SETTABLE: u32 = 0x1 | 0x2 | 0x4 | 0x20 | 0x2000;

/// A path that ends in 0.
struct Wide(Vec<u16>);

impl Wide {
    fn new(path: &Path) -> io::Result<Wide> {
        let mut wide: Vec<u16> = path.as_os_str().encode_wide().collect();
        if wide.contains(&0) {
            return Err(ErrorKind::InvalidInput.into());
        }
        wide.push(0);
        Ok(Wide(wide))
    }
}

/// A part of a file's security: a self-relative descriptor, aligned as Windows
/// requires.
#[derive(Debug, PartialEq, Eq)]
struct Security(Vec<u64>);

impl Security {
    fn read(path: &Path, part: OBJECT_SECURITY_INFORMATION) -> io::Result<Security> {
        let path = Wide::new(path)?;
        let mut descriptor = Vec::<u64>::new();
        loop {
            let room = u32::try_from(size_of_val(&descriptor[..])).map_err(io::Error::other)?;
            let mut needed = 0;
            // SAFETY: the path ends in 0; the descriptor is written to only as
            // far as there is room, and `needed` once. Nothing is kept.
            #[allow(unsafe_code)]
            let done = unsafe {
                let to = descriptor.as_mut_ptr();
                GetFileSecurityW(path.0.as_ptr(), part, to.cast(), room, &raw mut needed)
            };
            if done != 0 {
                return Ok(Security(descriptor));
            }
            if needed <= room {
                return Err(io::Error::last_os_error());
            }
            let needed = usize::try_from(needed).map_err(io::Error::other)?;
            descriptor = vec![0; needed.div_ceil(size_of::<u64>())];
        }
    }

    fn set(&self, path: &Path, part: OBJECT_SECURITY_INFORMATION) -> io::Result<()> {
        let path = Wide::new(path)?;
        // SAFETY: the path ends in 0; the descriptor was made by Windows, refers
        // to nothing outside itself, and is only read. Nothing is kept.
        #[allow(unsafe_code)]
        let done = unsafe {
            let from = self.0.as_ptr().cast_mut();
            SetFileSecurityW(path.0.as_ptr(), part, from.cast())
        };
        match done {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// Locks a file; `None` when another run holds the lock. The share mode lets
/// others read the file, but not write, remove or rename it. (A byte-range lock
/// would keep others from reading the owner.)
pub(super) fn try_lock(path: &Path, created: Option<File>) -> io::Result<Option<File>> {
    // Its creation opened it with another share mode.
    drop(created);
    let mut options = OpenOptions::new();
    let opened = options
        .read(true)
        .write(true)
        .share_mode(FILE_SHARE_READ)
        .open(path);
    let busy = ERROR_SHARING_VIOLATION.cast_signed();
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(busy) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a file the access list, group and owner of another.
pub(super) fn keep_security(from: &Path, to: &Path) -> io::Result<()> {
    for (part, called) in PARTS {
        let security = match Security::read(from, part) {
            Ok(security) => security,
            // FAT has none.
            Err(error) if error.kind() == ErrorKind::Unsupported => continue,
            Err(error) => return Err(error),
        };
        if Security::read(to, part)? != security {
            security.set(to, part).map_err(|error| {
                io::Error::other(format!(
                    "the new file can't have the {called} of the old one ({error}): run tcplimit as administrator"
                ))
            })?;
        }
    }
    Ok(())
}

/// Gives a file the attributes of another.
pub(super) fn keep_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let attributes =
        |path: &Path| -> io::Result<u32> { Ok(path.metadata()?.file_attributes() & SETTABLE) };
    let kept = attributes(from)?;
    if kept == attributes(to)? {
        return Ok(());
    }
    set_attributes(to, kept)
}

/// Access lists don't tell what a network drive allows: the run itself shows
/// whether it may create files in a folder.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn check_writable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The number of names of a file.
pub(super) fn count_links(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut metadata = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is that of the open file, and `metadata` is written once.
    #[allow(unsafe_code)]
    let done = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut metadata) };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(metadata.nNumberOfLinks.into()),
    }
}

/// Gives a file another name that no entry has: without a flag nothing is
/// replaced. (A hard link would do as well, but the first name of a read-only
/// file could not be removed then.)
pub(super) fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (Wide::new(from)?, Wide::new(to)?);
    // SAFETY: the paths end in 0 and are only read.
    #[allow(unsafe_code)]
    let done = unsafe { MoveFileExW(from.0.as_ptr(), to.0.as_ptr(), 0) };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn set_attributes(path: &Path, attributes: u32) -> io::Result<()> {
    let path = Wide::new(path)?;
    let attributes = match attributes {
        0 => FILE_ATTRIBUTE_NORMAL,
        some => some,
    };
    // SAFETY: the path ends in 0 and is only read.
    #[allow(unsafe_code)]
    let done = unsafe { SetFileAttributesW(path.0.as_ptr(), attributes) };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// An access list with an explicit entry that lets everyone read and write.
    fn everyone() -> Security {
        // A descriptor: revision 1, self-relative, with an access list at 14h that
        // inherits no entries from its folder. The list: revision 2, 1Ch bytes,
        // one entry. The entry: 14h bytes, all access, for S-1-1-0.
        let words = [
            0x9004_0001_u32,
            0,
            0,
            0,
            0x14,
            0x001C_0002,
            1,
            0x0014_0000,
            0x001F_01FF,
            0x0101,
            0x0100_0000,
            0,
        ];
        let pair = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair[1]) << 32;
        Security(words.chunks(2).map(pair).collect())
    }

    #[test]
    fn the_access_list_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::write(&from, "").unwrap();
        fs::write(&to, "").unwrap();
        everyone().set(&from, DACL_SECURITY_INFORMATION).unwrap();
        let list = |path| Security::read(path, DACL_SECURITY_INFORMATION).unwrap();
        assert_ne!(list(&from), list(&to));
        keep_security(&from, &to).unwrap();
        assert_eq!(list(&from), list(&to));
    }

    #[test]
    fn attributes_are_set_and_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::write(&from, "").unwrap();
        fs::write(&to, "").unwrap();
        let attributes = |path: &Path| path.metadata().unwrap().file_attributes() & 7;
        for kept in [7, 2, 4, 1, 0] {
            set_attributes(&from, kept).unwrap();
            keep_attributes(&from, &to).unwrap();
            assert_eq!(attributes(&to), kept);
        }
    }

    #[test]
    fn a_missing_file_has_no_security() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none");
        let there = folder.path().join("there");
        fs::write(&there, "").unwrap();
        assert_eq!(
            keep_security(&none, &there).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            keep_attributes(&none, &there).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            keep_security(Path::new("a\0b"), &there).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
}
