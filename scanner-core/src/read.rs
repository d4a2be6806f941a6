//! Reads of code by offset.

/// The little-endian dword at `at`, if four bytes are there.
#[inline]
pub(crate) fn dword(code: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    let bytes = code.get(at..end)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The byte `back` bytes before `at`.
#[inline]
pub(crate) fn before(code: &[u8], at: usize, back: usize) -> Option<u8> {
    code.get(at.checked_sub(back)?).copied()
}
