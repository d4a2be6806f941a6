//! Counted strings for NT.

use super::types::UNICODE_STRING;

/// Converts ASCII to UTF-16.
pub(super) const fn wide<const N: usize>(text: &str) -> [u16; N] {
    let text = text.as_bytes();
    assert!(text.len() == N);
    let mut wide = [0; N];
    let mut at = 0;
    while at < N {
        assert!(text[at].is_ascii());
        wide[at] = text[at] as u16;
        at += 1;
    }
    wide
}

/// A name in UTF-16, converted at compile time.
macro_rules! name {
    ($text:expr) => {{
        const TEXT: &str = $text;
        static NAME: [u16; TEXT.len()] = $crate::nt::name::wide(TEXT);
        $crate::nt::name::Name(&NAME)
    }};
}
pub(super) use name;

/// The characters of a counted string.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a [u16]);

impl Name<'_> {
    /// A counted string that points to the name. It must not outlive the name,
    /// and NT only reads it.
    pub(super) fn counted(self) -> UNICODE_STRING {
        // The longest name has a few hundred characters.
        let bytes = u16::try_from(size_of_val(self.0)).unwrap_or(0);
        UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: self.0.as_ptr().cast_mut(),
        }
    }
}
