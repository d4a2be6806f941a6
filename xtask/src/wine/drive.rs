//! Preparation of Wine's drive and registry from outside of Wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::Machine;
use super::tool::FOLDER;
use crate::command::{self, Failure};
use crate::filesystem;

/// The path on this machine of a file on drive C.
pub(super) fn path(machine: &Machine<'_>, inside: &str) -> PathBuf {
    machine.drive().join(inside)
}

/// Deletes a file if it exists.
pub(super) fn remove(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        fs::remove_file(file)?;
    }
    Ok(())
}

/// Commands of sessions on Wine's files and registry: `file PATH` creates a file, `place
/// PATH` copies the driver, `everybodys PATH` creates a folder that all can write to,
/// `remove PATH` deletes, `same ONE OTHER` compares, `reg WORDS` runs Wine's reg. `None`
/// for other commands.
pub(super) fn run_command(
    machine: &Machine<'_>,
    verb: &str,
    words: &str,
) -> Result<Option<String>, Failure> {
    let answer = match verb {
        "file" => {
            fs::write(path(machine, words), "half of a driver")?;
            "error=0".into()
        }
        "place" => {
            let driver = path(machine, &format!("{FOLDER}/tcplimit.sys"));
            filesystem::copy(&driver, &path(machine, words))?;
            "error=0".into()
        }
        "everybodys" => {
            let folder = path(machine, words);
            fs::create_dir_all(&folder)?;
            command::run(Command::new("chmod").arg("777").arg(folder))?;
            "error=0".into()
        }
        "remove" => {
            remove(&path(machine, words))?;
            "error=0".into()
        }
        "same" => {
            let (one, other) = words.split_once(' ').unwrap_or((words, ""));
            let other = match other {
                "driver" => format!("{FOLDER}/tcplimit.sys"),
                other => other.into(),
            };
            let read = |inside: &str| fs::read(path(machine, inside)).ok();
            let (one, other) = (read(one), read(&other));
            format!(
                "there={} same={}",
                one.is_some(),
                one.is_some() && one == other
            )
        }
        "reg" => {
            let output = command::capture(machine.wine("reg").args(words.split_whitespace()))?;
            format!("exit={}", output.status.code().unwrap_or(-1))
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}
