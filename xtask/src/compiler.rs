//! Compilers for the two UEFI targets, for which the driver is built: without a
//! standard library and without floats.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// Both are soft-float, without SSE, MMX or x87.
pub(crate) const TARGETS: [&str; 2] = ["i686-unknown-uefi", "x86_64-unknown-uefi"];

/// How to get such a compiler.
pub(crate) const INSTALL_HINT: &str = "each of these installs a compiler for i686-unknown-uefi and \
    x86_64-unknown-uefi: \
    rustup target add i686-unknown-uefi x86_64-unknown-uefi; \
    rustup component add rust-src (stable or nightly); \
    on Debian: apt-get install rustc-web cargo-web rust-web-src lld-22";

/// A compiler and the origin of its `core`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The default compiler, with a prebuilt `core` for both targets.
    Prebuilt,
    /// The default compiler, with the source of `core`.
    Source,
    /// Debian's compiler, with the source from a separate package.
    Debian,
}

impl Compiler {
    /// All compilers on this machine, the preferred one first.
    pub(crate) fn all(workspace: &Workspace) -> Vec<Self> {
        [Self::Prebuilt, Self::Source, Self::Debian]
            .into_iter()
            .filter(|compiler| compiler.is_available(workspace))
            .collect()
    }

    fn is_available(self, workspace: &Workspace) -> bool {
        match self {
            Self::Prebuilt => self.sysroot(workspace).is_some_and(|sysroot| {
                let libraries = sysroot.join("lib/rustlib");
                TARGETS
                    .iter()
                    .all(|target| libraries.join(target).join("lib").is_dir())
            }),
            Self::Source => self
                .sysroot(workspace)
                .is_some_and(|sysroot| has_source(&sysroot)),
            Self::Debian => debian_is_new_enough(),
        }
    }

    /// `cargo build`, to be followed by the arguments that all compilers share.
    pub(crate) fn build(self, workspace: &Workspace) -> Command {
        let mut command = self.cargo(workspace, "build");
        if self.builds_core() {
            command.arg("-Zbuild-std=core,alloc");
        }
        command
    }

    /// A cargo command of this compiler, for another target.
    pub(crate) fn cargo(self, workspace: &Workspace, verb: &str) -> Command {
        let mut command = match self {
            Self::Prebuilt | Self::Source => workspace.cargo(&[verb]),
            Self::Debian => {
                let mut command = workspace.command("/usr/bin/cargo");
                command
                    .arg(verb)
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTDOC", "/usr/bin/rustdoc");
                command
            }
        };
        if self.builds_core() {
            // Building `core` is unstable; the language stays stable.
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
            // Flags for the host do not apply to these targets.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER");
        command
    }

    /// Whether it compiles `core` and `alloc` from source.
    pub(crate) fn builds_core(self) -> bool {
        self != Self::Prebuilt
    }

    /// A linker for PE files: the compiler's own, or LLVM's of the same version.
    pub(crate) fn linker(self, workspace: &Workspace) -> Option<PathBuf> {
        // Debian's compiler has none, but that of a rustup toolchain works.
        let own = [self, Self::Prebuilt]
            .into_iter()
            .find_map(|compiler| rust_lld(&compiler.sysroot(workspace)?));
        own.or_else(|| {
            ["rust-lld", "lld-link-22"]
                .into_iter()
                .find_map(|name| workspace.program(name))
        })
    }

    /// The version of its linker; `None` if it prints none.
    pub(crate) fn linker_version(self, workspace: &Workspace) -> Option<String> {
        let linker = self.linker(workspace)?;
        let mut ask = workspace.command(&linker.to_string_lossy());
        let output = command::capture(ask.arg("--version")).ok()?;
        output.status.success().then_some(output.out)
    }

    /// Its version: `rustc 1.95.0 (…)`.
    pub(crate) fn version(self, workspace: &Workspace) -> Result<String, Failure> {
        let mut ask = workspace.command(self.rustc());
        let output = command::capture(ask.arg("--version"))?.success("rustc --version")?;
        Ok(output.trim().into())
    }

    /// Versions of all compilers on this machine.
    pub(crate) fn versions(workspace: &Workspace) -> Vec<String> {
        let all = Self::all(workspace).into_iter();
        all.filter_map(|it| it.version(workspace).ok()).collect()
    }

    fn rustc(self) -> &'static str {
        match self {
            Self::Prebuilt | Self::Source => "rustc",
            Self::Debian => "/usr/bin/rustc",
        }
    }

    /// Folder of its libraries.
    fn sysroot(self, workspace: &Workspace) -> Option<PathBuf> {
        let mut print = workspace.command(self.rustc());
        let output = command::capture(print.args(["--print", "sysroot"])).ok()?;
        output
            .status
            .success()
            .then(|| PathBuf::from(output.out.trim()))
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Prebuilt => "rustup's compiler and core",
            Self::Source => "rustup's compiler, core built from its source",
            Self::Debian => "Debian's compiler, core built from its source",
        })
    }
}

fn has_source(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib/src/rust/library/core/Cargo.toml")
        .is_file()
}

/// The linker of a toolchain, in the folder named by its host.
fn rust_lld(sysroot: &Path) -> Option<PathBuf> {
    let name = format!("bin/rust-lld{}", env::consts::EXE_SUFFIX);
    let hosts = sysroot.join("lib/rustlib").read_dir().ok()?;
    hosts
        .flatten()
        .map(|host| host.path().join(&name))
        .find(|linker| linker.is_file())
}

/// Whether Debian's compiler has at least the workspace's minimum version, and its
/// library source is installed.
fn debian_is_new_enough() -> bool {
    if !has_source(Path::new("/usr")) || !Path::new("/usr/bin/cargo").exists() {
        return false;
    }
    command::capture(Command::new("/usr/bin/rustc").arg("--version"))
        .is_ok_and(|output| minor_version(&output.out) >= minor_version(MINIMUM))
}

/// The workspace's `rust-version`.
const MINIMUM: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"));

/// The 95 of `rustc 1.95.0 (…)`.
fn minor_version(output: &str) -> Option<u32> {
    output
        .strip_prefix("rustc 1.")?
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
