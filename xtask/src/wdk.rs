//! Checks the driver's feature `wdk` as far as possible without Windows: Microsoft's
//! build scripts find their metadata, and the bindings fit structures with wdk-sys's
//! names and layouts.

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

/// Replaces wdk-sys, which builds on Windows only.
const STAND_IN: &str = "\n[patch.crates-io]\nwdk-sys = { path = \"verify/wdk-sys\" }\n";

/// The compiled sources, and the code that compiles them.
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

/// Skipped without the tools for the stand-in, or without a compiler for the target.
pub(crate) fn run(workspace: &Workspace, may_be_recorded: bool) -> Result<Outcome, Failure> {
    let inputs = Inputs::of(workspace, "wdk", &INPUTS, &Compiler::versions(workspace));
    inputs.unless_recorded(may_be_recorded, || check(workspace))
}

fn check(workspace: &Workspace) -> Result<Outcome, Failure> {
    check_metadata(&metadata(workspace)?)?;
    if !offsets::has_mingw(workspace) || !emulator::has_libclang() {
        let why = "no mingw-w64 or no libclang; cargo xtask setup installs them";
        return Ok(Outcome::Skipped(why.into()));
    }
    let compilers = Compiler::all(workspace);
    let Some(compiler) = compilers.into_iter().find(|it| it.builds_core()) else {
        let why = "no source of the standard library; cargo xtask setup installs it";
        return Ok(Outcome::Skipped(why.into()));
    };
    // In a copy, since the stand-in changes Cargo.lock.
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

/// cargo's metadata as wdk-build reads it: without features.
fn metadata(workspace: &Workspace) -> Result<Value, Failure> {
    let mut metadata = workspace.cargo(&["metadata", "--locked", "--format-version=1"]);
    let output = command::capture(&mut metadata)?.success("cargo metadata")?;
    serde_json::from_str(&output).map_err(|error| Failure(format!("cargo metadata: {error}")))
}

/// Checks that wdk-build would find itself and the driver model.
fn check_metadata(metadata: &Value) -> Result<(), Failure> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    if !packages().any(|package| package["name"] == "wdk-build") {
        let problem = "`cargo metadata` does not list wdk-build, which searches itself there";
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
