//! Why a disc image can't be read.

use std::fmt;
use std::io;

use super::sector::SECTOR;
use crate::terminal::os_error_text;

/// The reason why an image can't be read. Sectors are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiscError {
    /// A sector can't be read.
    Unreadable { sector: u32, why: String },
    /// The descriptors have no terminator.
    NoTerminator,
    /// No primary descriptor.
    NoPrimary,
    /// Several primary descriptors.
    SeveralPrimaries,
    /// A descriptor of an unknown kind.
    UnknownDescriptor { sector: u32 },
    /// The size of logical blocks is not that of a sector.
    BlockSize(u16),
    /// A number differs in its two byte orders.
    ByteOrders { sector: u32, field: &'static str },
    /// A directory record is inconsistent.
    Record { sector: u32, offset: usize },
    /// A file or directory lies outside the image.
    Outside { path: String },
    /// A directory occurs twice, or within itself.
    Loop { path: String },
    /// Directories are nested too deep.
    TooDeep { path: String },
    /// More records or directories than any disc has.
    TooMany,
}

impl DiscError {
    /// A sector that can't be read.
    pub(super) fn unreadable(sector: u32, error: &io::Error) -> DiscError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => DiscError::Unreadable {
                sector,
                why: "the image ends before it".to_owned(),
            },
            _ => DiscError::Unreadable {
                sector,
                why: os_error_text(error),
            },
        }
    }
}

impl fmt::Display for DiscError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiscError::Unreadable { sector, why } => {
                write!(f, "sector {sector} can't be read: {why}")
            }
            DiscError::NoTerminator => f.write_str("its volume descriptors have no end"),
            DiscError::NoPrimary => f.write_str("it has no primary volume descriptor"),
            DiscError::SeveralPrimaries => f.write_str("it has several primary volume descriptors"),
            DiscError::UnknownDescriptor { sector } => write!(
                f,
                "the volume descriptor in sector {sector} is of an unknown kind"
            ),
            DiscError::BlockSize(size) => write!(
                f,
                "its logical blocks have {size} bytes; only {SECTOR} are supported"
            ),
            DiscError::ByteOrders { sector, field } => write!(
                f,
                "sector {sector}: the {field} differs between its two byte orders"
            ),
            DiscError::Record { sector, offset } => write!(
                f,
                "sector {sector}: the directory record at byte {offset} is inconsistent"
            ),
            DiscError::Outside { path } => write!(f, "{path} lies outside the image"),
            DiscError::Loop { path } => write!(f, "the directory {path} occurs twice"),
            DiscError::TooDeep { path } => write!(f, "{path}: directories are nested too deep"),
            DiscError::TooMany => f.write_str("it has more directories or files than any disc"),
        }
    }
}

impl std::error::Error for DiscError {}
