//! Format and lints; every finding is an error.

use crate::command::{self, Failure};
use crate::executables;
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// Runs rustfmt with its defaults on every crate.
pub(crate) fn format(workspace: &Workspace) -> Result<Outcome, Failure> {
    command::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed(String::new()))
}

/// Runs clippy on every target of every crate, and on the emulator if it can be compiled
/// here. In a whole run the build has done so, this program included.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Outcome, Failure> {
    let Some(findings) = executables::findings(workspace) else {
        return lint(workspace, &executables::workspace_arguments(workspace));
    };
    print!("{findings}");
    match findings.is_empty() {
        true => Ok(Outcome::Passed(String::new())),
        false => Err(Failure("the build has findings".into())),
    }
}

/// The same for crates that need only Rust's compiler.
pub(crate) fn quick(workspace: &Workspace) -> Result<Outcome, Failure> {
    lint(workspace, &executables::RUST_ONLY)
}

fn lint(workspace: &Workspace, select: &[&str]) -> Result<Outcome, Failure> {
    let mut clippy = workspace.cargo(&["clippy", "--locked", "--all-targets"]);
    command::run(clippy.args(select).args(["--", "-D", "warnings"]))?;
    Ok(Outcome::Passed(String::new()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::dependencies::{array_elements, metadata};

    #[test]
    fn a_whole_run_lints_every_program_and_benchmark() {
        let workspace = Workspace::current();
        let (programs, benchmarks) = executables::untested(&workspace).unwrap();
        let is = |value: &Value, names: &[String]| names.iter().any(|name| value == name);
        let mut linted = 0;
        for package in array_elements(&metadata(&workspace).unwrap()["packages"]) {
            let targets = || array_elements(&package["targets"]);
            // Cargo builds a crate's programs for its integration tests.
            let is_tested = targets().any(|target| target["kind"][0] == "test");
            // `cargo xtask` compiled it; `executables::build_all` asks for the warnings.
            let is_running = package["name"] == "xtask";
            for target in targets() {
                let (kind, name) = (&target["kind"][0], &target["name"]);
                if kind == "bin" {
                    assert!(is_tested || is_running || is(name, &programs), "{name}");
                } else if kind == "bench" {
                    assert!(is(name, &benchmarks), "{name}");
                }
                linted += 1;
            }
        }
        assert!(linted > 30, "{linted}");
    }
}
