//! Steps that a whole run of `cargo xtask test` skips while their inputs have not
//! changed since they passed.
//!
//! The inputs of a step are its files and folders at the commit, and the versions of the
//! programs that it runs. Its file in `xtask/recorded` has the digest of the inputs for
//! which it passed, and a note. A named step (`cargo xtask test systems`) always runs,
//! and the nightly workflow runs all steps.

use std::fs;
use std::path::PathBuf;

use crate::command::{self, Failure};
use crate::last_run::RECORDED;
use crate::summary::Outcome;
use crate::workspace::{Workspace, unattended};

/// The current inputs of a step.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    workspace: &'a Workspace,
    step: &'static str,
    /// The digest and the commit; `None` with uncommitted changes or without git.
    now: Option<(String, String)>,
}

impl<'a> Inputs<'a> {
    /// The inputs of a step: paths from the repository's root, and versions of programs.
    pub(crate) fn of(
        workspace: &'a Workspace,
        step: &'static str,
        paths: &[&str],
        versions: &[String],
    ) -> Self {
        let now = committed_digest(workspace, step, paths, versions);
        Self {
            workspace,
            step,
            now,
        }
    }

    /// Runs the step, unless it may be skipped and is recorded.
    pub(crate) fn unless_recorded(
        &self,
        may_be_recorded: bool,
        run: impl FnOnce() -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        if let Some(note) = self.recorded().filter(|_| may_be_recorded) {
            return Ok(Outcome::Passed(note));
        }
        let outcome = run()?;
        if let Outcome::Passed(_) = outcome {
            self.record("recorded at COMMIT; no input has changed since")?;
        }
        Ok(outcome)
    }

    /// The note of a record for the same inputs.
    pub(crate) fn recorded(&self) -> Option<String> {
        let (digest, _) = self.now.as_ref()?;
        let text = fs::read_to_string(self.file()).ok()?;
        let mut lines = text.lines();
        (lines.next() == Some(digest)).then(|| lines.collect::<Vec<_>>().join("\n"))
    }

    /// Records that the step has passed. Unattended runs record nothing: nobody commits from
    /// their clones.
    pub(crate) fn record(&self, note: &str) -> Result<(), Failure> {
        if let Some((digest, commit)) = self.now.as_ref().filter(|_| !unattended()) {
            let note = note.replace("COMMIT", commit);
            fs::create_dir_all(self.workspace.path(RECORDED))?;
            fs::write(self.file(), format!("{digest}\n{note}\n"))?;
            println!("--- recorded in {RECORDED}/{}; commit this file", self.step);
        }
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.workspace.path(RECORDED).join(self.step)
    }
}

/// The digest of the committed inputs, and the commit.
fn committed_digest(
    workspace: &Workspace,
    step: &str,
    paths: &[&str],
    versions: &[String],
) -> Option<(String, String)> {
    let git = |words: &[&str]| {
        let mut git = workspace.command("git");
        let output = command::capture(git.args(words)).ok()?;
        output.status.success().then_some(output.out)
    };
    let changed = git(&[&["status", "--porcelain", "--"], paths].concat())?;
    let files = git(&[&["ls-tree", "-r", "HEAD", "--"], paths].concat())?;
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let is_known = changed.is_empty() && !files.is_empty();
    let text = format!("{files}{}", versions.join("\n"));
    let inputs = workspace.target(&format!("tmp/inputs-{step}"));
    fs::create_dir_all(workspace.target("tmp")).ok()?;
    fs::write(&inputs, text).ok()?;
    let digest = digests(workspace, &[inputs]).ok()?;
    is_known.then(|| (digest, commit.trim().into()))
}

