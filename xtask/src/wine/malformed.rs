//! Malformed requests: each must get the right status, return no unannounced byte, and
//! leave the target unchanged.

use super::script::parse_number;
use super::session::Session;
use crate::command::Failure;

/// A request to one of the devices.
struct Request {
    name: &'static str,
    handle: &'static str,
    code: u32,
    /// Its record in hexadecimal.
    record: &'static str,
    input: u32,
    /// Length of the shortest output buffer.
    output: u32,
    /// Whether a longer input is refused.
    exact: bool,
}

const INFO_LENGTH_MISMATCH: &str = "status=0xc0000004 returned=0 stray=0";
const BUFFER_TOO_SMALL: &str = "status=0xc0000023 returned=0 stray=0";
const INVALID_DEVICE_REQUEST: &str = "status=0xc0000010 returned=0 stray=0";
const REVISION_MISMATCH: &str = "status=0xc0000059 returned=0 stray=0";

/// Each asks for the limit already in force, so that a well-formed request changes
/// nothing.
const REQUESTS: [Request; 5] = [
    Request {
        name: "query",
        handle: "ours",
        code: 0x0022_6400,
        record: "0c0000000100000004000000",
        input: 12,
        output: 104,
        exact: true,
    },
    Request {
        name: "set",
        handle: "ours",
        code: 0x0022_E404,
        record: "1400000001000000040000006400000000000000",
        input: 20,
        output: 104,
        exact: true,
    },
    Request {
        name: "reset",
        handle: "ours",
        code: 0x0022_E408,
        // The expected value, 7, is not in force.
        record: "10000000010000000400000007000000",
        input: 16,
        output: 104,
        exact: true,
    },
    Request {
        name: "get of 2005",
        handle: "legacy",
        code: 0x0022_6004,
        record: "",
        input: 0,
        output: 16,
        exact: false,
    },
    Request {
        name: "set of 2005",
        handle: "legacy",
        code: 0x0022_E008,
        record: "64000000000000000000000055555555",
        input: 16,
        output: 16,
        exact: false,
    },
];

/// Number of extra bytes to try.
const BEYOND: u32 = 8;

/// Checks all malformed requests.
pub(super) fn check_requests(session: &mut Session<'_>) -> Result<(), Failure> {
    session.check("", "set ours 4 100", "reason=0 limit=100")?;
    session.check("", "open legacy TCPIP_PATCHER", "error=0")?;
    session.check(
        "a record of another version is refused",
        "raw ours 0x22e404 20 104 1400000002000000040000006500000000000000",
        REVISION_MISMATCH,
    )?;
    session.check(
        "a record with a wrong size is refused",
        "raw ours 0x22e404 20 104 1500000001000000040000006500000000000000",
        INFO_LENGTH_MISMATCH,
    )?;
    for request in &REQUESTS {
        check_lengths(session, request)?;
    }
    check_codes(session, "ours", &[0x0022_6400, 0x0022_E404, 0x0022_E408])?;
    check_codes(session, "legacy", &[0x0022_6004, 0x0022_E008])?;
    session.check("", "close legacy", "error=0")?;
    session.check(
        "the target is unchanged after all malformed requests",
        "target tcpip look",
        "queued=0 limit=100 half_open=0",
    )
}

/// Checks every length of input with some of output, and every length of output.
fn check_lengths(session: &mut Session<'_>, request: &Request) -> Result<(), Failure> {
    let (input, output) = (request.input, request.output);
    let mut pairs = Vec::new();
    for given in 0..=input + BEYOND {
        for room in [0, output - 1, output, output + BEYOND] {
            pairs.push((given, room));
        }
    }
    pairs.extend((0..=output + BEYOND).map(|room| (input, room)));

    let mut failures = Vec::new();
    for &(given, room) in &pairs {
        let Request {
            handle,
            code,
            record,
            ..
        } = request;
        let answer = session.send(&format!("raw {handle} {code:#x} {given} {room} {record}"))?;
        let fits = if request.exact {
            given == input
        } else {
            given >= input
        };
        let right = if !fits {
            answer == INFO_LENGTH_MISMATCH
        } else if room < output {
            answer == BUFFER_TOO_SMALL
        } else {
            let returned = parse_number(&answer, "returned");
            answer.starts_with("status=0x0 ")
                && answer.ends_with(" stray=0")
                && returned.is_some_and(|returned| (output..=room).contains(&returned))
        };
        if !right {
            failures.push(format!("{given} in, {room} out: {answer}"));
        }
    }
    let (name, count) = (request.name, pairs.len());
    let description =
        format!("a {name} with all lengths from 0 to {BEYOND} more than needed ({count})");
    session.checks.check_no_failures(&description, &failures);
    session.check("", "target tcpip look", "queued=0 limit=100 half_open=0")
}

/// Checks codes near the known ones with all methods and rights, and some others.
fn check_codes(session: &mut Session<'_>, handle: &str, known: &[u32]) -> Result<(), Failure> {
    let near = (0x7FE..=0x806).chain(0x8FE..=0x906).chain([0, 1, 0xFFF]);
    let composed = near.flat_map(|function| {
        (0..16).map(move |bits| 0x0022_0000 | (bits >> 2) << 14 | function << 2 | bits & 3)
    });
    // Another device type, and the other driver's codes on this device.
    let codes: Vec<u32> = composed
        .chain([0, 0x6400, 0x0012_E404, 0x8022_E404, 0xFFFF_FFFF])
        .filter(|code| !known.contains(code))
        .collect();
    let mut failures = Vec::new();
    for code in &codes {
        // A set to 101 in the device's format.
        let record = if handle == "ours" {
            "1400000001000000040000006500000000000000"
        } else {
            "6500000000000000000000000000000000000000"
        };
        let answer = session.send(&format!("raw {handle} {code:#x} 20 104 {record}"))?;
        if answer != INVALID_DEVICE_REQUEST {
            failures.push(format!("{code:#x}: {answer}"));
        }
    }
    let count = codes.len();
    let description = format!("{count} unknown codes to {handle} are refused as invalid requests");
    session.checks.check_no_failures(&description, &failures);
    session.check("", "target tcpip look", "queued=0 limit=100 half_open=0")
}
