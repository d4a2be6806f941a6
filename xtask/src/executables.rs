//! The workspace's executables, for steps that run them.
//!
//! `cargo xtask test` builds them once, all together: for a single crate cargo would
//! build dependencies again with other features. The steps read a list of them; a step
//! run alone builds what it needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::{self, Failure};
use crate::emulator;
use crate::rustc_wrapper;
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// The environment variable with the path of the list, for the steps of
/// `cargo xtask test`.
pub(crate) const LIST: &str = "TCPLIMIT_XTASK_BUILT";

/// The program that checks the shipped files.
pub(crate) const CHECKER: &str = "checker";

/// The tool for files.
pub(crate) const WORKBENCH: &str = "tcplimit";

/// The program that packs the release; its crate has no integration tests.
const PACK: &str = "pack";

/// The proof that nothing panics: in this profile an ordinary program.
const PANIC_FREE: &str = "panic-free";

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
    let lines = run_build(&mut cargo, arguments)?;
    Ok(lines.lines().filter_map(Executable::from_message).collect())
}

/// Runs a cargo build of a whole run, with lints; returns the executables and the
/// findings, `None` without clippy. Cargo repeats the findings of crates that it need
/// not compile again.
fn build_and_lint(
    workspace: &Workspace,
    arguments: &[&str],
) -> Result<(Vec<Executable>, Option<String>), Failure> {
    let mut cargo = workspace.cargo(arguments);
    cargo.args(["--locked", "--message-format", "json"]);
    let lints = rustc_wrapper::lint(workspace, &mut cargo)?;
    let lines = run_build(&mut cargo, arguments)?;
    let executables = lines.lines().filter_map(Executable::from_message);
    let findings: String = lines.lines().filter_map(finding).collect();
    Ok((executables.collect(), lints.then_some(findings)))
}

/// The text of a compiler's message in a line of cargo's JSON; `None` for other lines.
fn finding(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = &line["message"];
    let is_finding = matches!(message["level"].as_str()?, "warning" | "error");
    // The closing line with the number of warnings has no code.
    let is_finding = is_finding && !message["code"].is_null();
    is_finding.then(|| message["rendered"].as_str().map(str::to_owned))?
}

fn run_build(cargo: &mut Command, arguments: &[&str]) -> Result<String, Failure> {
    let output = command::capture_stdout(cargo)?;
    if !output.status.success() {
        output
            .out
            .lines()
            .filter_map(finding)
            .for_each(|text| println!("{text}"));
        let words = arguments.join(" ");
        return Err(Failure(format!("cargo {words}: {}", output.status)));
    }
    Ok(output.out)
}

/// Builds the checker of shipped files first, since the driver's step needs only it and
/// other steps wait for the driver; and the tool for files, with which Wine's step
/// locates the limits in its targets.
pub(crate) fn build_checker(workspace: &Workspace) -> Result<Outcome, Failure> {
    // Those of an earlier run are stale.
    for list in [list_path(workspace), findings_path(workspace)] {
        let _ = fs::remove_file(list);
    }
    let whole = workspace_arguments(workspace);
    let words = ["build", "--bin", CHECKER, "--bin", WORKBENCH];
    let (built, _) = build_and_lint(workspace, &[&words[..], &whole].concat())?;
    write(workspace, &built)?;
    Ok(Outcome::Passed(CHECKER.into()))
}

