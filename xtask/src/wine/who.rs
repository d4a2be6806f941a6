//! `tcplimit who` in Wine: it must list programs with half-open connections
//! (`verify/wine/waiting.c`) with all details.

use serde_json::{Value, json};

use super::client::Client;
use super::machine::Machine;
use super::script::parse_number;
use super::session::Session;
use super::tool::tool;
use crate::command::{self, Failure};

/// Numbers of connections of the first program, and of the one with more.
const FEW: usize = 3;
const MANY: usize = 5;
/// Most queries until Wine's server has noticed that a program was killed.
const ATTEMPTS: usize = 100;

/// A program with half-open connections.
pub(super) struct WaitingProgram {
    client: Client,
    path: &'static str,
    pub(super) pid: u32,
    pub(super) connections: usize,
    /// `ADDRESS:PORT` of its peer.
    remote: String,
}

impl WaitingProgram {
    /// Starts a program that owns its connections, for the table of the window.
    pub(super) fn with_few(machine: &Machine<'_>) -> Result<Self, Failure> {
        let mut waiting = Self::begin(machine, r"C:\waiting.exe", FEW)?;
        waiting.use_sockets()?;
        Ok(waiting)
    }

    /// Starts the program. Wine knows the owner of the connections only after
    /// `use_sockets`.
    fn begin(
        machine: &Machine<'_>,
        path: &'static str,
        connections: usize,
    ) -> Result<Self, Failure> {
        let mut client = Client::start(&mut machine.wine(path))?;
        let answer = client.send(&format!("wait {connections}"))?;
        let number = |name| {
            let failure = || Failure(format!("no connections are half-open: {answer}"));
            parse_number(&answer, name).ok_or_else(failure)
        };
        Ok(Self {
            path,
            pid: number("pid")?,
            connections,
            remote: format!("127.0.0.1:{}", number("port")?),
            client,
        })
    }

    fn use_sockets(&mut self) -> Result<(), Failure> {
        match self.client.send("call")?.as_str() {
            "error=0" => Ok(()),
            answer => Err(Failure(format!("the sockets can't be used: {answer}"))),
        }
    }

    /// Its name in `watch` and `who`.
    pub(super) fn display_name(&self) -> String {
        format!("waiting.exe ({})", self.pid)
    }

    /// The expected object of `who --json`, with `more` connections that are not half-open.
    fn expected_json(&self, more: usize) -> Value {
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

    /// The expected text of `who`.
    fn expected_text(&self) -> String {
        let remote = vec![self.remote.as_str(); self.connections].join(", ");
        format!(
            "{:>6}  {}\n        {}\n        to {remote}\n",
            self.connections,
            self.display_name(),
            self.path,
        )
    }
}

/// Runs `who`; returns its output.
fn run_who(machine: &Machine<'_>, words: &str) -> Result<String, Failure> {
    let output = command::capture(&mut tool(machine, &format!("who {words}")))?;
    let output = output.success("tcplimit who")?;
    Ok(output.replace("\r\n", "\n"))
}

/// The processes of `who --json`.
fn list_processes(machine: &Machine<'_>, words: &str) -> Result<Vec<Value>, Failure> {
    let output = run_who(machine, &format!("--json {words}"))?;
    let mut object: Value = serde_json::from_str(&output).unwrap_or(Value::Null);
    match object["processes"].take() {
        Value::Array(processes) if object["verb"] == "who" => Ok(processes),
        _ => Err(Failure(format!("not an object of who: {output}"))),
    }
}

/// Starts two programs with half-open connections, and checks `who`. In Wine, other
/// connections of the machine belong to no process.
pub(super) fn check_connections(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
) -> Result<[WaitingProgram; 2], Failure> {
    let checks = &mut *session.checks;
    let mut few = WaitingProgram::begin(machine, r"C:\a zip\waiting.exe", FEW)?;
    let actual = list_processes(machine, "")?;
    let nobodys = actual.iter().find(|process| process["pid"] == 0);
    let counted = nobodys.and_then(|process| process["remote"].as_array());
    let counted = counted.map(|remote| remote.iter().filter(|it| **it == few.remote).count());
    checks.check(
        "who counts connections for which Windows names no process",
        counted == Some(FEW),
        &Value::from(actual),
    );
    few.use_sockets()?;
    let mut many = WaitingProgram::begin(machine, r"C:\waiting.exe", MANY)?;
    many.use_sockets()?;

    let of_them = |mut processes: Vec<Value>| {
        processes.retain(|it| it["pid"] == few.pid || it["pid"] == many.pid);
        Value::from(processes)
    };
    let actual = of_them(list_processes(machine, "")?);
    checks.check(
        "who --json lists name, path, number and addresses, most first",
        actual == json!([many.expected_json(0), few.expected_json(0)]),
        &actual,
    );
    let actual = of_them(list_processes(machine, "--every")?);
    // Each program is connected to itself once.
    checks.check(
        "who --every counts connections in all states",
        actual == json!([many.expected_json(1), few.expected_json(1)]),
        &actual,
    );
    let actual = run_who(machine, "")?;
    let at = |waiting: &WaitingProgram| actual.find(&waiting.expected_text());
    let all = actual.lines().skip(1);
    // Details below a row have a wider margin.
    let rows = all.filter(|line| !line.starts_with("       "));
    let counts = rows.filter_map(|row| row.split_whitespace().next()?.parse::<usize>().ok());
    let sum: usize = counts.sum();
    let first = format!("There are {sum} half-open connections now:\n");
    checks.check(
        "who prints the same as text, redirected without wrapping, with the total",
        at(&many).is_some() && at(&many) < at(&few) && actual.starts_with(&first),
        &actual,
    );
    Ok([many, few])
}

/// Checks that a program that has ended is no longer listed, and the other one is.
pub(super) fn check_ended(
    session: &mut Session<'_>,
    machine: &Machine<'_>,
    [many, few]: [WaitingProgram; 2],
) -> Result<(), Failure> {
    let (pid, remote) = (many.pid, many.remote.clone());
    drop(many);
    let mut actual = Vec::new();
    for _ in 0..ATTEMPTS {
        actual = list_processes(machine, "")?;
        let is_its = |it: &Value| it["pid"] == pid || it["remote"][0] == *remote;
        if !actual.iter().any(is_its) {
            break;
        }
    }
    let left = actual.iter().filter(|it| it["pid"] != 0);
    let left: Vec<&Value> = left.collect();
    session.checks.check(
        "a program that has ended is not listed, and the others are",
        left == [&few.expected_json(0)],
        &Value::from(actual.clone()),
    );
    Ok(())
}
