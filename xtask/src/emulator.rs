//! The emulator's crate, and whether it can be compiled here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

/// Debian packages that it needs.
pub(crate) const PACKAGES: &[&str] = &["cmake", "libclang-dev", "make"];
/// Folder of its crate.
pub(crate) const FOLDER: &str = "verify/emulator";
/// Folders in which libclang is searched, besides LIBCLANG_PATH.
const LIBRARIES: [&str; 4] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/opt/homebrew/lib",
];
/// File names of libclang; Debian's package also has the headers that bindgen needs.
const LIBCLANG: [&str; 3] = ["libclang.so", "libclang.dylib", "libclang.dll"];

/// Whether the emulator can be compiled here.
pub(crate) fn can_build(workspace: &Workspace) -> bool {
    workspace.has_program("cmake") && has_libclang()
}

/// Whether libclang, which bindgen loads, is installed.
pub(crate) fn has_libclang() -> bool {
    let named = env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let llvm = LIBRARIES.iter().flat_map(|folder| {
        let folders = fs::read_dir(folder).into_iter().flatten().flatten();
        folders.flat_map(|entry| [entry.path(), entry.path().join("lib")])
    });
    let own = LIBRARIES.iter().map(PathBuf::from);
    named
        .into_iter()
        .chain(own)
        .chain(llvm)
        .any(|folder| contains_libclang(&folder))
}

fn contains_libclang(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| LIBCLANG.contains(&name.as_str()))
}
