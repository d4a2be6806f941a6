//! The files below a folder, in the order of their names.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Path on this machine.
    pub(crate) path: PathBuf,
    /// Path from the folder on, with `/` on every system.
    pub(crate) name: String,
    /// Whether it is executable.
    pub(crate) is_executable: bool,
}

/// All files below a folder.
///
/// # Errors
/// An entry can't be read, is neither a file nor a folder, or has a name that is not
/// Unicode.
pub(crate) fn list_files(folder: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    add(folder, "", &mut files)?;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

fn add(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|name| {
            let message = format!("{}: the name is not Unicode", name.display());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let name = format!("{prefix}{name}");
        // Links are not followed: their targets are not in the folder.
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            add(&path, &format!("{name}/"), files)?;
        } else if metadata.is_file() {
            let is_executable = is_executable(&name, &metadata);
            files.push(File {
                path,
                name,
                is_executable,
            });
        } else {
            let message = format!("{name}: neither a file nor a folder");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(_name: &str, metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(name: &str, _metadata: &Metadata) -> bool {
    name.ends_with(".exe")
}
