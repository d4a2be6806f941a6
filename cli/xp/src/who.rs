//! `who`: the programs that have half-open connections.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::SocketAddr;

use serde::Serialize;
use tcplimit_report::Exit;

use crate::connections::{self, Connection};
use crate::console::Console;
use crate::failure::Failure;
use crate::os::Os;

/// Maximum number of addresses shown per process.
const SHOWN_ADDRESSES: usize = 8;

/// A process with connections.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionOwner {
    /// `None` if the system lists no processes.
    pub(crate) pid: Option<u32>,
    /// The name of its program; `None` if unknown.
    pub(crate) name: Option<String>,
    /// Whether the system's list of processes lacks this one.
    #[serde(skip)]
    has_ended: bool,
    pub(crate) path: Option<String>,
    /// Why the path is unknown.
    path_error: Option<String>,
    /// Hosted services; `None` if they can't be listed.
    pub(crate) services: Option<Vec<String>>,
    pub(crate) connections: usize,
    /// The remote ends, as `ADDRESS:PORT`.
    remote: Vec<String>,
}

/// The fields of the verb.
#[derive(Default, Serialize)]
struct JsonWho {
    every: bool,
    processes: Vec<ConnectionOwner>,
}

/// Prints the list.
pub(crate) fn run(os: &dyn Os, console: &Console<'_>, every: bool) -> Exit {
    let processes = match owners(os, every) {
        Ok(processes) => processes,
        Err(failure) => return console.finish(Some(&failure), JsonWho::default()),
    };
    if !console.json {
        for line in lines(&processes, every) {
            console.print(&line);
        }
    }
    console.finish(None, JsonWho { every, processes })
}

/// All processes with half-open connections, or with any, most connections first.
pub(crate) fn owners(os: &dyn Os, every: bool) -> Result<Vec<ConnectionOwner>, Failure> {
    let all = connections::list(os)
        .map_err(|error| Failure::win32(phrase!("list the TCP connections"), error))?;
    let mut grouped: BTreeMap<Option<u32>, Vec<SocketAddr>> = BTreeMap::new();
    for Connection {
        process, remote, ..
    } in all
        .into_iter()
        .filter(|connection| every || connection.is_half_open())
    {
        grouped.entry(process).or_default().push(remote);
    }
    if grouped.is_empty() {
        return Ok(Vec::new());
    }
    // Queries may fail: connections are counted anyway.
    let names = os.processes();
    let are_known = names.is_ok();
    let names = names.unwrap_or_default();
    let services = os.hosted_services().ok();
    // Most first. (A sort is recursive, and the stack is bounded.)
    let mut ordered = BTreeMap::new();
    for (pid, remotes) in grouped {
        ordered.insert((Reverse(remotes.len()), pid), remotes);
    }
    let owners = ordered
        .into_iter()
        .map(|((_, pid), remotes)| {
            let belongs = |(id, _): &&(u32, String)| Some(*id) == pid;
            let path = pid.filter(|&pid| pid != 0).map(|pid| os.process_path(pid));
            let (path, path_error) = match path {
                None => (None, None),
                Some(Ok(path)) => (Some(path), None),
                Some(Err(error)) => (None, Some(error.to_string())),
            };
            let name = names.iter().find(belongs).map(|(_, name)| name.clone());
            ConnectionOwner {
                pid,
                has_ended: are_known && name.is_none(),
                name,
                path,
                path_error,
                services: services.as_ref().map(|services| {
                    let hosted = services.iter().filter(belongs);
                    hosted.map(|(_, name)| name.clone()).collect()
                }),
                connections: remotes.len(),
                // A listening port has no remote end.
                remote: remotes
                    .iter()
                    .filter(|remote| remote.port() != 0)
                    .map(ToString::to_string)
                    .collect(),
            }
        })
        .collect();
    Ok(owners)
}

impl ConnectionOwner {
    /// The name shown to people: `ares.exe (1234)`.
    pub(crate) fn display_name(&self) -> String {
        match (&self.name, self.pid) {
            (_, None) => phrase!("processes that this Windows does not list").into(),
            (_, Some(0)) => phrase!("no process").into(),
            (Some(name), Some(pid)) => format!("{name} ({pid})"),
            (None, Some(pid)) if self.has_ended => text!("a process that has ended ({pid})", pid),
            (None, Some(pid)) => text!("a process of unknown name ({pid})", pid),
        }
    }
}

fn lines(owners: &[ConnectionOwner], every: bool) -> Vec<String> {
    let kind = match every {
        true => phrase!("TCP"),
        false => phrase!("half-open"),
    };
    let count: usize = owners.iter().map(|owner| owner.connections).sum();
    let mut lines = Vec::from([match count {
        0 => text!("There are no {kind} connections now.", kind),
        1 => text!("There is 1 {kind} connection now:", kind),
        _ => text!("There are {count} {kind} connections now:", count, kind),
    }]);
    for owner in owners {
        lines.push(format!(
            "{:>6}  {}",
            owner.connections,
            owner.display_name()
        ));
        let mut below = |text: String| lines.push(format!("        {text}"));
        if let Some(path) = &owner.path {
            below(path.clone());
        }
        if let Some(error) = &owner.path_error {
            below(text!("path unknown: {error}", error));
        }
        match &owner.services {
            None => below(phrase!("services unknown").into()),
            Some(services) if services.is_empty() => {}
            Some(services) => below(text!(
                "services: {services}",
                services = services.join(", ")
            )),
        }
        let shown = owner.remote.get(..SHOWN_ADDRESSES).unwrap_or(&owner.remote);
        if !shown.is_empty() {
            let more = match owner.remote.len().saturating_sub(shown.len()) {
                0 => String::new(),
                more => text!(", and {more} more", more),
            };
            below(text!(
                "to {addresses}{more}",
                addresses = shown.join(", "),
                more
            ));
        }
    }
    lines
}
