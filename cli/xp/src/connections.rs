//! The TCP connections that the system lists, each with its process.
//!
//! Source of the layouts: MIB_TCPTABLE_OWNER_PID, MIB_TCP6TABLE_OWNER_PID and MIB_TCPTABLE in
//! Microsoft's documentation of IP Helper. Everything is dwords.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::os::{Os, TcpTable};
use crate::win32_error::Win32Error;

/// MIB_TCP_STATE_SYN_SENT.
const SYN_SENT: u32 = 3;

/// A TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// MIB_TCP_STATE.
    state: u32,
    pub(crate) remote: SocketAddr,
    /// The PID, where the system lists it; 0 if the process no longer owns the connection.
    pub(crate) process: Option<u32>,
}

impl Connection {
    pub(crate) fn is_half_open(&self) -> bool {
        self.state == SYN_SENT
    }
}

/// Lists all connections: IPv4 and, where the system lists it, IPv6. Windows before XP SP2 lists no
/// processes.
pub(crate) fn list(os: &dyn Os) -> Result<Vec<Connection>, Win32Error> {
    let mut all = Vec::new();
    match os.tcp_table(TcpTable::OwnedV4) {
        Err(Win32Error::PROC_NOT_FOUND) => {
            let table = os.tcp_table(TcpTable::V4)?;
            all.extend(
                rows(&table).map(|&[state, _, _, address, port]| Connection {
                    state,
                    remote: v4(address, port),
                    process: None,
                }),
            );
        }
        table => {
            all.extend(
                rows(&table?).map(|&[state, _, _, address, port, process]| Connection {
                    state,
                    remote: v4(address, port),
                    process: Some(process),
                }),
            );
        }
    }
    if let Ok(table) = os.tcp_table(TcpTable::OwnedV6) {
        all.extend(
            rows(&table).map(|&[_, _, _, _, _, _, a, b, c, d, _, port, state, process]| {
                Connection {
                    state,
                    remote: v6([a, b, c, d], port),
                    process: Some(process),
                }
            }),
        );
    }
    Ok(all)
}

/// The rows of a table after their count, at most as many as there are.
fn rows<const N: usize>(table: &[u32]) -> impl Iterator<Item = &[u32; N]> {
    let (count, rest) = table.split_first().unwrap_or((&0, &[]));
    let (rows, _) = rest.as_chunks::<N>();
    rows.iter()
        .take(usize::try_from(*count).unwrap_or(usize::MAX))
}

/// Addresses and ports are in network order; a port is in the lower half.
fn v4(address: u32, port: u32) -> SocketAddr {
    SocketAddr::new(
        IpAddr::V4(Ipv4Addr::from(address.to_le_bytes())),
        number(port),
    )
}

fn v6(address: [u32; 4], port: u32) -> SocketAddr {
    let mut bytes = [0; 16];
    for (to, part) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(address) {
        *to = part.to_le_bytes();
    }
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(bytes)), number(port))
}

fn number(port: u32) -> u16 {
    let [high, low, ..] = port.to_le_bytes();
    u16::from_be_bytes([high, low])
}
