//! The linker of `cargo xtask driver`: this program, as a wrapper of the real one.
//!
//! For the UEFI targets rustc's last argument to the linker requests debug information,
//! after everything that a build script can add. The image would then name a PDB file by
//! a hash of the linker's command line with all its paths, and two folders would not
//! build the same driver. Only a wrapper can add a further argument.
//!
//! Cargo does not link again when this file changes: remove `target/driver-build`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::workspace::Workspace;

/// The environment variable that turns this program into a linker: the path of the real
/// one.
const REAL_LINKER: &str = "TCPLIMIT_XTASK_LINKER";

/// Makes a cargo build link with this program.
pub(crate) fn configure(build: &mut Command, target: &str, real: &Path) -> std::io::Result<()> {
    let target = target.to_uppercase().replace('-', "_");
    let linker = Workspace::own_executable()?;
    build
        .env(format!("CARGO_TARGET_{target}_LINKER"), linker)
        .env(REAL_LINKER, real);
    Ok(())
}

/// Links, if this program was started as the linker. Must be called first.
pub(crate) fn run_as_linker() -> Option<ExitCode> {
    let real = env::var_os(REAL_LINKER)?;
    let mut link = Command::new(&real);
    link.args(arguments(env::args_os().skip(1)));
    Some(match link.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", real.display());
            ExitCode::FAILURE
        }
    })
}

fn arguments(given: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    given.chain(["/DEBUG:NONE".into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_argument_disables_debug_information() {
        let given = ["-flavor", "link", "/DEBUG:NODWARF"].map(OsString::from);
        assert_eq!(
            arguments(given.into_iter()).last(),
            Some("/DEBUG:NONE".into())
        );
    }
}
