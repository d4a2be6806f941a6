//! What must hold of `tcplimit patch`, each as one function that panics where
//! it does not.

use sha2::{Digest, Sha256};

/// The checksum as ImageHlp is documented to compute it, a word at a time: the
/// carry brought round at once, the field at `field` left out.
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

/// 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let each = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>();
    each.concat()
}
