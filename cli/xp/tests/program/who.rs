//! `who`.

use tcplimit_xp::{Exit, Win32Error};

use crate::machine::{Fault, Machine};

const SYN_SENT: u32 = 3;
const ESTABLISHED: u32 = 5;

/// A row of MIB_TCPTABLE_OWNER_PID: state, local end, remote end, process. Addresses and ports are
/// in network order.
fn v4(state: u32, remote: [u8; 4], port: u16, process: u32) -> [u32; 6] {
    let port = u32::from(port.swap_bytes());
    // The upper half of a port is undefined.
    let port = port | 0xABCD_0000;
    [
        state,
        0x0100_007F,
        0x1234,
        u32::from_le_bytes(remote),
        port,
        process,
    ]
}

fn table<const N: usize>(rows: &[[u32; N]]) -> Vec<u32> {
    let count = u32::try_from(rows.len()).expect("small");
    // Unused space may contain anything.
    [&[count][..], rows.as_flattened(), &[SYN_SENT; 40]].concat()
}

/// Ares has ten connections, a service host one, and an ended process one.
fn busy() -> Machine {
    let machine = Machine::new();
    let mut rows = Vec::new();
    rows.push(v4(SYN_SENT, [10, 0, 0, 1], 53, 900));
    rows.push(v4(ESTABLISHED, [10, 0, 0, 2], 80, 900));
    for last in 1..=10 {
        rows.push(v4(SYN_SENT, [62, 1, 2, last], 6881, 1234));
    }
    rows.push(v4(SYN_SENT, [62, 1, 2, 200], 25, 77));
    rows.push(v4(ESTABLISHED, [62, 1, 2, 201], 25, 0));
    // LISTEN.
    rows.push(v4(2, [0; 4], 0, 4));
    machine.tables.borrow_mut().insert("owned-v4", table(&rows));
    *machine.processes.borrow_mut() = vec![
        (0, "[System Process]", None),
        (4, "System", None),
        (900, "svchost.exe", None),
        (1234, "Ares.exe", Some(r"C:\Program Files\Ares\Ares.exe")),
    ];
    *machine.hosted.borrow_mut() = [(900, "Dnscache"), (900, "LmHosts"), (500, "Spooler")]
        .map(|(id, name)| (id, name.to_string()))
        .into();
    machine
}

#[test]
fn processes_are_listed_with_addresses_most_connections_first() {
    assert_eq!(
        busy().succeeds("who"),
        "\
There are 12 half-open connections now:
    10  Ares.exe (1234)
        C:\\Program Files\\Ares\\Ares.exe
        to 62.1.2.1:6881, 62.1.2.2:6881, 62.1.2.3:6881, 62.1.2.4:6881, 62.1.2.5:6881, \
62.1.2.6:6881, 62.1.2.7:6881, 62.1.2.8:6881, and 2 more
     1  a process that has ended (77)
        path unknown: error 87; \"net helpmsg 87\" explains it
        to 62.1.2.200:25
     1  svchost.exe (900)
        path unknown: access is denied (error 5)
        services: Dnscache, LmHosts
        to 10.0.0.1:53
"
    );
}

#[test]
fn with_every_all_states_count() {
    let output = busy().succeeds("who --every --json");
    let object: serde_json::Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(object["every"], true);
    let processes = object["processes"].as_array().expect("an array");
    let seen: Vec<(Option<u64>, Option<u64>)> = processes
        .iter()
        .map(|process| (process["pid"].as_u64(), process["connections"].as_u64()))
        .collect();
    let expected = [(1234, 10), (900, 2), (0, 1), (4, 1), (77, 1)];
    assert_eq!(seen, expected.map(|(pid, count)| (Some(pid), Some(count))));
    assert_eq!(processes[0]["remote"].as_array().map(Vec::len), Some(10));
    // A listening port has no remote end.
    assert_eq!(processes[3]["remote"], serde_json::json!([]));
    assert_eq!(processes[0]["path"], r"C:\Program Files\Ares\Ares.exe");
    assert!(processes[1]["path"].is_null());
    assert!(processes[4]["name"].is_null());
    let text = busy().succeeds("who --every");
    assert!(text.contains("     1  no process\n"), "{text}");
}

