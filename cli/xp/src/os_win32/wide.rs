//! Texts as Windows has them: UTF-16 with a NUL.

use alloc::string::String;
use alloc::vec::Vec;

use tcplimit_xp::Win32Error;

/// A text for a call. One with a NUL inside ends there.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A text of a call, up to its NUL.
///
/// # Errors
/// Where it is no Unicode, which names may be.
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
    // SAFETY: by contract all up to the NUL may be read.
    while unsafe { text.add(length).read() } != 0 {
        length += 1;
    }
    // SAFETY: just these were read.
    unsafe { core::slice::from_raw_parts(text, length) }
}
