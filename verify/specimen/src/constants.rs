//! The rest of `.rdata` behind the import address table: strings, unwind data,
//! and the read-only variables of decoy limiters.

use super::data::{Shape, Trio};
use super::name::Name;

const STRINGS: [&str; 10] = [
    "\\Device\\Tcp",
    "\\Device\\Udp",
    "\\Device\\RawIp",
    "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\Tcpip\\Parameters",
    "EnableDeadGWDetect",
    "KeepAliveInterval",
    "MaxUserPort",
    "TcpMaxConnectRetransmissions",
    "TcpTimedWaitDelay",
    "TcpWindowSize",
];

/// The layout and the bytes behind the import address table.
#[derive(Debug)]
pub(super) struct Constants {
    /// Offsets of strings in the section.
    pub(super) strings: Vec<u32>,
    /// Offset of the unwind data that all functions share.
    pub(super) unwind: u32,
    /// Limiters' variables.
    pub(super) trios: Vec<Trio>,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
}

impl Constants {
    /// Lays out the section from offset `start` on, with room for `trios`
    /// limiters.
    pub(super) fn plan(start: u32, trios: usize) -> Self {
        let mut constants = Self {
            strings: Vec::new(),
            unwind: 0,
            trios: Vec::new(),
            bytes: Vec::new(),
        };
        for text in STRINGS {
            constants.strings.push(constants.end(start));
            constants
                .bytes
                .extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
            constants.align();
        }
        constants.unwind = constants.end(start);
        // Version 1, no prologue, no codes, no frame register.
        constants.bytes.extend([1, 0, 0, 0]);
        for _ in 0..trios {
            let trio = Shape::Regular.at(Name::Rdata, constants.end(start));
            constants.trios.push(trio);
            constants.bytes.extend([0; 16]);
        }
        constants
    }

    fn end(&self, start: u32) -> u32 {
        start + u32::try_from(self.bytes.len()).expect("constants are few")
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