/// Builds and lints all tests, examples, programs and benchmarks, and writes the lists of
/// executables and of findings.
pub(crate) fn build_all(workspace: &Workspace) -> Result<Outcome, Failure> {
    let whole = workspace_arguments(workspace);
    let (mut all, findings) =
        build_and_lint(workspace, &[&["test", "--no-run"], &whole[..]].concat())?;
    // Building tests has built the programs that they run.
    let (programs, benchmarks) = untested(workspace)?;
    let programs = programs.iter().flat_map(|name| ["--bin", name]);
    let benchmarks = benchmarks.iter().flat_map(|name| ["--bench", name]);
    let words: Vec<&str> = ["build"]
        .into_iter()
        .chain(programs)
        .chain(benchmarks)
        .collect();
    let (others, more) = build_and_lint(workspace, &[&words[..], &whole].concat())?;
    all.extend(others.into_iter().filter(|it| it.name == PACK));
    write(workspace, &all)?;
    if let Some((findings, more)) = findings.zip(more) {
        // Clippy has read this program's sources with its tests; of the program, cargo
        // repeats what rustc warned of.
        let words = ["build", "--package", "xtask", "--locked"];
        let mut itself = workspace.cargo(&words);
        let lines = run_build(itself.args(["--message-format", "json"]), &words)?;
        let warnings: String = lines.lines().filter_map(finding).collect();
        fs::write(findings_path(workspace), findings + &more + &warnings)?;
    }
    Ok(Outcome::Passed(format!("{} programs", all.len())))
}

/// The findings of this `cargo xtask test`; `None` outside of one, and without clippy.
pub(crate) fn findings(workspace: &Workspace) -> Option<String> {
    let findings = is_whole_run().then(|| fs::read_to_string(findings_path(workspace)));
    findings?.ok()
}

fn findings_path(workspace: &Workspace) -> PathBuf {
    workspace.target("report/findings.txt")
}

/// Programs of crates without integration tests, and benchmarks.
pub(crate) fn untested(workspace: &Workspace) -> Result<(Vec<String>, Vec<String>), Failure> {
    let mut programs = fuzz_targets(workspace)?;
    programs.extend([PACK, PANIC_FREE].map(str::to_owned));
    Ok((programs, file_names(workspace, "cli/benches")?))
}

/// The names of the fuzz targets.
pub(crate) fn fuzz_targets(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    file_names(workspace, "fuzz/fuzz_targets")
}

/// The names of the files in a folder, without their extensions.
fn file_names(workspace: &Workspace, folder: &str) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.path(folder))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
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

/// Whether this is a step of a `cargo xtask test` that has built everything.
pub(crate) fn is_whole_run() -> bool {
    env::var_os(LIST).is_some()
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
    use std::collections::BTreeSet;

    use super::*;

    /// Dependencies with their features, as `serde 1.0.229 alloc,std`.
    fn features(edges: &str) -> BTreeSet<String> {
        let workspace = Workspace::current();
        let mut tree = workspace.cargo(&["tree", "--locked", "--offline", "--prefix=none"]);
        tree.args(workspace_arguments(&workspace)).args([
            "--no-dedupe",
            "--format={p} {f}",
            "--edges",
            edges,
        ]);
        let output = command::capture(&mut tree).unwrap();
        let lines = output.success("cargo tree").unwrap();
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn programs_and_tests_share_all_libraries() {
        let programs = features("normal,build");
        assert!(programs.len() > 100, "{programs:?}");
        let tests = features("normal,build,dev");
        let other: Vec<_> = programs.difference(&tests).collect();
        // Add these features to a dependency of a crate that is never shipped.
        assert!(other.is_empty(), "compiled again for tests: {other:?}");
    }

    #[test]
    fn each_warning_of_the_compiler_is_a_finding_and_its_summary_is_none() {
        let line = r#"{"reason":"compiler-message","message":{"level":"warning",
            "code":{"code":"unused_mut"},"rendered":"warning: no need"}}"#;
        assert_eq!(finding(line).as_deref(), Some("warning: no need"));
        let error = line.replace(r#""warning""#, r#""error""#);
        assert!(finding(&error).is_some());
        for other in [
            line.replace(r#"{"code":"unused_mut"}"#, "null"),
            line.replace(r#""warning""#, r#""note""#),
            r#"{"reason":"build-finished","success":true}"#.into(),
            "not JSON".into(),
        ] {
            assert_eq!(finding(&other), None, "{other}");
        }
    }

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
