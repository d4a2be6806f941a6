//! scanner-core built where there is no standard library and no float: the two
//! UEFI targets, which are also what the driver is built for.

use std::path::Path;
use std::process::Command;

use crate::command::{self, Failure};
use crate::report::Outcome;
use crate::workspace::Workspace;

/// Both are soft-float, without SSE, MMX or x87.
pub(crate) const TARGETS: [&str; 2] = ["i686-unknown-uefi", "x86_64-unknown-uefi"];

/// Who can build for [`TARGETS`] here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// rustup's, with both targets installed.
    Rustup,
    /// Debian's, which brings the source of `core` in a package of its own.
    Debian,
}

impl Compiler {
    /// The compiler to use, if this machine has one.
    pub(crate) fn find(workspace: &Workspace) -> Option<Self> {
        if rustup_has_targets(workspace) {
            Some(Self::Rustup)
        } else if debian_is_new_enough() {
            Some(Self::Debian)
        } else {
            None
        }
    }

    /// `cargo build` for a target, before the words both compilers share.
    fn build(self, workspace: &Workspace) -> Command {
        match self {
            Self::Rustup => workspace.cargo(&["build"]),
            Self::Debian => {
                let mut command = workspace.command("/usr/bin/cargo");
                command
                    .args(["build", "-Zbuild-std=core"])
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTDOC", "/usr/bin/rustdoc")
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
        }
    }
}

/// Builds for every target; loudly skipped without a compiler for them.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(compiler) = Compiler::find(workspace) else {
        let why = "no compiler for i686-unknown-uefi and x86_64-unknown-uefi: cargo xtask setup";
        return Ok(Outcome::Skipped(why.into()));
    };
    let mut build = compiler.build(workspace);
    build
        .args(["--locked", "--release", "--package", "scanner-core"])
        .args(TARGETS.iter().flat_map(|target| ["--target", target]))
        .arg("--target-dir")
        .arg(workspace.made("no-std"))
        // Flags for the host's processor mean nothing to these targets.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER");
    command::run(&mut build)?;
    Ok(Outcome::Passed(format!(
        "{} with {}",
        TARGETS.join(", "),
        match compiler {
            Compiler::Rustup => "rustup's compiler",
            Compiler::Debian => "Debian's compiler",
        }
    )))
}

fn rustup_has_targets(workspace: &Workspace) -> bool {
    if !workspace.has_program("rustup") {
        return false;
    }
    let mut list = workspace.command("rustup");
    list.args(["target", "list", "--installed"]);
    command::listen(&mut list).is_ok_and(|said| {
        let installed: Vec<&str> = said.out.lines().map(str::trim).collect();
        TARGETS.iter().all(|target| installed.contains(target))
    })
}

/// Debian's compiler counts when it is at least the workspace's minimum and its
/// library source is installed.
fn debian_is_new_enough() -> bool {
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core/Cargo.toml");
    if !source.exists() || !Path::new("/usr/bin/cargo").exists() {
        return false;
    }
    command::listen(Command::new("/usr/bin/rustc").arg("--version"))
        .is_ok_and(|said| minor_version(&said.out) >= minor_version(MINIMUM))
}

/// The workspace's `rust-version`.
const MINIMUM: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"));

/// The 95 of `rustc 1.95.0 (…)`.
fn minor_version(said: &str) -> Option<u32> {
    said.strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_are_compared_by_their_minor_version() {
        assert_eq!(minor_version("rustc 1.96.0 (built from source)"), Some(96));
        assert_eq!(minor_version("rustc 1.95"), Some(95));
        assert!(minor_version("rustc 1.63.0") < minor_version(MINIMUM));
        assert_eq!(minor_version("gcc 12"), None);
    }
}
