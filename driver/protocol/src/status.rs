//! NTSTATUS values.

/// An NTSTATUS: the result of NT's calls and of requests.
///
/// Source of the values: \[MS-ERREF\], section 2.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// STATUS_SUCCESS.
    pub const SUCCESS: Status = Status(0);
    /// STATUS_UNSUCCESSFUL.
    pub const UNSUCCESSFUL: Status = Status(0xC000_0001);
    /// STATUS_INFO_LENGTH_MISMATCH: a record of the wrong length.
    pub const INFO_LENGTH_MISMATCH: Status = Status(0xC000_0004);
    /// STATUS_INVALID_PARAMETER.
    pub const INVALID_PARAMETER: Status = Status(0xC000_000D);
    /// STATUS_INVALID_DEVICE_REQUEST: an unknown control code.
    pub const INVALID_DEVICE_REQUEST: Status = Status(0xC000_0010);
    /// STATUS_ACCESS_DENIED.
    pub const ACCESS_DENIED: Status = Status(0xC000_0022);
    /// STATUS_BUFFER_TOO_SMALL: the answer does not fit.
    pub const BUFFER_TOO_SMALL: Status = Status(0xC000_0023);
    /// STATUS_OBJECT_TYPE_MISMATCH: a value of another type than expected.
    pub const OBJECT_TYPE_MISMATCH: Status = Status(0xC000_0024);
    /// STATUS_OBJECT_NAME_NOT_FOUND.
    pub const OBJECT_NAME_NOT_FOUND: Status = Status(0xC000_0034);
    /// STATUS_OBJECT_NAME_COLLISION: the name is taken.
    pub const OBJECT_NAME_COLLISION: Status = Status(0xC000_0035);
    /// STATUS_REVISION_MISMATCH: a record of another version.
    pub const REVISION_MISMATCH: Status = Status(0xC000_0059);
    /// STATUS_INSUFFICIENT_RESOURCES: no memory.
    pub const INSUFFICIENT_RESOURCES: Status = Status(0xC000_009A);

    /// NT_SUCCESS: neither a warning nor an error.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }

    /// `Ok` for success.
    ///
    /// # Errors
    /// The status itself, unless it is a success.
    pub fn ok(self) -> Result<(), Status> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }
}