#[test]
fn ipv6_counts_where_the_system_lists_it() {
    let machine = busy();
    let mut row = [0; 14];
    // The remote end: address, scope, port; then state and process.
    let address = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    for (to, four) in row[6..10].iter_mut().zip(address.as_chunks::<4>().0) {
        *to = u32::from_le_bytes(*four);
    }
    (row[11], row[12], row[13]) = (u32::from(443_u16.swap_bytes()), SYN_SENT, 900);
    machine
        .tables
        .borrow_mut()
        .insert("owned-v6", table(&[row]));
    let output = machine.succeeds("who");
    assert!(output.contains("     2  svchost.exe (900)\n"), "{output}");
    assert!(
        output.contains("        to 10.0.0.1:53, [2001:db8::9]:443\n"),
        "{output}"
    );
}

#[test]
fn connections_are_listed_where_windows_lists_no_processes() {
    let machine = busy();
    let rows = [
        [SYN_SENT, 0, 0, 0x0100_000A, 0x5000],
        [ESTABLISHED, 0, 0, 0, 0x5000],
    ];
    let mut tables = machine.tables.borrow_mut();
    tables.clear();
    tables.insert("v4", table(&rows));
    drop(tables);
    assert_eq!(
        machine.succeeds("who"),
        "There is 1 half-open connection now:\n     1  processes that this Windows does not list\n        \
         to 10.0.0.1:80\n"
    );
}

#[test]
fn an_empty_table_is_reported_and_a_truncated_one_is_read_to_its_end() {
    let machine = Machine::new();
    assert_eq!(
        machine.succeeds("who"),
        "There are no half-open connections now.\n"
    );
    let mut cut = vec![7];
    cut.extend(v4(SYN_SENT, [10, 0, 0, 1], 53, 900));
    cut.push(SYN_SENT);
    machine.tables.borrow_mut().insert("owned-v4", cut);
    assert!(
        machine
            .succeeds("who")
            .starts_with("There is 1 half-open connection now:")
    );
    machine.tables.borrow_mut().insert("owned-v4", vec![]);
    assert_eq!(
        machine.succeeds("who"),
        "There are no half-open connections now.\n"
    );
}

#[test]
fn failed_queries_are_skipped_and_connections_still_counted() {
    let calls = {
        let machine = busy();
        machine.succeeds("who");
        machine.calls()
    };
    let mut failed = 0;
    let (mut unlisted, mut unserved) = (0, 0);
    for call in 0..calls {
        let machine = busy();
        machine.clear_output();
        match machine.run_with_fault("who", call, Fault::Fails(Win32Error::ACCESS_DENIED)) {
            Some(Exit::Done) => {
                let output = machine.out.borrow();
                assert!(
                    output.starts_with("There are 12 half-open"),
                    "{call}: {output}"
                );
                // Without a list of processes, ended ones are unknown.
                let unknown = output.contains("a process of unknown name (77)\n");
                let ended = output.contains("a process that has ended (77)\n");
                assert!(unknown != ended, "{call}: {output}");
                unlisted += u32::from(unknown && !output.contains("has ended"));
                unserved += u32::from(output.contains("        services unknown\n"));
            }
            _ => {
                failed += 1;
                let error = machine.error.borrow();
                assert!(error.contains("list the TCP connections"), "{error}");
            }
        }
    }
    // Only the table of connections is required.
    assert_eq!((failed, unlisted, unserved), (1, 1, 1));
}

#[test]
fn it_needs_no_driver_and_no_windows_with_the_limit() {
    let mut machine = busy();
    machine.version.major = 10;
    machine.wow64 = true;
    machine.succeeds("who");
    assert_eq!(machine.changes.get(), 0);
}
