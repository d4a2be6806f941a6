//! The workspace's executables, for steps that run them.
//!
//! `cargo xtask test` builds them once, all together: for a single crate cargo would
//! build dependencies again with other features. The steps read a list of them; a step
//! run alone builds what it needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::{self, Failure};
use crate::emulator;
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// The environment variable with the path of the list, for the steps of
/// `cargo xtask test`.
pub(crate) const LIST: &str = "TCPLIMIT_XTASK_BUILT";

/// The program that checks the shipped files.
pub(crate) const CHECKER: &str = "checker";

/// The tool for files.
pub(crate) const WORKBENCH: &str = "tcplimit";

/// The kind of an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutableKind {
    Program,
    Example,
    /// Tests: of a library, a program, or integration tests.
    Tests,
}

/// An executable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Executable {
    /// Folder of its crate.
    pub(crate) package: PathBuf,
    pub(crate) kind: ExecutableKind,
    pub(crate) name: String,
    /// Its main source file, as cargo prints it when it runs tests.
    pub(crate) source: PathBuf,
    pub(crate) path: PathBuf,
}

impl Executable {
    /// Parses a line of cargo's JSON; `None` for other messages.
    fn from_message(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = message["executable"].as_str()?;
        let target = &message["target"];
        let kind = if message["profile"]["test"] == true {
            ExecutableKind::Tests
        } else if target["kind"][0] == "example" {
            ExecutableKind::Example
        } else {
            ExecutableKind::Program
        };
        let package = Path::new(message["manifest_path"].as_str()?).parent()?;
        let source = Path::new(target["src_path"].as_str()?);
        Some(Self {
            package: package.into(),
            kind,
            name: target["name"].as_str()?.into(),
            source: source.strip_prefix(package).unwrap_or(source).into(),
            path: path.into(),
        })
    }
}

/// Arguments that select the whole workspace, with the emulator if it can be compiled
/// here: always the same, so that nothing is built twice.
pub(crate) fn workspace_arguments(workspace: &Workspace) -> Vec<&'static str> {
    let mut words = vec!["--workspace"];
    if emulator::can_build(workspace) {
        words.extend(["--features", "emulator/unicorn"]);
    }
    words
}

/// Arguments that select the crates that need only Rust's compiler.
pub(crate) const RUST_ONLY: [&str; 3] = ["--workspace", "--exclude", "fuzz"];

/// Runs a cargo build; returns the executables.
fn build(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<Executable>, Failure> {
    let mut cargo = workspace.cargo(arguments);
    cargo.args(["--locked", "--message-format", "json-render-diagnostics"]);
    let output = command::capture_stdout(&mut cargo)?;
    if !output.status.success() {
        let words = arguments.join(" ");
        return Err(Failure(format!("cargo {words}: {}", output.status)));
    }
    let lines = output.out.lines();
    Ok(lines.filter_map(Executable::from_message).collect())
}

/// Arguments that make cargo build programs with the dependencies' features of tests, by
/// selecting some tests too: otherwise it would build the libraries twice.
const TEST_FEATURES: [&str; 2] = ["--test", "checks"];

/// Builds the checker of shipped files first, since the driver's step needs only it and
/// other steps wait for the driver; and the tool for files, with which Wine's step
/// locates the limits in its targets.
pub(crate) fn build_checker(workspace: &Workspace) -> Result<Outcome, Failure> {
    // The list of an earlier run is stale.
    let _ = fs::remove_file(list_path(workspace));
    let whole = workspace_arguments(workspace);
    let words = ["build", "--bin", CHECKER, "--bin", WORKBENCH];
    let built = build(workspace, &[&words[..], &TEST_FEATURES, &whole].concat())?;
    write(workspace, &built)?;
    Ok(Outcome::Passed(CHECKER.into()))
}

/// Builds all tests, examples and programs, and writes the list.
pub(crate) fn build_all(workspace: &Workspace) -> Result<Outcome, Failure> {
    let whole = workspace_arguments(workspace);
    let mut all = build(workspace, &[&["test", "--no-run"], &whole[..]].concat())?;
    // Building tests has built the programs that they run.
    let words = ["build", "--bin", "pack"];
    let pack = build(workspace, &[&words[..], &TEST_FEATURES, &whole].concat())?;
    let programs = pack.into_iter();
    all.extend(programs.filter(|it| it.kind == ExecutableKind::Program));
    write(workspace, &all)?;
    Ok(Outcome::Passed(format!("{} programs", all.len())))
}

/// Writes the list atomically: other steps may be reading it.
fn write(workspace: &Workspace, all: &[Executable]) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(all).map_err(|error| Failure(error.to_string()))?;
    let list = list_path(workspace);
    let staged = list.with_extension("new");
    fs::create_dir_all(workspace.target("report"))?;
    fs::write(&staged, text + "\n")?;
    fs::rename(staged, list)?;
    Ok(())
}

