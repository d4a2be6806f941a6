//! Changes of four bytes in an image: the value that start-up code stores, and the
//! checksum of the file.

use scanner_core::{Checksum, Headers};

/// The meaning of four bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The value that start-up code stores in the limit.
    Limit,
    /// The checksum in the header.
    Checksum,
}

/// A change of four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Their meaning.
    pub field: Field,
    /// Their offset in the image, in bytes.
    pub offset: usize,
    /// The old bytes.
    pub before: [u8; 4],
    /// The new bytes.
    pub after: [u8; 4],
}

/// The changes that set the limit at this file offset, and the checksum of the result.
pub(super) fn changes(
    image: &[u8],
    headers: &Headers<'_>,
    offset: usize,
    limit: u32,
) -> Option<Vec<Change>> {
    let value = Change {
        field: Field::Limit,
        offset,
        before: *image.get(offset..)?.first_chunk()?,
        after: limit.to_le_bytes(),
    };
    let mut changed = image.to_vec();
    put(&mut changed, &value)?;
    let field = headers.checksum_offset();
    let checksum = Change {
        field: Field::Checksum,
        offset: field,
        before: *image.get(field..)?.first_chunk()?,
        after: Checksum::compute(headers, &changed).computed.to_le_bytes(),
    };
    // Different values may have the same checksum.
    let is_one = checksum.before != checksum.after;
    Some(
        [value]
            .into_iter()
            .chain(is_one.then_some(checksum))
            .collect(),
    )
}

/// Makes a change; `None` if the old bytes differ from the expected ones.
pub(super) fn put(image: &mut [u8], change: &Change) -> Option<()> {
    let place = image.get_mut(change.offset..)?.first_chunk_mut::<4>()?;
    (*place == change.before).then(|| *place = change.after)
}

/// `0A 00 00 00`
pub(crate) fn hex(bytes: [u8; 4]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join(" ")
}
