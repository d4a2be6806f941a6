//! The shipped files: where they are.

use std::path::{Path, PathBuf};
use std::{env, fs};

use specimen::Arch;

/// Both processors, with the names of their folders.
pub const PROCESSORS: [(Arch, &str); 2] = [(Arch::X86, "x86"), (Arch::X64, "x64")];

/// Where `cargo xtask driver` puts them, or what DRIVERS says.
#[must_use]
pub fn folder() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/driver");
    env::var_os("DRIVERS").map_or(built, PathBuf::from)
}

/// The files of both processors.
///
/// # Errors
/// When one is missing.
pub fn files(folder: &Path) -> Result<Vec<(Arch, Vec<u8>)>, String> {
    PROCESSORS
        .into_iter()
        .map(|(arch, name)| {
            let path = folder.join(name).join("tcplimit.sys");
            let file = fs::read(&path);
            let file = file.map_err(|error| {
                format!("{}: {error}; cargo xtask driver makes it", path.display())
            });
            Ok((arch, file?))
        })
        .collect()
}
