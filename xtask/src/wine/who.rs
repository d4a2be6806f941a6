//! `tcplimit who` in Wine: programs with half-open connections (`verify/wine/waiting.c`)
//! must be listed with all that is known of them.

use serde_json::{Value, json};

use super::client::Client;
use super::machine::Machine;
use super::script::number;
use super::session::Session;
use super::tool::tool;
use crate::command::{self, Failure};

/// Connections of the program that began first, and of the one that has more.
const FEW: usize = 3;
const MANY: usize = 5;
/// Wine's server notices some time later that a program was killed.
const LOOKS: usize = 100;

/// A program that waits for connections.
pub(super) struct Waiting {
    client: Client,
    path: &'static str,
    pub(super) pid: u32,
    pub(super) connections: usize,
    /// `ADDRESS:PORT` of what it waits for.
    remote: String,
}

impl Waiting {
    /// Starts one whose connections are its own, for the table of the window.
    pub(super) fn few(machine: &Machine<'_>) -> Result<Self, Failure> {
        let mut waiting = Self::begin(machine, r"C:\waiting.exe", FEW)?;
        waiting.call()?;
        Ok(waiting)
    }

    /// Starts it. Wine does not know whose the connections are until `call`.
    fn begin(
        machine: &Machine<'_>,
        path: &'static str,
        connections: usize,
    ) -> Result<Self, Failure> {
        let mut client = Client::start(&mut machine.wine(path))?;
        let answer = client.tell(&format!("wait {connections}"))?;
        let number = |name| {
            let failure = || Failure(format!("no connections are half-open: {answer}"));
            number(&answer, name).ok_or_else(failure)
        };
        Ok(Self {
            path,
            pid: number("pid")?,
            connections,
            remote: format!("127.0.0.1:{}", number("port")?),
            client,
        })
    }

    fn call(&mut self) -> Result<(), Failure> {
        match self.client.tell("call")?.as_str() {
            "error=0" => Ok(()),
            answer => Err(Failure(format!("the sockets are not used: {answer}"))),
        }
    }

    /// As `watch` and `who` call it.
    pub(super) fn title(&self) -> String {
        format!("waiting.exe ({})", self.pid)
    }

    /// What `who --json` must list, with so many connections that are not half-open.
    fn listed(&self, more: usize) -> Value {
        let connections = self.connections.saturating_add(more);
        json!({
            "pid": self.pid,
            "name": "waiting.exe",
            "path": self.path,
            "path_error": null,
            "services": [],
            "connections": connections,
            "remote": vec![&self.remote; connections],
        })
    }

    /// What `who` must print.
    fn lines(&self) -> String {
        let remote = vec![self.remote.as_str(); self.connections].join(", ");
        format!(
            "{:>6}  {}\n        {}\n        to {remote}\n",
            self.connections,
            self.title(),
            self.path,
        )
    }
}

/// What `who` prints; an error where it fails.
fn who(machine: &Machine<'_>, words: &str) -> Result<String, Failure> {
    let said = command::listen(&mut tool(machine, &format!("who {words}")))?;
    let said = said.success("tcplimit who")?;
    Ok(said.replace("\r\n", "\n"))
}

/// The processes that `who --json` lists.
fn listed(machine: &Machine<'_>, words: &str) -> Result<Vec<Value>, Failure> {
    let said = who(machine, &format!("--json {words}"))?;
    let mut object: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
    match object["processes"].take() {
        Value::Array(processes) if object["verb"] == "who" => Ok(processes),
        _ => Err(Failure(format!("not an object of who: {said}"))),
    }
}

/// Two programs with half-open connections, and that `who` is right about them: the
/// machine may have other connections, all of them of no process in Wine.
pub(super) fn connections(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
) -> Result<[Waiting; 2], Failure> {
    let judge = &mut *session.judge;
    let mut few = Waiting::begin(machine, r"C:\a zip\waiting.exe", FEW)?;
    let seen = listed(machine, "")?;
    let nobodys = seen.iter().find(|process| process["pid"] == 0);
    let counted = nobodys.and_then(|process| process["remote"].as_array());
    let counted = counted.map(|remote| remote.iter().filter(|it| **it == few.remote).count());
    judge.hold(
        "connections of which Windows names no process are counted by who",
        counted == Some(FEW),
        &Value::from(seen),
    );
    few.call()?;
    let mut many = Waiting::begin(machine, r"C:\waiting.exe", MANY)?;
    many.call()?;

    let of_them = |mut processes: Vec<Value>| {
        processes.retain(|it| it["pid"] == few.pid || it["pid"] == many.pid);
        Value::from(processes)
    };
    let seen = of_them(listed(machine, "")?);
    judge.hold(
        "who --json lists name, path, number and addresses, most first",
        seen == json!([many.listed(0), few.listed(0)]),
        &seen,
    );
    let seen = of_them(listed(machine, "--every")?);
    // Each is connected to itself once.
    judge.hold(
        "with --every connections in all states count",
        seen == json!([many.listed(1), few.listed(1)]),
        &seen,
    );
    let seen = who(machine, "")?;
    let at = |waiting: &Waiting| seen.find(&waiting.lines());
    let all = seen.lines().skip(1);
    // Rows are told from what is below them by their margin.
    let rows = all.filter(|line| !line.starts_with("       "));
    let counts = rows.filter_map(|row| row.split_whitespace().next()?.parse::<usize>().ok());
    let sum: usize = counts.sum();
    let first = format!("There are {sum} half-open connections now:\n");
    judge.hold(
        "who prints the same for people, redirected without breaks, and how many in all",
        at(&many).is_some() && at(&many) < at(&few) && seen.starts_with(&first),
        &seen,
    );
    Ok([many, few])
}

/// A program that has ended is listed no more, and the other one still is.
pub(super) fn ended(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    [many, few]: [Waiting; 2],
) -> Result<(), Failure> {
    let (pid, remote) = (many.pid, many.remote.clone());
    drop(many);
    let mut seen = Vec::new();
    for _ in 0..LOOKS {
        seen = listed(machine, "")?;
        let is_its = |it: &Value| it["pid"] == pid || it["remote"][0] == *remote;
        if !seen.iter().any(is_its) {
            break;
        }
    }
    let left = seen.iter().filter(|it| it["pid"] != 0);
    let left: Vec<&Value> = left.collect();
    session.judge.hold(
        "a program that has ended is not listed, and the others are",
        left == [&few.listed(0)],
        &Value::from(seen.clone()),
    );
    Ok(())
}
