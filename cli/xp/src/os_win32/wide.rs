//! Texts of Windows: UTF-16 with a NUL.

use alloc::string::String;
use alloc::vec::Vec;

use tcplimit_xp::Win32Error;

/// Converts a text for a call. A NUL inside ends it there.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Converts the text of a call, up to its NUL.
///
/// # Errors
/// If it is not valid Unicode, which names need not be.
pub(crate) fn narrow(units: &[u16]) -> Result<String, Win32Error> {
    let end = units.iter().position(|&unit| unit == 0);
    let text = units.get(..end.unwrap_or(units.len())).unwrap_or_default();
    String::from_utf16(text).map_err(|_| Win32Error::INVALID_NAME)
}

/// The units before the NUL.
///
/// # Safety
/// `text` points to UTF-16 with a NUL that nobody changes meanwhile.
pub(super) unsafe fn units<'a>(text: *const u16) -> &'a [u16] {
    let mut length = 0;
    // SAFETY: by contract everything up to the NUL is readable.
    while unsafe { text.add(length).read() } != 0 {
        length += 1;
    }
    // SAFETY: the loop has read exactly these.
    unsafe { core::slice::from_raw_parts(text, length) }
}
