//! Checks of a file's first bytes and of its size.

use scanner_core::Headers;

/// Whether the content of a file is a cabinet.
#[must_use]
pub fn is_cabinet(file: &[u8]) -> bool {
    file.starts_with(b"MSCF")
}

/// Whether it was compressed by COMPRESS.EXE.
#[must_use]
pub fn is_compressed(file: &[u8]) -> bool {
    file.starts_with(b"KWAJ") || file.starts_with(b"SZDD")
}

/// Whether it is the beginning of a program or a library, and of no driver.
#[must_use]
pub fn is_program(head: &[u8]) -> bool {
    Headers::parse(head).is_ok_and(|headers| !headers.is_native())
}

/// Whether a driver may have so many bytes: none is nearly as large as 64 MB.
#[must_use]
pub fn is_driver_size(bytes: u64) -> bool {
    bytes <= 64 << 20
}
