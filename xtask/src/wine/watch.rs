//! `tcplimit watch` in Wine, up to Ctrl-C: by lines, and on a console.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use super::machine::Machine;
use super::session::Session;
use super::tool::{Running, tool};
use crate::command::{self, Failure};

/// The exit code of what SIGKILL ended, as a shell and `script` have it.
const KILLED: i32 = 128 + 9;

/// A `watch` up to Ctrl-C: what it said, and its exit code. Where Wine's server
/// kills it (see README.md) it is started anew.
fn until_interrupted<T>(
    session: &Session<'_>,
    mut watch: impl FnMut() -> Result<(T, Option<i32>), Failure>,
) -> Result<(T, Option<i32>), Failure> {
    const TRIES: u32 = 5;
    for _ in 1..TRIES {
        let seen = watch()?;
        if seen.1 != Some(KILLED) {
            return Ok(seen);
        }
        let what = "Wine's server killed watch at Ctrl-C; once more";
        session.judge.note(what);
    }
    watch()
}

/// The exit code as a shell has it: with a signal that is one as well.
#[cfg(unix)]
fn code_of(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| Some(128 + status.signal()?))
}

#[cfg(not(unix))]
fn code_of(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// `watch` prints one object after the other, and Ctrl-C is a good end.
pub(super) fn lines(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    session.check("", "target tcpip store count 5", "status=0x0")?;
    let (lines, code) = until_interrupted(session, || {
        let mut watch = Running::start(machine, "watch --json --interval 1")?;
        let lines = [watch.line()?, watch.line()?];
        // As a terminal does for Ctrl-C; Wine makes CTRL_C_EVENT of it.
        let interrupt = format!("kill -INT {}", watch.child.id());
        command::run(Command::new("sh").args(["-c", &interrupt]))?;
        Ok((lines, code_of(watch.child.wait()?)))
    })?;
    let mut times = Vec::new();
    let mut wrong = Vec::new();
    for line in lines {
        let object: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        times.extend(object["time"].as_u64());
        if object["half_open"] != 5 || object["limit"].as_u64().is_none() {
            wrong.push(line);
        }
    }
    let what = "watch --json prints what the target has";
    session.judge.none_wrong(what, &wrong);
    let later = times.len() == 2 && times[0] < times[1];
    let what = "the second look is a second later";
    session.judge.hold(what, later, &format!("{times:?}"));
    let what = "Ctrl-C ends watch, with exit code 0";
    session
        .judge
        .hold(what, code == Some(0), &format!("{code:?}"));
    session.check("", "target tcpip store count 0", "status=0x0")
}

/// How often a screen has its first line.
fn drawn(said: &[u8]) -> usize {
    const TITLE: &str = "tcplimit watch, every second; Ctrl-C ends it";
    String::from_utf8_lossy(said).matches(TITLE).count()
}

/// On a console `watch` draws one screen over the other. `script` brings a
/// terminal, of which Wine makes a console.
pub(super) fn screens(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    // What Wine tells the terminal for a cursor that is put up by the 16 lines of
    // the screen.
    const UP: &str = "\u{1b}[16A";
    let watch = tool(machine, "watch");
    let words = [watch.get_program()].into_iter().chain(watch.get_args());
    let quoted: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let line = format!("stty cols 80 rows 25; exec {}", quoted.join(" "));
    let (said, code) = until_interrupted(session, || {
        let mut script = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(mut output)) = (script.stdin.take(), script.stdout.take())
        else {
            return Err(Failure("script has no pipes".into()));
        };
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        while drawn(&said) < 3 {
            match output.read(&mut piece)? {
                0 => break,
                length => said.extend(piece.iter().take(length)),
            }
        }
        input.write_all(b"\x03")?;
        input.flush()?;
        output.read_to_end(&mut said)?;
        Ok((said, code_of(script.wait()?)))
    })?;
    let redrawn = drawn(&said) >= 3;
    let said = String::from_utf8_lossy(&said);
    let redrawn = redrawn && said.matches(UP).count() >= 2;
    let what = "on a console watch draws over its own lines";
    session.judge.hold(what, redrawn, &said);
    let what = "Ctrl-C there ends it, with exit code 0";
    session
        .judge
        .hold(what, code == Some(0), &format!("{code:?}"));
    Ok(())
}
