//! The device of the driver of 2005, `tcpip_patcher.sys`.
//!
//! Programs written for it (Ares Galaxy, KCeasy) send [`GET`] without input, or
//! [`SET`] with a [`Record`], and get a [`Record`] back with a log behind it: a
//! NUL-terminated ASCII string that begins at [`LOG_OFFSET`] and may fill the
//! rest of their buffer, usually 3,072 bytes. They read the log only if more
//! than the record came back, and take a limit of 0 for a failure.

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::code::{READ, READ_WRITE, control_code};

/// Reads limit and count: 226004h.
pub const GET: u32 = control_code(0x801, READ);
/// Changes the limit: 22E008h.
pub const SET: u32 = control_code(0x802, READ_WRITE);

/// The name that programs of 2005 open.
pub const DEVICE: &str = r"\\.\TCPIP_PATCHER";
/// Offset of the log.
pub const LOG_OFFSET: usize = 12;

/// The record of 2005: 16 bytes, the last four being the log's first.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Record {
    /// In: the new limit. Out: the current limit, 0 if unreadable.
    pub limit: U32,
    /// Out: the number of half-open connections.
    pub half_open: U32,
    /// Out: 0 for success, 1 for failure; the log says why.
    pub error: U32,
    /// Out: the log, ASCII text that ends with a NUL, as much as fits.
    pub log: [u8; 4],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_record_match_the_programs_of_2005() {
        assert_eq!((GET, SET), (0x0022_6004, 0x0022_E008));
        assert_eq!(size_of::<Record>(), 16);
        assert_eq!(core::mem::offset_of!(Record, log), LOG_OFFSET);
    }
}
