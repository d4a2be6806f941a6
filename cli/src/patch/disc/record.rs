//! The record in the last sector of a changed image: how to reconstruct the original.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::iso::{SECTOR, position};
use crate::storage::{self, Storage};

/// The beginning of a record, readable for people.
const TEXT: &[u8; 64] = b"tcplimit changed this image; tcplimit restore undoes it. v1\n\0\0\0\0";

// Offsets of its fields, in bytes; numbers are little-endian.
const LENGTH: usize = 64;
const HASH: usize = 72;
const COUNT: usize = 104;
const EDITS: usize = 108;
/// The offset of the SHA-256 of all preceding bytes.
const DIGEST: usize = SECTOR as usize - 32;
/// The size of an edit: its offset, its length, and room for its bytes.
const EDIT: usize = 8 + 1 + MAX_EDIT;

/// The longest edit in bytes: two numbers of a directory record.
pub(super) const MAX_EDIT: usize = 16;

/// The original of a changed image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its length in bytes.
    pub(super) length: u64,
    /// Its SHA-256.
    pub(super) sha256: [u8; 32],
    /// The original bytes, by offset in bytes.
    pub(super) edits: BTreeMap<u64, Vec<u8>>,
}

impl Record {
    /// The number of edits that fit.
    pub(super) const MAX_EDITS: usize = (DIGEST - EDITS) / EDIT;

    /// Reads the record of an image with this many sectors, if it has one.
    pub(super) fn read(file: &dyn Storage, volume_sectors: u32) -> Option<Record> {
        let last = position(volume_sectors.checked_sub(1)?);
        let sector = storage::bytes(file, last, SECTOR as usize).ok()?;
        let (body, digest) = sector.split_at_checked(DIGEST)?;
        if !body.starts_with(TEXT) || Sha256::digest(body)[..] != *digest {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let length = number(LENGTH).filter(|&length| length <= last)?;
        let count = u32::from_le_bytes(*body.get(COUNT..)?.first_chunk()?);
        let mut edits = BTreeMap::new();
        for index in 0..usize::try_from(count).ok()?.min(Self::MAX_EDITS) {
            let edit = body.get(EDITS + index * EDIT..)?.get(..EDIT)?;
            let (place, rest) = edit.split_first_chunk::<8>()?;
            let (&size, bytes) = rest.split_first()?;
            let bytes = bytes.get(..usize::from(size))?;
            edits.insert(u64::from_le_bytes(*place), bytes.to_vec());
        }
        Some(Record {
            length,
            sha256: *body.get(HASH..)?.first_chunk()?,
            edits,
        })
    }

    /// The sector. There are at most [`MAX_EDITS`](Self::MAX_EDITS) edits of at
    /// most [`MAX_EDIT`] bytes.
    pub(super) fn sector(&self) -> Vec<u8> {
        let mut sector = TEXT.to_vec();
        sector.extend(self.length.to_le_bytes());
        sector.extend(self.sha256);
        let count = u32::try_from(self.edits.len()).unwrap_or(u32::MAX);
        sector.extend(count.to_le_bytes());
        for (at, bytes) in &self.edits {
            sector.extend(at.to_le_bytes());
            sector.push(u8::try_from(bytes.len()).unwrap_or(0));
            sector.extend(bytes);
            sector.resize(sector.len() + MAX_EDIT.saturating_sub(bytes.len()), 0);
        }
        sector.resize(DIGEST, 0);
        let digest = Sha256::digest(&sector);
        sector.extend(digest);
        sector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let edit = |index: u64| (index * 4096, vec![7; MAX_EDIT]);
        let most = u64::try_from(Record::MAX_EDITS).unwrap();
        Record {
            length: 2048,
            sha256: [3; 32],
            edits: (0..most).map(edit).collect(),
        }
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let mut image = vec![0; 2048];
        image.extend(record().sector());
        assert_eq!(image.len(), 4096);
        assert_eq!(Record::read(&image, 2), Some(record()));
        assert_eq!(Record::read(&image, 1), None);
        assert_eq!(Record::read(&image, 0), None);
    }

    #[test]
    fn a_record_with_any_changed_byte_is_rejected() {
        let sector = record().sector();
        for at in 0..sector.len() {
            let mut image = vec![0; 2048];
            image.extend(&sector);
            image[2048 + at] ^= 0x40;
            assert_eq!(Record::read(&image, 2), None, "{at}");
        }
    }

    #[test]
    fn a_record_cannot_claim_an_image_longer_than_the_data_before_it() {
        let mut longer = record();
        longer.length = 2049;
        let mut image = vec![0; 2048];
        image.extend(longer.sector());
        assert_eq!(Record::read(&image, 2), None);
    }
}
