//! Checksums of files, independent of the code that they test.

use sha2::{Digest, Sha256};

/// The checksum as documented for ImageHlp: the sum of all 16-bit words with
/// each carry added back, without the field at `field`, plus the length.
///
/// # Panics
/// For files of more than 4 GiB.
pub fn checksum(file: &[u8], field: usize) -> u32 {
    let mut sum = 0_u32;
    for at in (0..file.len()).step_by(2) {
        if (field..field + 4).contains(&at) {
            continue;
        }
        let high = file.get(at + 1).copied().unwrap_or(0);
        sum += u32::from(u16::from_le_bytes([file[at], high]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum + u32::try_from(file.len()).expect("a file of less than 4 GiB")
}

/// The offset of a file's checksum: 64 bytes into the optional header, PE32 or
/// PE32+.
pub fn checksum_field(file: &[u8]) -> Option<usize> {
    let nt = u32::from_le_bytes(*file.get(0x3C..)?.first_chunk()?) as usize;
    let field = nt.checked_add(24 + 64)?;
    (field.is_multiple_of(2) && field.checked_add(4)? <= file.len()).then_some(field)
}

/// Writes the correct checksum into a file.
pub fn update(file: &mut [u8]) {
    if let Some(field) = checksum_field(file) {
        let sum = checksum(file, field).to_le_bytes();
        file[field..field + 4].copy_from_slice(&sum);
    }
}

/// 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
