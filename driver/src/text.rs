//! Text in a buffer of fixed length, truncated where it does not fit.
//!
//! `core::fmt` calls through pointers, and then the greatest depth of the
//! kernel's small stack could not be computed from the program.

/// The values of a u32's decimal places.
const PLACES: [u32; 10] = [
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

/// Text that grows in a buffer, with one byte reserved for a NUL.
#[derive(Debug)]
pub struct Text<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Text<'a> {
    /// Empty text in a buffer.
    pub fn new(buffer: &'a mut [u8]) -> Text<'a> {
        Text { buffer, length: 0 }
    }

    /// Adds ASCII text.
    pub fn add(&mut self, text: &str) -> &mut Self {
        for &byte in text.as_bytes() {
            self.byte(byte);
        }
        self
    }

    /// Adds a number in decimal digits.
    pub fn number(&mut self, number: u32) -> &mut Self {
        let mut rest = number;
        let mut begun = false;
        for place in PLACES {
            let mut digit = b'0';
            while let Some(less) = rest.checked_sub(place) {
                rest = less;
                digit = digit.wrapping_add(1);
            }
            begun |= digit != b'0' || place == 1;
            if begun {
                self.byte(digit);
            }
        }
        self
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a NUL; the length with it.
    pub fn terminate(&mut self) -> usize {
        match self.buffer.get_mut(self.length) {
            Some(last) => {
                *last = 0;
                self.length.saturating_add(1)
            }
            None => self.length,
        }
    }

    /// Appends a NUL; the text with it.
    #[must_use]
    pub fn finish(mut self) -> &'a [u8] {
        let end = self.terminate();
        self.buffer.get(..end).unwrap_or_default()
    }

    /// Adds an ASCII character.
    pub(crate) fn byte(&mut self, byte: u8) {
        // The buffer's last byte is reserved for the NUL.
        let next = self.length.saturating_add(1);
        if next < self.buffer.len()
            && let Some(place) = self.buffer.get_mut(self.length)
        {
            *place = byte;
            self.length = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 1, 9, 10, 100, 16_777_215, u32::MAX] {
            let mut buffer = [0xFF; 16];
            let mut text = Text::new(&mut buffer);
            assert!(text.is_empty());
            text.number(number);
            assert!(!text.is_empty());
            assert_eq!(text.finish(), format!("{number}\0").as_bytes());
        }
    }

    #[test]
    fn text_is_cut_where_the_buffer_ends_and_always_ends_in_a_nul() {
        let mut buffer = [0xFF; 8];
        let (front, back) = buffer.split_at_mut(6);
        let mut text = Text::new(front);
        text.add("half-open").number(10);
        assert_eq!(text.len(), 5);
        assert_eq!(text.finish(), b"half-\0");
        assert_eq!(back, [0xFF; 2]);
        assert_eq!(Text::new(&mut []).add("x").len(), 0);
        assert_eq!(Text::new(&mut []).finish(), b"");
    }
}
