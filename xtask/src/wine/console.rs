//! `tcplimit.exe` on a console of 80 columns: `script` provides a terminal, which Wine
//! presents as a console.

use std::process::{Command, Stdio};

use super::machine::Machine;
use super::session::Session;
use super::tool::tool;
use crate::command::{self, Failure};

const COLUMNS: usize = 80;

/// A command line of the program, on a console.
pub(super) fn console_command(machine: &Machine<'_>, line: &str) -> Command {
    let run = tool(machine, line);
    let words = [run.get_program()].into_iter().chain(run.get_args());
    let quoted: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let quoted = quoted.join(" ");
    let mut script = Command::new("script");
    script.arg("-qec");
    script.arg(format!("stty cols {COLUMNS} rows 25; exec {quoted}"));
    script.arg("/dev/null");
    script
}

/// Checks that messages wrap between words at the console's width, and not at all in
/// redirected output.
pub(super) fn check_line_breaks(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
) -> Result<(), Failure> {
    // The first writes to the error output, the second to the standard output.
    for line in ["set 60 --expect 54", "set 10"] {
        let redirected = command::capture(&mut tool(machine, line))?;
        let redirected = format!("{}{}", redirected.out, redirected.err);
        let actual = command::capture(console_command(machine, line).stdin(Stdio::null()))?.out;
        let actual = without_sequences(&actual).replace('\r', "");
        let length = |text: &str| text.lines().map(|line| line.trim_end().len()).max();
        let is_same = actual.split_whitespace().eq(redirected.split_whitespace());
        let fits = length(&actual) < Some(COLUMNS) && length(&redirected) >= Some(COLUMNS);
        let description = format!("{line}: wraps at words on a console, and not when redirected");
        session.checks.check(&description, is_same && fits, &actual);
    }
    Ok(())
}

/// Removes escape sequences of the cursor: ESC, `[`, and all up to a letter.
fn without_sequences(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once(char::is_alphabetic).map_or("", |it| it.1));
    [first].into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_removed() {
        let text = "\u{1b}[?25la line\u{1b}[16A\r\nanother\u{1b}[?25h";
        assert_eq!(without_sequences(text), "a line\r\nanother");
        assert_eq!(without_sequences("[25l"), "[25l");
    }
}
