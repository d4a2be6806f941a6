//! The kind of a file, by its first bytes and its size.

use scanner_core::Headers;

/// Whether a file is a cabinet.
#[must_use]
pub fn is_cabinet(file: &[u8]) -> bool {
    file.starts_with(b"MSCF")
}

/// Whether a file was compressed by COMPRESS.EXE.
#[must_use]
pub fn is_compressed(file: &[u8]) -> bool {
    file.starts_with(b"KWAJ") || file.starts_with(b"SZDD")
}

/// Whether a file that begins with `head` is a program or a library, not a driver.
#[must_use]
pub fn is_program(head: &[u8]) -> bool {
    Headers::parse(head).is_ok_and(|headers| !headers.is_native())
}

/// Whether a driver may have this size: at most 64 MiB, far more than any has.
#[must_use]
pub fn is_driver_size(bytes: u64) -> bool {
    bytes <= 64 << 20
}
