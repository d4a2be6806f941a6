//! The requests of a client.

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Status, VERSION};

/// The beginning of every record.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Bytes of the whole record.
    pub size: U32,
    /// [`VERSION`].
    pub version: U32,
}

impl Header {
    /// The header of a record of this type.
    #[must_use]
    pub fn for_record<T>() -> Header {
        Header {
            size: U32::new(u32::try_from(size_of::<T>()).unwrap_or(0)),
            version: U32::new(VERSION),
        }
    }
}

/// The module of a record: 4 for `tcpip.sys`, 6 for `tcpip6.sys`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct ModuleId(pub U32);

impl ModuleId {
    /// `tcpip.sys`.
    pub const TCPIP: ModuleId = ModuleId(U32::new(4));
    /// `tcpip6.sys`.
    pub const TCPIP6: ModuleId = ModuleId(U32::new(6));
}

/// Asks for the state of a module's limit.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Query {
    /// Size and version.
    pub header: Header,
    /// The module: 4 for tcpip.sys, 6 for tcpip6.sys.
    pub module: ModuleId,
}

/// Asks to change a module's limit.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Set {
    /// Size and version.
    pub header: Header,
    /// As in a query.
    pub module: ModuleId,
    /// The new limit: 1 to 16,777,215.
    pub limit: U32,
    /// The limit that must be in force now; 0 leaves it to the driver, which
    /// accepts 10 and its own last write since the system started.
    pub expected: U32,
}

/// Asks to reset a module's limit to 10.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reset {
    /// Size and version.
    pub header: Header,
    /// As in a query.
    pub module: ModuleId,
    /// As in a set.
    pub expected: U32,
}

/// A record that a client sends.
pub trait Request: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy {
    /// The header.
    fn header(&self) -> Header;

    /// Reads a request from a client's buffer of exactly its size.
    ///
    /// # Errors
    /// The status to complete the request with: INFO_LENGTH_MISMATCH for a
    /// wrong length, REVISION_MISMATCH for a wrong version.
    fn read(input: &[u8]) -> Result<Self, Status> {
        let (request, rest) =
            Self::read_from_prefix(input).map_err(|_| Status::INFO_LENGTH_MISMATCH)?;
        let header = request.header();
        // The version decides what the length must be, so it comes first.
        if header.version.get() != VERSION {
            return Err(Status::REVISION_MISMATCH);
        }
        if !rest.is_empty() || header != Header::for_record::<Self>() {
            return Err(Status::INFO_LENGTH_MISMATCH);
        }
        Ok(request)
    }
}

impl Request for Query {
    fn header(&self) -> Header {
        self.header
    }
}

impl Request for Set {
    fn header(&self) -> Header {
        self.header
    }
}

impl Request for Reset {
    fn header(&self) -> Header {
        self.header
    }
}
