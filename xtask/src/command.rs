//! Runs other programs; a failure names the program and the reason.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};

/// The reason of a failure, in a sentence.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The captured output of a program.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Output {
    /// The standard output, or a failure with the end of the error output.
    pub(crate) fn success(self, what: &str) -> Result<String, Failure> {
        if self.status.success() {
            return Ok(self.out);
        }
        Err(Failure(format!(
            "{what}: {}{}",
            self.status,
            tail(&self.err)
        )))
    }
}

/// Runs the command with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|error| Failure(format!("{}: {error}", command_line(command))))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("{}: {status}", command_line(command))))
}

/// Runs the command and captures both outputs.
pub(crate) fn capture(command: &mut Command) -> Result<Output, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("{}: {error}", command_line(command))))?;
    Ok(Output {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs the command, prints its standard output as it comes, and captures it. The
/// error output goes to the terminal.
pub(crate) fn tee(command: &mut Command) -> Result<Output, Failure> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure(format!("{}: {error}", command_line(command))))?;
    let out = match child.stdout.take() {
        Some(pipe) => tee_lines(pipe)?,
        None => String::new(),
    };
    Ok(Output {
        status: child.wait()?,
        out,
        err: String::new(),
    })
}

/// The same with both outputs merged in their order.
pub(crate) fn tee_merged(command: &mut Command) -> Result<Output, Failure> {
    let (reader, writer) = io::pipe()?;
    let mut child = command
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .map_err(|error| Failure(format!("{}: {error}", command_line(command))))?;
    // Otherwise `command` keeps the pipe open, and reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Output {
        out: tee_lines(reader)?,
        status: child.wait()?,
        err: String::new(),
    })
}

/// Runs the command and captures its standard output; the error output goes to the
/// terminal.
pub(crate) fn capture_stdout(command: &mut Command) -> Result<Output, Failure> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure(format!("{}: {error}", command_line(command))))?;
    Ok(Output {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::new(),
    })
}

/// Prints and returns the lines of a pipe.
fn tee_lines(pipe: impl Read) -> io::Result<String> {
    let mut lines = BufReader::new(pipe);
    let (mut out, mut line) = (String::new(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        out.push_str(&text);
        line.clear();
    }
    Ok(out)
}

/// The last lines of a text, each on a new line and indented.
pub(crate) fn tail(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines
        .get(from..)
        .unwrap_or_default()
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect()
}

/// The command as one would type it.
fn command_line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        let end = tail(&text);
        assert_eq!(end.lines().count(), 13);
        assert!(end.ends_with("    99"));
        assert!(!end.contains("87\n"));
    }

    #[test]
    fn both_outputs_are_captured_in_their_order() {
        let mut cargo = Command::new(env!("CARGO"));
        // cargo prints errors to the error output, and its version to the standard output.
        let output = tee_merged(cargo.arg("no-such-command")).unwrap();
        assert!(!output.status.success() && output.out.contains("no-such-command"));
        let output = tee_merged(Command::new(env!("CARGO")).arg("--version")).unwrap();
        assert!(output.status.success() && output.out.starts_with("cargo "));
    }

    #[test]
    fn a_command_is_named_as_it_would_be_typed() {
        let mut command = Command::new("cargo");
        command.args(["test", "--locked"]);
        assert_eq!(command_line(&command), "cargo test --locked");
    }
}
