//! The test programs that have passed unchanged, for `cargo xtask test --quick`, in
//! `target/report/passed.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::command::Failure;
use crate::executables::Executable;
use crate::workspace::{Workspace, last_modified};

const FILE: &str = "report/passed.json";

/// Inputs of tests besides their sources.
const INPUTS: [&str; 6] = [
    "Cargo.toml",
    "README.md",
    "corpus",
    "docs",
    "fuzz",
    "verify/wine",
];

/// The timestamps with which programs passed, by path.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TestCache(BTreeMap<PathBuf, Timestamps>);

/// Times of the build and of the last change of its inputs, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Timestamps {
    built: u64,
    read: u64,
}

impl TestCache {
    /// Reads the cache; empty without a run, or after one of another version.
    pub(crate) fn read(workspace: &Workspace) -> Self {
        let text = fs::read_to_string(workspace.target(FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) fn write(&self, workspace: &Workspace) -> Result<(), Failure> {
        fs::create_dir_all(workspace.target("report"))?;
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Failure(error.to_string()))?;
        Ok(fs::write(workspace.target(FILE), text + "\n")?)
    }

    /// Whether the program has passed with its current timestamps.
    pub(crate) fn is_current(&self, workspace: &Workspace, program: &Executable) -> bool {
        let now = Timestamps::of(workspace, program);
        now.is_some() && self.0.get(&program.path).copied() == now
    }

    pub(crate) fn add(&mut self, workspace: &Workspace, program: &Executable) {
        if let Some(now) = Timestamps::of(workspace, program) {
            self.0.insert(program.path.clone(), now);
        }
    }
}

impl Timestamps {
    fn of(workspace: &Workspace, program: &Executable) -> Option<Self> {
        let read = INPUTS
            .iter()
            .map(|path| last_modified(&workspace.path(path)));
        Some(Self {
            built: nanoseconds(last_modified(&program.path)?)?,
            read: nanoseconds(read.flatten().max()?)?,
        })
    }
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::executables::ExecutableKind;

    #[test]
    fn a_rebuilt_program_has_not_passed() {
        let workspace = Workspace::current();
        let path = std::env::temp_dir().join(format!("tcplimit-passed-{}", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        let program = Executable {
            package: path.clone(),
            kind: ExecutableKind::Tests,
            name: "tests".into(),
            source: path.clone(),
            path: path.clone(),
        };
        let mut cache = TestCache::default();
        assert!(!cache.is_current(&workspace, &program));
        cache.add(&workspace, &program);
        assert!(cache.is_current(&workspace, &program));
        let later = SystemTime::now() + Duration::from_secs(60);
        file.set_modified(later).unwrap();
        assert!(!cache.is_current(&workspace, &program));
        fs::remove_file(path).unwrap();
        assert!(!cache.is_current(&workspace, &program));
    }
}
