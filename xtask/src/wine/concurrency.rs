//! Concurrent requests and handles.

use super::script::{missing_words, parse_number};
use super::session::{FILE_DELETED, Session};
use crate::command::Failure;

const THREADS: u32 = 16;
const HANDLES: usize = 50;
/// Queries before the driver is stopped in use.
const QUERIES_BEFORE_STOP: u32 = 100;

/// Checks concurrent threads that open, query, set and close. (Wine serves them one after
/// the other, in one thread.)
pub(super) fn check_requests(session: &mut Session<'_>, requests: u32) -> Result<(), Failure> {
    session.check("", "set ours 4 10", "reason=0 limit=10")?;
    session.check("", "set ours 6 10", "reason=0 limit=10")?;
    let each = requests.div_ceil(THREADS);
    let all = each * THREADS;
    session.send(&format!("storm {THREADS} {each}"))?;
    session.check(
        &format!("{all} requests by {THREADS} threads all get correct answers"),
        "calm",
        &format!("sent={all} answered={all} failed=0 wrong=0"),
    )?;
    for (module, target) in [(4, "tcpip"), (6, "tcpip6")] {
        let answer = session.send(&format!("query ours {module}"))?;
        let limit = parse_number(&answer, "written").unwrap_or_default();
        session.check(
            &format!("{target}.sys has the last written limit, and nothing else changed"),
            &format!("target {target} look"),
            &format!("status=0x0 queued=0 limit={limit} half_open=0"),
        )?;
        session.check("", &format!("reset ours {module}"), "reason=0 limit=10")?;
    }
    Ok(())
}

/// Stops the driver with many open handles. NT would wait for them; Wine deletes the
/// devices.
pub(super) fn check_open_handles(session: &mut Session<'_>) -> Result<(), Failure> {
    let name = |index: usize| format!("many{index}");
    let mut failures = Vec::new();
    for index in 0..HANDLES {
        let device = ["TcpLimit", "TCPIP_PATCHER"][index % 2];
        let answer = session.send(&format!("open {} {device}", name(index)))?;
        if answer != "error=0" {
            failures.push(answer);
        }
    }
    let description = format!("{HANDLES} handles are open at once");
    session.checks.check_no_failures(&description, &failures);
    session.check("the driver stops nevertheless", "stop TcpLimit", "error=0")?;
    session.check("", "state TcpLimit", "state=1")?;

    let mut failures = Vec::new();
    for index in 0..HANDLES {
        let handle = name(index);
        let query = format!("raw {handle} 0x226400 12 104 0c0000000100000004000000");
        let answer = session.send(&query)?;
        let expected = format!("{FILE_DELETED} returned=0 stray=0");
        if !missing_words(&answer, &expected).is_empty() {
            failures.push(answer);
        }
        session.send(&format!("close {handle}"))?;
    }
    let description = "requests to handles of the stopped driver are refused";
    session.checks.check_no_failures(description, &failures);
    session.check(
        "the target's limit is still 10",
        "target tcpip look",
        "limit=10",
    )?;
    session.check("", "load", "error=0")?;
    session.check("the next load works", "set ours 4 20", "reason=0 limit=20")?;
    session.check("", "set ours 4 10", "reason=0 limit=10")
}

/// Stops the driver during requests. That is impossible on NT, which calls `unload` after
/// the last handle is closed. Wine calls it at once, and Wine 8's KeReleaseMutex does not
/// wake waiting threads: if a request and `unload` overlap, one of them waits forever. So
/// only the answers can be checked, and the session ends.
pub(super) fn check_stop_in_use(session: &mut Session<'_>) -> Result<(), Failure> {
    session.send("storm 4 0")?;
    // One thread serves all requests: after this many queries of this client, some of the
    // storm's requests were served too.
    for _ in 0..QUERIES_BEFORE_STOP {
        session.send("query ours 4")?;
    }
    let stopped = session.send("stop TcpLimit")?;
    let calm = session.send("calm now")?;
    let in_use = parse_number(&calm, "answered").is_some_and(|answered| answered > 0);
    let description = "the driver was in use when it was stopped";
    session.checks.check(description, in_use, &calm);
    let right = missing_words(&calm, "wrong=0").is_empty();
    let description = "stopped in use, the driver gives no wrong answer";
    session.checks.check(description, right, &calm);
    if stopped != "error=0" {
        let description = "Wine did not wake the driver's unload, which waited for a request";
        session.checks.note(description);
    }
    Ok(())
}
