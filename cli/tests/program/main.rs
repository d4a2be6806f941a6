//! The program as its users run it: what it prints, and its exit codes.

mod cabinet;
mod container;
mod corpus;
mod damage;
mod disc;
mod expand;
mod explain;
mod folder;
mod help;
#[cfg(unix)]
mod interrupt;
mod json;
mod large_cabinet;
mod mastering;
mod media;
mod offline_windows;
#[cfg(unix)]
mod output;
mod patch;
mod probe;
#[cfg(unix)]
mod runs;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use specimen::Spec;
use tempfile::TempDir;

/// The program, without environment variables that change its output.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcplimit"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// The result of a run.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Run {
        Run {
            code: output.status.code().expect("the program ended by itself"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    fn ends_with(&self, code: i32) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
    }

    #[track_caller]
    fn prints_all<const N: usize>(&self, texts: [&str; N]) {
        for text in texts {
            self.prints(text);
        }
    }

    #[track_caller]
    fn prints(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        assert!(self.stdout.contains(text), "{text}: {}", self.stdout);
    }

    #[track_caller]
    fn does_not_print(&self, text: impl AsRef<str>) {
        assert!(!self.stdout.contains(text.as_ref()), "{}", self.stdout);
    }

    #[track_caller]
    fn warns(&self, text: impl AsRef<str>) {
        assert!(self.stderr.contains(text.as_ref()), "{}", self.stderr);
    }

    #[track_caller]
    fn does_not_warn(&self, text: impl AsRef<str>) {
        assert!(!self.stderr.contains(text.as_ref()), "{}", self.stderr);
    }

    /// The JSON objects, one per line.
    fn objects(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).expect("a JSON object a line");
        self.stdout.lines().map(parse).collect()
    }
}

fn run<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Run {
    Run::of(
        program()
            .args(arguments)
            .output()
            .expect("the program runs"),
    )
}

/// Runs in a folder, so that paths in the output are short.
fn run_in(folder: &Path, arguments: &[&str]) -> Run {
    Run::of(
        program()
            .args(arguments)
            .current_dir(folder)
            .output()
            .expect("the program runs"),
    )
}

/// A folder of files.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(TempDir::new().expect("a temporary folder"))
    }

    /// Writes a file; creates its folder.
    fn with(self, name: &str, content: &[u8]) -> Files {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
        self
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run_in(self.0.path(), arguments)
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

fn xp() -> Vec<u8> {
    Spec::xp_sp3().build().file
}

/// The same driver after a patcher of 2005.
fn patched(value: u32) -> Vec<u8> {
    Spec {
        start_up: value,
        ..Spec::xp_sp3()
    }
    .build()
    .file
}
