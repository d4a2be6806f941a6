//! A picture as a BMP file.
//!
//! Source: BITMAPFILEHEADER and BITMAPINFOHEADER in Microsoft's documentation of GDI.

use alloc::vec::Vec;

/// Bytes of both headers.
const HEADERS: usize = 14 + 40;

/// The BMP file of a picture with 24 bits a pixel. `rows` are bottom up, padded to dwords, as from
/// GDI; `None` if their length does not fit the size.
#[must_use]
pub fn bitmap(width: u32, height: u32, rows: &[u8]) -> Option<Vec<u8>> {
    let stride = width.checked_mul(3)?.checked_next_multiple_of(4)?;
    let size = stride.checked_mul(height)?;
    if u32::try_from(rows.len()).ok()? != size || size == 0 {
        return None;
    }
    let headers = u32::try_from(HEADERS).ok()?;
    let mut file = Vec::with_capacity(HEADERS.checked_add(rows.len())?);
    file.extend_from_slice(b"BM");
    for number in [headers.checked_add(size)?, 0, headers] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    for number in [40, width, height] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    // One plane; 24 bits; not compressed; 96 dpi; no palette.
    file.extend_from_slice(&[1, 0, 24, 0]);
    for number in [0, size, 3780, 3780, 0, 0] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(rows);
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_describe_the_picture() {
        let rows = [7; 2 * 12];
        let file = bitmap(3, 2, &rows).unwrap();
        assert_eq!(file.len(), HEADERS + 24);
        assert_eq!(&file[..6], [b'B', b'M', 78, 0, 0, 0]);
        assert_eq!(&file[10..22], [54, 0, 0, 0, 40, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(&file[22..34], [2, 0, 0, 0, 1, 0, 24, 0, 0, 0, 0, 0]);
        assert_eq!(&file[34..38], [24, 0, 0, 0]);
    }

    #[test]
    fn rows_of_another_size_are_refused() {
        assert_eq!(bitmap(3, 2, &[0; 18]), None);
        assert_eq!(bitmap(0, 2, &[]), None);
        assert_eq!(bitmap(u32::MAX, u32::MAX, &[0; 4]), None);
    }
}
