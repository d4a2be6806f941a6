//! Sectors, the unit of positions in an image.

use std::io;

use crate::storage::{self, Storage};

/// Bytes in a sector, and in a logical block of the supported images.
pub(crate) const SECTOR: u32 = 2048;

/// The position of a sector, in bytes.
pub(crate) fn position(sector: u32) -> u64 {
    u64::from(sector) * u64::from(SECTOR)
}

/// Reads a sector.
pub(super) fn read(storage: &dyn Storage, sector: u32) -> io::Result<Vec<u8>> {
    storage::bytes(storage, position(sector), SECTOR as usize)
}
