//! Runs `tcplimit.exe` in Wine.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::machine::Machine;
use crate::command::{self, Failure};

/// The folder of the unpacked zip, with a space, as on many machines.
pub(super) const FOLDER: &str = "a zip";

/// Path of the program in Wine.
const PROGRAM: &str = r"C:\a zip\tcplimit.exe";

/// Path of version 0.1.0.
const PREVIOUS: &str = r"C:\an old zip\tcplimit.exe";

/// Longest wait for a line, with a margin for busy machines.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A command line of the program.
pub(super) fn tool(machine: &Machine<'_>, line: &str) -> Command {
    let mut run = machine.wine(PROGRAM);
    run.args(line.split_whitespace());
    run
}

/// Runs the program: `exit=CODE`, then all words of its output.
pub(super) fn run(machine: &Machine<'_>, line: &str) -> Result<String, Failure> {
    exit_and_words(&mut tool(machine, line))
}

/// Runs version 0.1.0 of the program.
pub(super) fn run_previous(machine: &Machine<'_>, line: &str) -> Result<String, Failure> {
    exit_and_words(machine.wine(PREVIOUS).args(line.split_whitespace()))
}

fn exit_and_words(run: &mut Command) -> Result<String, Failure> {
    let output = command::capture(run)?;
    let code = output.status.code().unwrap_or(-1);
    let words = output
        .out
        .split_whitespace()
        .chain(output.err.split_whitespace());
    let words: Vec<&str> = words.collect();
    Ok(format!("exit={code} {}", words.join(" ")))
}

/// All crates have the workspace's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A running program that the test ends, with its output line by line.
pub(super) struct RunningTool {
    pub(super) child: Child,
    lines: mpsc::Receiver<String>,
}

impl RunningTool {
    pub(super) fn start(machine: &Machine<'_>, line: &str) -> Result<Self, Failure> {
        let mut child = tool(machine, line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (sender, lines) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                let out: Box<dyn Read + Send> = Box::new(out);
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line.trim_end().to_string()).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines })
    }

    pub(super) fn next_line(&self) -> Result<String, Failure> {
        self.lines
            .recv_timeout(TIMEOUT)
            .map_err(|_| Failure("no output of the program".into()))
    }

    /// Stops reading, and waits for the program's end.
    pub(super) fn wait_without_reading(mut self) -> Result<ExitStatus, Failure> {
        // The thread ends at the next line, and closes the pipe.
        self.lines = mpsc::channel().1;
        Ok(self.child.wait()?)
    }
}

impl Drop for RunningTool {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
