//! Paths of the shipped files.

use std::path::{Path, PathBuf};
use std::{env, fs};

use specimen::Arch;

/// Both processors, with their folders' names.
pub const PROCESSORS: [(Arch, &str); 2] = [(Arch::X86, "x86"), (Arch::X64, "x64")];

/// The folder given by DRIVERS, or that of `cargo xtask driver`.
#[must_use]
pub fn folder() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/driver");
    env::var_os("DRIVERS").map_or(built, PathBuf::from)
}

/// The files of both processors.
///
/// # Errors
/// A file is missing.
pub fn files(folder: &Path) -> Result<Vec<(Arch, Vec<u8>)>, String> {
    PROCESSORS
        .into_iter()
        .map(|(arch, name)| {
            let path = folder.join(name).join("tcplimit.sys");
            let file = fs::read(&path);
            let file = file.map_err(|error| {
                format!(
                    "{}: {error}; build it with cargo xtask driver",
                    path.display()
                )
            });
            Ok((arch, file?))
        })
        .collect()
}
