//! `tcplimit watch` in Wine, up to Ctrl-C: by lines, and on a console.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use super::console::on_console;
use super::machine::Machine;
use super::session::Session;
use super::tool::{self, Running};
use super::who::Waiting;
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

/// `watch` prints one object after the other, and Ctrl-C is a good end. The programs
/// are those that wait, most first.
pub(super) fn lines(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[Waiting],
) -> Result<(), Failure> {
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
        let is_its = |it: &&Value| programs.iter().any(|program| it["pid"] == program.pid);
        let who = object["who"].as_array().map(Vec::as_slice);
        let who = who.unwrap_or_default().iter().filter(is_its);
        let expected = programs.iter().map(|program| {
            json!({"pid": program.pid, "name": "waiting.exe", "connections": program.connections})
        });
        if object["half_open"] != 5 || object["limit"] != 10 || !who.cloned().eq(expected) {
            wrong.push(line);
        }
    }
    let what = "watch --json prints what the target has, and who waits";
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

/// On a console `watch` draws one screen over the other.
pub(super) fn screens(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[Waiting],
) -> Result<(), Failure> {
    // What Wine tells the terminal for a cursor that is put up by the 16 lines of
    // the screen.
    const UP: &str = "\u{1b}[16A";
    let (said, code) = until_interrupted(session, || {
        let mut script = on_console(machine, "watch")
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
    let who = programs.iter().map(Waiting::title);
    let what = "and shows who waits";
    session
        .judge
        .hold(what, who.into_iter().all(|who| said.contains(&who)), &said);
    let what = "Ctrl-C there ends it, with exit code 0";
    session
        .judge
        .hold(what, code == Some(0), &format!("{code:?}"));
    Ok(())
}

/// `watch --log` begins behind what its file has, and the file has all of it at once.
pub(super) fn log(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    programs: &[Waiting],
) -> Result<(), Failure> {
    const FILE: &str = r"C:\a-zip.log";
    const KEPT: &str = "kept\r\n";
    let file = machine.drive().join("a-zip.log");
    fs::write(&file, KEPT)?;
    let line = format!("watch --log {FILE}");
    // What is in the file while it runs.
    let begin = || {
        let watch = Running::start(machine, &line)?;
        Ok::<_, Failure>((watch.line()?, fs::read_to_string(&file)?, watch))
    };
    let (_, first, watch) = begin()?;
    drop(watch);
    let (look, second, watch) = begin()?;
    let code = code_of(watch.unread()?);
    let what = "watch ends when nobody reads it any more, with exit code 0";
    session
        .judge
        .hold(what, code == Some(0), &format!("{code:?}"));
    fs::remove_file(&file)?;
    let (_, who) = look.rsplit_once(" who ").unwrap_or_default();
    // Other connections of the machine are nobody's in Wine.
    let who = who.split(", ").filter(|it| !it.starts_with("no process "));
    let expected = programs
        .iter()
        .map(|program| format!("{} {}", program.title(), program.connections));
    let what = "watch names who waits, most first";
    session.judge.hold(what, who.eq(expected), &look);
    let begun = |text: &str| {
        text.strip_suffix(" tcplimit watch begins\r\n")
            .map(str::len)
    };
    let date = "2026-01-01 00:00:00Z".len();
    let appended = second.strip_prefix(first.as_str()).and_then(begun) == Some(date)
        && first.strip_prefix(KEPT).and_then(begun) == Some(date);
    let what = "watch --log adds to its file, a line at once";
    session.judge.hold(what, appended, &second);
    let answer = tool::run(machine, r"watch --log C:\none\a.log")?;
    let named = answer.starts_with("exit=3 ") && answer.contains(r"Can't write C:\none\a.log:");
    let what = "a log that can't be written is named";
    session.judge.hold(what, named, &answer);
    Ok(())
}