/// The digest of each file by git, one per line.
pub(crate) fn digests(workspace: &Workspace, files: &[PathBuf]) -> Result<String, Failure> {
    let mut git = workspace.command("git");
    git.args(["hash-object", "--no-filters"]).args(files);
    let output = command::capture(&mut git)?.success("git hash-object")?;
    Ok(output.trim().into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{cross_check, driver, wdk};

    /// A repository with one file, committed.
    fn repository(name: &str) -> Workspace {
        let root = Workspace::current().target("tmp").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let workspace = Workspace::at(root);
        fs::write(workspace.path("read"), "one").unwrap();
        fs::write(workspace.path("other"), "one").unwrap();
        for words in [&["init", "--quiet"][..], &["add", "."]] {
            assert!(
                workspace
                    .command("git")
                    .args(words)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        commit(&workspace);
        workspace
    }

    fn commit(workspace: &Workspace) {
        let mut git = workspace.command("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "commit"]);
        git.args(["--quiet", "--all", "--message", "a", "--allow-empty"]);
        assert!(git.status().unwrap().success());
    }

    #[test]
    fn a_step_runs_again_when_its_inputs_have_changed() {
        let workspace = repository("recorded");
        let digest = |versions: &[String]| {
            committed_digest(&workspace, "step", &["read"], versions).map(|(digest, _)| digest)
        };
        let first = digest(&[]).unwrap();
        fs::write(workspace.path("other"), "two").unwrap();
        assert_eq!(digest(&[]).as_ref(), Some(&first));
        commit(&workspace);
        assert_eq!(digest(&[]).as_ref(), Some(&first));
        assert_ne!(digest(&["rustc 2".into()]).as_ref(), Some(&first));
        fs::write(workspace.path("read"), "two").unwrap();
        assert_eq!(digest(&[]), None);
        commit(&workspace);
        assert_ne!(digest(&[]).unwrap(), first);
    }

    #[test]
    fn a_step_is_skipped_only_if_recorded_for_the_same_inputs() {
        let workspace = repository("unless");
        let ended = |may_be_recorded| {
            let inputs = Inputs::of(&workspace, "step", &["read"], &[]);
            let mut ran = false;
            let outcome = inputs.unless_recorded(may_be_recorded, || {
                ran = true;
                Ok(Outcome::Passed(String::new()))
            });
            assert!(matches!(outcome, Ok(Outcome::Passed(_))));
            ran
        };
        let inputs = Inputs::of(&workspace, "step", &["read"], &[]);
        let (digest, _) = inputs.now.as_ref().unwrap();
        assert!(ended(true));
        fs::create_dir_all(workspace.path(RECORDED)).unwrap();
        fs::write(inputs.file(), format!("{digest}\na note\n")).unwrap();
        assert_eq!(inputs.recorded().as_deref(), Some("a note"));
        assert!(!ended(true));
        assert!(ended(false));
        fs::write(inputs.file(), format!("{digest}0\na note\n")).unwrap();
        assert!(ended(true));
    }

    /// The manifests of a package and of the workspace's crates that it needs.
    fn manifests_of(metadata: &Value, package: &str, found: &mut Vec<String>) {
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        let package = packages.find(|it| it["name"] == package).unwrap();
        let manifest = package["manifest_path"].as_str().unwrap();
        if found.iter().any(|it| it == manifest) {
            return;
        }
        found.push(manifest.into());
        for dependency in package["dependencies"].as_array().unwrap() {
            if dependency["kind"] != "dev" && dependency["path"].is_string() {
                manifests_of(metadata, dependency["name"].as_str().unwrap(), found);
            }
        }
    }

    #[test]
    fn every_compiled_crate_is_an_input() {
        let workspace = Workspace::current();
        let words = ["metadata", "--no-deps", "--offline", "--format-version=1"];
        let output = command::capture(&mut workspace.cargo(&words)).unwrap();
        let metadata: Value = serde_json::from_str(&output.out).unwrap();
        let steps: [(&[&str], &[&str]); 3] = [
            (&cross_check::INPUTS, &["tcplimit"]),
            (&wdk::INPUTS, &["tcplimit-driver"]),
            (&driver::INPUTS, &["tcplimit-driver", "tcplimit-xp"]),
        ];
        for (read, packages) in steps {
            let mut found = Vec::new();
            for package in packages {
                manifests_of(&metadata, package, &mut found);
            }
            assert!(found.len() > 1, "{found:?}");
            for manifest in found {
                let is_read =
                    |path: &&str| manifest.starts_with(&*workspace.path(path).to_string_lossy());
                assert!(read.iter().any(is_read), "{manifest}");
            }
            for path in read {
                assert!(workspace.path(path).exists(), "{path}");
            }
        }
    }
}
