//! The compiler of the workspace's crates under another name: this program, as a wrapper
//! of rustc.
//!
//! Cargo keeps these builds separate from others in the same folder, and both share all
//! dependencies. `cargo xtask fuzz` adds coverage, `cargo xtask broken` builds another
//! version of the sources, and `cargo xtask test` compiles with clippy, which finds the
//! same as `cargo clippy` without compiling all dependencies a second time.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::command::{self, Failure};
use crate::workspace::Workspace;

/// The names under which this program is a compiler.
const INSTRUMENTED: &str = "rustc-noting-coverage";
const BROKEN: &str = "rustc-broken";
const LINTING: &str = "rustc-linting";

/// The compiler with clippy's lints.
const CLIPPY: &str = "clippy-driver";

/// The flags for libFuzzer's coverage, as in cargo-fuzz.
const COVERAGE: [&str; 9] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=16",
    "-Cdebug-assertions",
];

/// Makes a cargo build instrument the workspace's crates.
pub(crate) fn instrument(workspace: &Workspace, build: &mut Command) -> Result<(), Failure> {
    configure(workspace, build, INSTRUMENTED)?;
    build.env("CARGO_INCREMENTAL", "0");
    Ok(())
}

/// Makes a cargo build keep the workspace's crates separate from unchanged ones.
pub(crate) fn build_separately(workspace: &Workspace, build: &mut Command) -> Result<(), Failure> {
    configure(workspace, build, BROKEN)
}

/// Makes a cargo build report clippy's findings as warnings; returns whether clippy is
/// installed, and changes nothing if not.
pub(crate) fn lint(workspace: &Workspace, build: &mut Command) -> Result<bool, Failure> {
    let version = command::capture(workspace.command(CLIPPY).arg("--version"));
    let is_installed = version.is_ok_and(|output| output.status.success());
    if is_installed {
        configure(workspace, build, LINTING)?;
    }
    Ok(is_installed)
}

fn configure(workspace: &Workspace, build: &mut Command, name: &str) -> Result<(), Failure> {
    let folder = workspace.target("tools");
    fs::create_dir_all(&folder)?;
    // For cargo a compiler at another path is a different one; the name contains a hash
    // of the flags, so that other flags are too. The copy survives a rebuild of this
    // program.
    let mut flags = DefaultHasher::new();
    COVERAGE.hash(&mut flags);
    let flags = flags.finish();
    let name = folder.join(format!("{name}-{flags:016x}{}", env::consts::EXE_SUFFIX));
    let copy = folder.join(format!("rustc-{}", std::process::id()));
    fs::copy(Workspace::own_executable()?, &copy)?;
    fs::rename(&copy, &name)?;
    build.env("RUSTC_WORKSPACE_WRAPPER", name);
    Ok(())
}

/// Compiles, if this program was started as the compiler. Must be called first.
pub(crate) fn run_as_rustc() -> Option<ExitCode> {
    let mut words = env::args_os();
    let program = words.next()?;
    let name = Path::new(&program).file_stem()?.to_str()?;
    let (name, _flags) = name.rsplit_once('-')?;
    let rustc = words.next()?;
    let words: Vec<OsString> = words.collect();
    let mut compile = Command::new(&rustc);
    match name {
        INSTRUMENTED if !is_build_script(&words) => {
            compile.args(&words).args(COVERAGE);
        }
        INSTRUMENTED | BROKEN => {
            compile.args(&words);
        }
        LINTING => {
            compile = Command::new(CLIPPY);
            // A finding must not keep the tests from being built.
            compile.arg(&rustc).args(&words).arg("--cap-lints=warn");
        }
        _ => return None,
    }
    Some(match compile.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", rustc.display());
            ExitCode::FAILURE
        }
    })
}

/// Whether the crate is a build script, which is linked without libFuzzer.
fn is_build_script(words: &[OsString]) -> bool {
    words
        .windows(2)
        .any(|pair| pair[0] == "--crate-name" && pair[1] == "build_script_build")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_scripts_record_no_coverage() {
        let is_build_script = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            is_build_script(&words)
        };
        assert!(is_build_script(&["--crate-name", "build_script_build"]));
        assert!(!is_build_script(&["--crate-name", "scanner_core"]));
        assert!(!is_build_script(&["-vV"]));
    }
}
