//! Control codes.

/// FILE_DEVICE_UNKNOWN: the type of both devices.
const DEVICE_TYPE: u32 = 0x22;
/// FILE_READ_DATA: the handle must have been opened for reading.
pub(crate) const READ: u32 = 1;
/// FILE_READ_DATA and FILE_WRITE_DATA.
pub(crate) const READ_WRITE: u32 = 3;

/// Composes a control code as CTL_CODE does, for METHOD_BUFFERED (0).
#[must_use]
pub const fn control_code(function: u32, access: u32) -> u32 {
    (DEVICE_TYPE << 16) | (access << 14) | (function << 2)
}

/// Reads one module's limit: [`Query`](crate::Query) in,
/// [`Answer`](crate::Answer) out.
pub const QUERY: u32 = control_code(0x900, READ);
/// Changes the limit: [`Set`](crate::Set) in, [`Answer`](crate::Answer) out.
pub const SET: u32 = control_code(0x901, READ_WRITE);
/// Resets the limit to 10: [`Reset`](crate::Reset) in,
/// [`Answer`](crate::Answer) out.
pub const RESET: u32 = control_code(0x902, READ_WRITE);
