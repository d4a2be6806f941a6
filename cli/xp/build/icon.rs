//! The icon, drawn here: bars below a dashed limit.
//!
//! Source: "Icons" in Microsoft's documentation of Win32: a BITMAPINFOHEADER of double height, the
//! colours, and a mask of one bit a pixel; GRPICONDIR lists them.

use super::resource::{RT_GROUP_ICON, RT_ICON};

/// Sizes in pixels: notification area at 96 and 120 dpi, and a window.
const SIZES: [u32; 3] = [16, 20, 32];

/// Colours as blue, green, red and opacity.
const PAPER: [u8; 4] = [0xFF, 0xFF, 0xFF, 0xFF];
const FRAME: [u8; 4] = [0x60, 0x60, 0x60, 0xFF];
const BAR: [u8; 4] = [0xB0, 0x50, 0x00, 0xFF];
const LIMIT: [u8; 4] = [0x00, 0x00, 0xC0, 0xFF];

/// Types, numbers and contents.
pub(crate) fn resources() -> Vec<(u16, u16, Vec<u8>)> {
    let mut resources = Vec::new();
    // Reserved; type 1, icons; count.
    let mut group: Vec<u8> = Vec::new();
    for number in [0, 1, 3_u16] {
        group.extend(number.to_le_bytes());
    }
    for (number, size) in (1_u16..).zip(SIZES) {
        let picture = picture(size);
        let edge = u8::try_from(size).expect("small");
        // Width, height, colours (more than 256), reserved.
        group.extend([edge, edge, 0, 0]);
        group.extend(1_u16.to_le_bytes());
        group.extend(32_u16.to_le_bytes());
        let length = u32::try_from(picture.len()).expect("small");
        group.extend(length.to_le_bytes());
        group.extend(number.to_le_bytes());
        resources.push((RT_ICON, number, picture));
    }
    resources.push((RT_GROUP_ICON, 1, group));
    resources
}

fn picture(size: u32) -> Vec<u8> {
    let mut picture = Vec::new();
    for number in [40, size, size * 2] {
        picture.extend(number.to_le_bytes());
    }
    picture.extend(1_u16.to_le_bytes());
    picture.extend(32_u16.to_le_bytes());
    picture.extend([0; 24]);
    // Bottom up.
    for y in (0..size).rev() {
        for x in 0..size {
            picture.extend(pixel(x, y, size));
        }
    }
    // Everything is opaque; rows of the mask are padded to dwords.
    let row = size.div_ceil(32) * 4;
    picture.resize(picture.len() + (row * size) as usize, 0);
    picture
}

fn pixel(x: u32, y: u32, size: u32) -> [u8; 4] {
    let edge = size - 1;
    if x == 0 || y == 0 || x == edge || y == edge {
        return FRAME;
    }
    let limit = size * 5 / 16;
    if (limit..limit + size.div_ceil(20)).contains(&y) && x % (size / 4) < size / 6 {
        return LIMIT;
    }
    // Four bars, the third up to the limit.
    let width = (size - 2) / 4;
    let (bar, within) = ((x - 1) / width, (x - 1) % width);
    let heights = [4, 7, 10, 6];
    let height = heights.get(bar as usize).copied().unwrap_or(0) * size / 16;
    match within + 1 < width && y >= edge - height {
        true => BAR,
        false => PAPER,
    }
}