/// Path of the list.
pub(crate) fn list_path(workspace: &Workspace) -> PathBuf {
    workspace.target("report/built.json")
}

/// The list of this `cargo xtask test`; `None` outside of one.
fn read_list() -> Result<Option<Vec<Executable>>, Failure> {
    let Some(list) = env::var_os(LIST) else {
        return Ok(None);
    };
    let text = fs::read_to_string(list).map_err(|error| {
        Failure(format!(
            "no list of executables: did the step `build` fail? {error}"
        ))
    })?;
    let all = serde_json::from_str(&text).map_err(|error| Failure(error.to_string()))?;
    Ok(Some(all))
}

/// The path of a program or an example, from the list or built now.
pub(crate) fn program(
    workspace: &Workspace,
    kind: ExecutableKind,
    name: &str,
) -> Result<PathBuf, Failure> {
    let all = match read_list()? {
        Some(all) => all,
        None => {
            let select = match kind {
                ExecutableKind::Example => "--example",
                ExecutableKind::Program | ExecutableKind::Tests => "--bin",
            };
            let words = ["build", "--quiet", select, name];
            build(
                workspace,
                &[&words, &workspace_arguments(workspace)[..]].concat(),
            )?
        }
    };
    let mut found = all.into_iter();
    found
        .find(|it| it.kind == kind && it.name == name)
        .map(|it| it.path)
        .ok_or_else(|| Failure(format!("cargo built no {name}")))
}

/// Test programs, from the list or built now with these arguments.
pub(crate) fn tests(workspace: &Workspace, select: &[&str]) -> Result<Vec<Executable>, Failure> {
    let mut all = match read_list()? {
        Some(all) => all,
        None => build(workspace, &[&["test", "--no-run"], select].concat())?,
    };
    all.retain(|it| it.kind == ExecutableKind::Tests);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_known_by_its_line_of_cargo_json() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/r/verify/Cargo.toml",
            "target":{"kind":["test"],"name":"proof","src_path":"/r/verify/tests/proof/main.rs"},
            "profile":{"test":true},"executable":"/r/target/debug/deps/proof-01"}"#;
        let expected = Executable {
            package: "/r/verify".into(),
            kind: ExecutableKind::Tests,
            name: "proof".into(),
            source: "tests/proof/main.rs".into(),
            path: "/r/target/debug/deps/proof-01".into(),
        };
        assert_eq!(Executable::from_message(line), Some(expected));
        let library = line.replace(r#""/r/target/debug/deps/proof-01""#, "null");
        assert_eq!(Executable::from_message(&library), None);
        assert_eq!(Executable::from_message("not JSON"), None);
        let example = line.replace("\"test\":true", "\"test\":false");
        let example = example.replace("[\"test\"]", "[\"example\"]");
        assert_eq!(
            Executable::from_message(&example).unwrap().kind,
            ExecutableKind::Example
        );
    }
}
