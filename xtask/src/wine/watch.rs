//! `tcplimit watch` in Wine until Ctrl-C, as lines and on a console.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use super::console::console_command;
use super::machine::Machine;
use super::session::Session;
use super::tool::{self, RunningTool};
use super::who::WaitingProgram;
use crate::command::{self, Failure};

/// The exit code after SIGKILL, as of a shell and `script`.
const KILLED: i32 = 128 + 9;

/// Runs `watch` until Ctrl-C; its output and exit code. Runs it again if Wine's server
/// kills it (see README.md).
fn until_interrupted<T>(
    session: &Session<'_>,
    mut watch: impl FnMut() -> Result<(T, Option<i32>), Failure>,
) -> Result<(T, Option<i32>), Failure> {
    const TRIES: u32 = 5;
    for _ in 1..TRIES {
        let actual = watch()?;
        if actual.1 != Some(KILLED) {
            return Ok(actual);
        }
        let description = "Wine's server killed watch at Ctrl-C; trying again";
        session.checks.note(description);
    }
    watch()
}

/// The exit code as of a shell, which includes signals.
#[cfg(unix)]
fn shell_exit_code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| Some(128 + status.signal()?))
}

#[cfg(not(unix))]
fn shell_exit_code(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// Checks that `watch --json` prints objects, and that Ctrl-C ends it with success.
/// `programs` have half-open connections, most first.
pub(super) fn check_json_lines(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[WaitingProgram],
) -> Result<(), Failure> {
    session.check("", "target tcpip store count 5", "status=0x0")?;
    let (lines, code) = until_interrupted(session, || {
        let mut watch = RunningTool::start(machine, "watch --json --interval 1")?;
        let lines = [watch.next_line()?, watch.next_line()?];
        // As a terminal sends for Ctrl-C; Wine turns it into CTRL_C_EVENT.
        let interrupt = format!("kill -INT {}", watch.child.id());
        command::run(Command::new("sh").args(["-c", &interrupt]))?;
        Ok((lines, shell_exit_code(watch.child.wait()?)))
    })?;
    let mut times = Vec::new();
    let mut failures = Vec::new();
    for line in lines {
        let object: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        times.extend(object["time"].as_u64());
        let is_its = |it: &&Value| programs.iter().any(|program| it["pid"] == program.pid);
        let who = object["who"].as_array().map(Vec::as_slice);
        let who = who.unwrap_or_default().iter().filter(is_its);
        let expected = programs.iter().map(|program| {
            json!({"pid": program.pid, "name": "waiting.exe", "connections": program.connections})
        });
        if object["half_open"] != 5 || object["limit"] != 10 || !who.cloned().eq(expected) {
            failures.push(line);
        }
    }
    let description = "watch --json prints the target's values and the waiting programs";
    session.checks.check_no_failures(description, &failures);
    let later = times.len() == 2 && times[0] < times[1];
    let description = "the second object is a second later";
    session
        .checks
        .check(description, later, &format!("{times:?}"));
    let description = "Ctrl-C ends watch, with exit code 0";
    session
        .checks
        .check(description, code == Some(0), &format!("{code:?}"));
    session.check("", "target tcpip store count 0", "status=0x0")
}

/// Number of drawn screens, by their first line.
fn screens_drawn(output: &[u8]) -> usize {
    const TITLE: &str = "tcplimit watch, every second; Ctrl-C ends it";
    String::from_utf8_lossy(output).matches(TITLE).count()
}

/// Checks that `watch` redraws its screen on a console.
pub(super) fn check_screens(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[WaitingProgram],
) -> Result<(), Failure> {
    // Wine's escape sequence to move the cursor up by the screen's 16 lines.
    const UP: &str = "\u{1b}[16A";
    let (output, code) = until_interrupted(session, || {
        let mut script = console_command(machine, "watch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(mut pipe)) = (script.stdin.take(), script.stdout.take()) else {
            return Err(Failure("script has no pipes".into()));
        };
        let mut output = Vec::new();
        let mut piece = [0; 4096];
        while screens_drawn(&output) < 3 {
            match pipe.read(&mut piece)? {
                0 => break,
                length => output.extend(piece.iter().take(length)),
            }
        }
        input.write_all(b"\x03")?;
        input.flush()?;
        pipe.read_to_end(&mut output)?;
        Ok((output, shell_exit_code(script.wait()?)))
    })?;
    let redrawn = screens_drawn(&output) >= 3;
    let output = String::from_utf8_lossy(&output);
    let redrawn = redrawn && output.matches(UP).count() >= 2;
    let description = "on a console watch redraws its lines";
    session.checks.check(description, redrawn, &output);
    let who = programs.iter().map(WaitingProgram::display_name);
    let description = "on a console watch shows the waiting programs";
    session.checks.check(
        description,
        who.into_iter().all(|who| output.contains(&who)),
        &output,
    );
    let description = "Ctrl-C ends watch on a console, with exit code 0";
    session
        .checks
        .check(description, code == Some(0), &format!("{code:?}"));
    Ok(())
}

/// Checks that `watch --log` appends to its file, and writes each line at once.
pub(super) fn check_log_file(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[WaitingProgram],
) -> Result<(), Failure> {
    const FILE: &str = r"C:\a-zip.log";
    const KEPT: &str = "kept\r\n";
    let file = machine.drive().join("a-zip.log");
    fs::write(&file, KEPT)?;
    let line = format!("watch --log {FILE}");
    // The file's contents while it runs.
    let begin = || {
        let watch = RunningTool::start(machine, &line)?;
        Ok::<_, Failure>((watch.next_line()?, fs::read_to_string(&file)?, watch))
    };
    let (_, first, watch) = begin()?;
    drop(watch);
    let (look, second, watch) = begin()?;
    let code = shell_exit_code(watch.wait_without_reading()?);
    let description = "watch ends when its output is closed, with exit code 0";
    session
        .checks
        .check(description, code == Some(0), &format!("{code:?}"));
    fs::remove_file(&file)?;
    let (_, who) = look.rsplit_once(" who ").unwrap_or_default();
    // In Wine, other connections of the machine belong to no process.
    let who = who.split(", ").filter(|it| !it.starts_with("no process "));
    let expected = programs
        .iter()
        .map(|program| format!("{} {}", program.display_name(), program.connections));
    let description = "watch names the waiting programs, most first";
    session.checks.check(description, who.eq(expected), &look);
    let begun = |text: &str| {
        text.strip_suffix(" tcplimit watch begins\r\n")
            .map(str::len)
    };
    let date = "2026-01-01 00:00:00Z".len();
    let appended = second.strip_prefix(first.as_str()).and_then(begun) == Some(date)
        && first.strip_prefix(KEPT).and_then(begun) == Some(date);
    let description = "watch --log appends to its file, each line at once";
    session.checks.check(description, appended, &second);
    let answer = tool::run(machine, r"watch --log C:\none\a.log")?;
    let named = answer.starts_with("exit=3 ") && answer.contains(r"Can't write C:\none\a.log:");
    let description = "the error names a log that can't be written";
    session.checks.check(description, named, &answer);
    Ok(())
}
