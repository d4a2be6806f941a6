//! The last run of `cargo xtask test`, in `target/report/run.json` for
//! `cargo xtask report`: sources, compiler and results.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::{self, Failure};
use crate::figures::{Figure, Observations, Suite};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Changes with the meaning of a field.
const SCHEMA: u32 = 2;

/// Folder with the records of steps that need not run again.
pub(crate) const RECORDED: &str = "xtask/recorded";

/// The step that runs the workspace's tests.
pub(crate) const TESTS: &str = "tests";

/// A run, possibly incomplete.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LastRun {
    schema: u32,
    pub(crate) sources: Sources,
    /// The output of `rustc --version`.
    pub(crate) compiler: String,
    /// Whether it completed; otherwise it was interrupted or is still running.
    pub(crate) complete: bool,
    pub(crate) steps: Vec<StepRecord>,
}

/// The state of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    /// The commit, in hexadecimal; `None` without git.
    pub(crate) commit: Option<String>,
    /// A hash of the uncommitted changes; `None` without changes.
    pub(crate) changed: Option<String>,
}

/// A step with its result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StepRecord {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// Elapsed time.
    pub(crate) seconds: f64,
    /// Processor time; `None` where the system has no such figure.
    pub(crate) processor_seconds: Option<f64>,
    /// The note of the table at the end of the run.
    pub(crate) note: String,
    /// Counts of its tests or checks.
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    pub(crate) observations: Observations,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    #[default]
    Passed,
    Failed,
    Skipped,
}

impl LastRun {
    /// Begins a run.
    pub(crate) fn begin(workspace: &Workspace) -> Result<Self, Failure> {
        let mut rustc = workspace.command("rustc");
        let compiler = command::capture(rustc.arg("--version"))?.success("rustc")?;
        Ok(Self {
            schema: SCHEMA,
            sources: Sources::now(workspace)?,
            compiler: compiler.trim().into(),
            complete: false,
            steps: Vec::new(),
        })
    }

    /// The last run; `None` if there is none.
    ///
    /// # Errors
    /// Its file can't be read, or is of another version of this program.
    pub(crate) fn read(workspace: &Workspace) -> Result<Option<Self>, Failure> {
        let path = path(workspace);
        if !path.is_file() {
            return Ok(None);
        }
        Self::parse(&fs::read_to_string(&path)?)
            .map(Some)
            .map_err(|why| Failure(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.schema != SCHEMA {
            return Err(format!("schema {}, not {SCHEMA}", record.schema));
        }
        Ok(record)
    }

    /// Writes it in place of the last one.
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<(), Failure> {
        let path = path(workspace);
        fs::create_dir_all(workspace.target("report"))?;
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            let path = path.display();
            Failure(format!("{path}: {error}"))
        })?;
        Ok(fs::write(path, text + "\n")?)
    }

    pub(crate) fn step(&self, name: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// A suite of the workspace's tests, by name.
    pub(crate) fn suite(&self, name: &str) -> Option<&Suite> {
        let mut suites = self.step(TESTS)?.observations.suites.iter();
        suites.find(|suite| suite.name == name)
    }

    /// Tests, checks and steps together, as in the run's last line.
    pub(crate) fn sum(&self) -> TestCounts {
        sum(&self.steps)
    }
}

/// Tests, checks and steps together; skipped steps and ignored tests count as ignored.
pub(crate) fn sum(steps: &[StepRecord]) -> TestCounts {
    let mut sum = TestCounts::default();
    for step in steps {
        let ended = |verdict| usize::from(step.verdict == verdict);
        sum += TestCounts {
            passed: step.passed + ended(Verdict::Passed),
            failed: step.failed + ended(Verdict::Failed),
            ignored: step.ignored + ended(Verdict::Skipped),
        };
    }
    sum
}

impl StepRecord {
    /// Reads a step that another process wrote.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).map_err(|error| Failure(error.to_string()))
    }

    /// Writes the step for another process.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure(error.to_string()))?;
        Ok(fs::write(path, text)?)
    }

    pub(crate) fn figure(&self, name: &str) -> Option<&Figure> {
        let mut figures = self.observations.figures.iter();
        figures.find(|figure| figure.name == name)
    }
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.target("report/run.json")
}

impl Sources {
    /// The current state.
    ///
    /// # Errors
    /// git fails although there is a commit.
    pub(crate) fn now(workspace: &Workspace) -> Result<Self, Failure> {
        let git = |arguments: &[&str]| {
            let mut git = workspace.command("git");
            command::capture(git.args(arguments))
        };
        let commit = match git(&["rev-parse", "--verify", "HEAD"]) {
            Ok(output) if output.status.success() => output.out.trim().to_owned(),
            // No git, or no repository.
            _ => {
                return Ok(Self {
                    commit: None,
                    changed: None,
                });
            }
        };
        // Records that the run itself writes do not count as changes.
        let but = format!(":!{RECORDED}");
        let changes = git(&["diff", "HEAD", "--binary", "--", ".", &but])?.success("git diff")?;
        let new = [
            "ls-files",
            "--others",
            "--exclude-standard",
            "--",
            ".",
            &but,
        ];
        let new = git(&new)?.success("git ls-files")?;
        let mut hash = DefaultHasher::new();
        (&changes, &new).hash(&mut hash);
        for file in new.lines() {
            fs::read(workspace.path(file)).ok().hash(&mut hash);
        }
        let changed = !changes.is_empty() || !new.is_empty();
        Ok(Self {
            commit: Some(commit),
            changed: changed.then(|| format!("{:016x}", hash.finish())),
        })
    }

    /// The state in words.
    pub(crate) fn describe(&self) -> String {
        let commit = self.commit.as_deref().map_or_else(
            || "sources without a commit".into(),
            |commit| format!("commit {}", commit.get(..12).unwrap_or(commit)),
        );
        match self.changed {
            Some(_) => format!("{commit} with uncommitted changes"),
            None => commit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_run_is_read_back_and_other_versions_are_refused() {
        let record = LastRun {
            schema: SCHEMA,
            sources: Sources {
                commit: Some("0123456789abcdef".into()),
                changed: None,
            },
            compiler: "rustc 1.95.0".into(),
            complete: true,
            steps: vec![StepRecord {
                name: "tests".into(),
                verdict: Verdict::Failed,
                seconds: 1.5,
                processor_seconds: Some(2.5),
                note: "<one> failed".into(),
                passed: 3,
                failed: 1,
                ignored: 0,
                observations: Observations::default(),
            }],
        };
        let text = serde_json::to_string(&record).unwrap();
        let read = LastRun::parse(&text).unwrap();
        assert_eq!(read.sources, record.sources);
        assert_eq!(read.step("tests").unwrap().note, "<one> failed");
        // Three tests; one that failed, and its step.
        assert_eq!((read.sum().passed, read.sum().failed), (3, 2));
        assert!(LastRun::parse(&text.replace("\"schema\":2", "\"schema\":1")).is_err());
        assert!(LastRun::parse("{").is_err());
    }

    #[test]
    fn sources_with_changes_are_no_commit() {
        let commit = Sources {
            commit: Some("0123456789abcdef".into()),
            changed: None,
        };
        let changed = Sources {
            changed: Some("1".into()),
            ..commit.clone()
        };
        assert_ne!(commit, changed);
        assert_eq!(commit.describe(), "commit 0123456789ab");
        assert!(changed.describe().ends_with("with uncommitted changes"));
    }
}
