//! The driver's feature `wdk`, as far as a machine without Windows can check it:
//! that Microsoft's build scripts find what they look for, and that the bindings
//! fit structures of the names and shapes that wdk-sys has.

use std::fs;

use serde_json::Value;

use crate::command::{self, Failure};
use crate::compiler::Compiler;
use crate::emulator;
use crate::offsets;
use crate::recorded::Inputs;
use crate::summary::Outcome;
use crate::workspace::Workspace;

const TARGET: &str = "x86_64-pc-windows-msvc";

/// Takes the place of wdk-sys, which is built on Windows only.
const STAND_IN: &str = "\n[patch.crates-io]\nwdk-sys = { path = \"verify/wdk-sys\" }\n";

/// What is compiled, and how.
pub(crate) const INPUTS: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "driver",
    "scanner-core",
    "verify/wdk-sys",
    "xtask/src/compiler.rs",
    "xtask/src/offsets.rs",
    "xtask/src/wdk.rs",
];

/// Loudly skipped without what the stand-in is made of, or a compiler for the
/// target.
pub(crate) fn run(workspace: &Workspace, may_be_recorded: bool) -> Result<Outcome, Failure> {
    let inputs = Inputs::of(workspace, "wdk", &INPUTS, &Compiler::versions(workspace));
    inputs.unless_recorded(may_be_recorded, || check(workspace))
}

fn check(workspace: &Workspace) -> Result<Outcome, Failure> {
    check_metadata(&metadata(workspace)?)?;
    if !offsets::has_mingw(workspace) || !emulator::has_libclang() {
        let why = "no mingw-w64 or no libclang: cargo xtask setup";
        return Ok(Outcome::Skipped(why.into()));
    }
    let compilers = Compiler::all(workspace);
    let Some(compiler) = compilers.into_iter().find(|it| it.builds_core()) else {
        let why = "no source of the standard library: cargo xtask setup";
        return Ok(Outcome::Skipped(why.into()));
    };
    // In a copy, since another wdk-sys means another Cargo.lock.
    let copy = workspace.copy(workspace.target("wdk/copy"))?;
    let manifest = copy.path("Cargo.toml");
    fs::write(&manifest, fs::read_to_string(&manifest)? + STAND_IN)?;
    let mut check = compiler.cargo(&copy, "check");
    check
        .args(["--package", "tcplimit-driver", "--bin", "tcplimit-sys"])
        .args(["--features", "wdk", "--profile", "driver"])
        .args(["--target", TARGET, "-Zbuild-std=core"])
        .arg("--target-dir")
        .arg(workspace.target("wdk/build"))
        .env(
            "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_RUSTFLAGS",
            "-Dwarnings",
        );
    command::run(&mut check)?;
    Ok(Outcome::Passed(format!(
        "{TARGET} over mingw-w64's headers with {compiler}"
    )))
}

/// As wdk-build calls it: without features.
fn metadata(workspace: &Workspace) -> Result<Value, Failure> {
    let mut metadata = workspace.cargo(&["metadata", "--locked", "--format-version=1"]);
    let output = command::capture(&mut metadata)?.success("cargo metadata")?;
    serde_json::from_str(&output).map_err(|error| Failure(format!("cargo metadata: {error}")))
}

/// Whether wdk-build would find itself, and what kind of driver this is.
fn check_metadata(metadata: &Value) -> Result<(), Failure> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    if !packages().any(|package| package["name"] == "wdk-build") {
        let problem = "wdk-build looks for itself in `cargo metadata`, and is not listed there";
        return Err(Failure(problem.into()));
    }
    let kinds = || packages().map(|package| &package["metadata"]["wdk"]["driver-model"]);
    let kinds: Vec<&Value> = kinds().filter(|kind| !kind.is_null()).collect();
    match kinds[..] {
        [kind] if kind["driver-type"] == "WDM" => Ok(()),
        _ => Err(Failure(format!(
            "`cargo metadata` must name one driver model, WDM: {kinds:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, metadata: &Value) -> Value {
        json!({ "name": name, "metadata": metadata })
    }

    #[test]
    fn wdk_build_must_be_listed_and_the_driver_must_be_the_only_one_and_wdm() {
        let build = package("wdk-build", &Value::Null);
        let driver = |kind| {
            let model = json!({ "wdk": { "driver-model": { "driver-type": kind } } });
            package("driver", &model)
        };
        let holds = |packages: &[Value]| check_metadata(&json!({ "packages": packages })).is_ok();
        assert!(holds(&[build.clone(), driver("WDM")]));
        assert!(!holds(&[driver("WDM")]));
        assert!(!holds(std::slice::from_ref(&build)));
        assert!(!holds(&[build.clone(), driver("KMDF")]));
        assert!(!holds(&[build, driver("WDM"), driver("WDM")]));
    }
}
