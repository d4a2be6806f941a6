//! Files, folders and archives.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// Unpacks an archive into the folder.
pub(crate) fn unpack(workspace: &Workspace, file: &Path, folder: &Path) -> Result<(), Failure> {
    let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    let mut command = match extension {
        "zip" if workspace.has_program("unzip") => {
            let mut command = workspace.command("unzip");
            command.arg("-q").arg(file).arg("-d").arg(folder);
            command
        }
        "zip" => {
            let mut command = workspace.command(python(workspace)?);
            command.args(["-m", "zipfile", "--extract"]);
            command.arg(file).arg(folder);
            command
        }
        "tgz" | "gz" => {
            let mut command = workspace.command("tar");
            command.arg("-xzf").arg(file).arg("-C").arg(folder);
            command
        }
        _ => {
            return Err(Failure(format!(
                "unknown archive format: {}",
                file.display()
            )));
        }
    };
    command::capture(&mut command)?.success("unpacking")?;
    Ok(())
}

/// Whether a zip can be unpacked here.
pub(crate) fn unpacks_zip(workspace: &Workspace) -> bool {
    workspace.has_program("unzip") || python(workspace).is_ok()
}

fn python(workspace: &Workspace) -> Result<&'static str, Failure> {
    ["python3", "python"]
        .into_iter()
        .find(|name| workspace.has_program(name))
        .ok_or_else(|| Failure("no Python".into()))
}

/// Copies a file; a failure names it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| Failure(format!("{}: {error}", from.display())))
}

/// Creates the folder, or empties it.
pub(crate) fn recreate_folder(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// The entries of a folder with their lengths, by name.
pub(crate) fn list(folder: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().display().to_string();
        files.push((name, entry.metadata()?.len()));
    }
    files.sort();
    Ok(files)
}

/// Reads a text file; a failure names it.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// All files below the folder, with their sizes.
pub(crate) fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}
