//! Why a disc image can't be read.

use std::fmt;
use std::io;

use super::sector::SECTOR;
use crate::terminal::os_error_text;

/// What is wrong with an image. Sectors are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiscError {
    /// A sector can't be read.
    Unreadable { sector: u32, why: String },
    /// The descriptors have no end.
    NoTerminator,
    /// None of them is a primary one.
    NoPrimary,
    /// More than one is.
    SeveralPrimaries,
    /// One names a tree in a way that is not known.
    UnknownDescriptor { sector: u32 },
    /// A logical block has another size than a sector.
    BlockSize(u16),
    /// A number differs in its two byte orders.
    ByteOrders { sector: u32, field: &'static str },
    /// A directory record does not hold together.
    Record { sector: u32, offset: usize },
    /// What it names lies outside of the image.
    Outside { path: String },
    /// A directory is named twice, or within itself.
    Loop { path: String },
    /// Directories in directories, without end.
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
                "the volume descriptor in sector {sector} names a tree in a way that is not known"
            ),
            DiscError::BlockSize(size) => write!(
                f,
                "its logical blocks have {size} bytes, and only {SECTOR} are read here"
            ),
            DiscError::ByteOrders { sector, field } => write!(
                f,
                "sector {sector}: the {field} is not the same in both byte orders"
            ),
            DiscError::Record { sector, offset } => write!(
                f,
                "sector {sector}: the directory record at byte {offset} does not hold together"
            ),
            DiscError::Outside { path } => write!(f, "{path} lies outside of the image"),
            DiscError::Loop { path } => write!(f, "the directory {path} is named twice"),
            DiscError::TooDeep { path } => write!(f, "{path}: directories are nested too deep"),
            DiscError::TooMany => f.write_str("it has more directories or files than any disc"),
        }
    }
}

impl std::error::Error for DiscError {}
