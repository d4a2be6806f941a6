//! The run that holds a lock, and whether it is still in progress.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::text::count;

/// The run that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// The version of the lock file.
    tcplimit_lock: u32,
    /// The name of the machine.
    pub host: String,
    /// The number of the process.
    pub process: u32,
    /// Seconds since 1970.
    pub started: u64,
    /// `patch`, `restore`.
    pub verb: String,
}

impl LockOwner {
    /// This run.
    #[must_use]
    pub fn current(verb: &str) -> LockOwner {
        LockOwner {
            tcplimit_lock: 1,
            host: host(),
            process: std::process::id(),
            started: started(),
            verb: verb.to_owned(),
        }
    }

    /// The content of its lock file.
    #[must_use]
    pub fn text(&self) -> String {
        // Serialization of these types can't fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    pub(super) fn parse(text: &[u8]) -> Option<LockOwner> {
        let owner: LockOwner = serde_json::from_slice(text).ok()?;
        (owner.tcplimit_lock == 1).then_some(owner)
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = now().saturating_sub(self.started);
        write!(
            f,
            "tcplimit {}, process {} on {}, for {}",
            self.verb,
            self.process,
            self.host,
            age_text(age)
        )
    }
}

/// The time of this process's first lock, the same in all its lock files, in
/// seconds since 1970.
fn started() -> u64 {
    static STARTED: OnceLock<u64> = OnceLock::new();
    *STARTED.get_or_init(now)
}

/// A number of seconds, for people.
pub(crate) fn age_text(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    count(number, unit)
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}

#[cfg(unix)]
pub(super) fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
pub(super) fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// A lock that another run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// The lock file.
    pub path: PathBuf,
    /// The run, if the file names it.
    pub owner: Option<LockOwner>,
    /// Whether that run is in progress.
    pub owner_state: OwnerState,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// It is in progress.
    Running,
    /// It was killed.
    Ended,
    /// Unknown on this machine.
    Unknown,
}

impl fmt::Display for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.owner {
            Some(owner) => write!(f, " ({owner})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_unit_that_fits() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7199, "119 minutes"),
            (7200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (864_000, "10 days"),
        ] {
            assert_eq!(age_text(seconds), text);
        }
    }

    #[test]
    fn a_held_lock_is_shown_with_its_file_and_its_run() {
        let owner = LockOwner::current("patch");
        let age = now() - owner.started;
        assert!(age < 3600, "{age}");
        let mut held = HeldLock {
            path: PathBuf::from("a.lock"),
            owner: None,
            owner_state: OwnerState::Running,
        };
        assert_eq!(held.to_string(), "a.lock");
        let process = std::process::id();
        held.owner = Some(owner);
        let text = held.to_string();
        let run = format!("a.lock (tcplimit patch, process {process} on ");
        assert!(text.starts_with(&run) && text.ends_with(')'), "{text}");
    }
}
