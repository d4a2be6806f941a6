//! The client in Wine (`verify/wine/client.c`): answers each line with a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::command::Failure;

/// Longest wait for an answer, with a margin for busy machines.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A running client.
#[derive(Debug)]
pub(super) struct Client {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Client {
    /// Starts the client, and with it Wine and its services.
    pub(super) fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure(format!("Wine does not start: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure("Wine has no pipes".into()));
        };
        let mut client = Self {
            child,
            input,
            lines: read_lines(output),
        };
        let ready = client.answer("(start)")?;
        if ready == "ready" {
            Ok(client)
        } else {
            Err(Failure(format!("the client did not start: {ready}")))
        }
    }

    /// Sends a line and waits for the answer.
    pub(super) fn send(&mut self, line: &str) -> Result<String, Failure> {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .map_err(|error| Failure(format!("the client ended before {line:?}: {error}")))?;
        self.answer(line)
    }

    fn answer(&mut self, line: &str) -> Result<String, Failure> {
        self.lines
            .recv_timeout(TIMEOUT)
            .map_err(|_| Failure(format!("no answer from the client to {line:?}")))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already; the machine ends Wine's server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe's lines in a thread that ends with the pipe.
fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if sender.send(line.trim_end().to_string()).is_err() {
                return;
            }
        }
    });
    receiver
}
