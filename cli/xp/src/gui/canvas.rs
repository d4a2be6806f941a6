//! Executes drawing commands with GDI.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use tcplimit_xp::window::{Font, Ink, Rect, Rgb, Shape, SystemColors};

use super::imports::{
    BeginPaint, BitBlt, BitmapInfo, CreateCompatibleBitmap, CreateCompatibleDC, CreateDIBSection,
    CreateFontIndirectW, CreatePen, EndPaint, ExtTextOutW, GdiFlush, GetSysColor,
    GetTextExtentPoint32W, HighContrast, Paint, Polyline, SelectObject, SetBkColor, SetBkMode,
    SetTextColor, SystemParametersInfoW,
};
use super::objects;
use super::window::Window;
use crate::os_win32::handle::length;
use crate::os_win32::imports::Handle;

/// ETO_OPAQUE: fills the rectangle with the background colour.
const OPAQUE: u32 = 2;
/// TRANSPARENT: text keeps its background.
const TRANSPARENT: i32 = 1;
/// SRCCOPY.
const COPY: u32 = 0x00CC_0020;
/// SPI_GETNONCLIENTMETRICS, SPI_GETHIGHCONTRAST; HCF_HIGHCONTRASTON.
const METRICS: u32 = 0x29;
const HIGH_CONTRAST: u32 = 0x42;
const IS_ON: u32 = 1;
/// NONCLIENTMETRICSW as in XP, in dwords, and the offset of lfMessageFont.
const METRICS_WORDS: usize = 125;
const MESSAGE_FONT: usize = 102;
/// COLOR_WINDOW, COLOR_WINDOWTEXT, COLOR_HIGHLIGHT, COLOR_GRAYTEXT.
const WINDOW: i32 = 5;
const WINDOW_TEXT: i32 = 8;
const HIGHLIGHT: i32 = 13;
const GRAY_TEXT: i32 = 17;

/// A GDI object, deleted on drop.
#[derive(Debug)]
struct GdiObject(Handle);

impl Drop for GdiObject {
    fn drop(&mut self) {
        // No device context has it selected any more.
        objects::delete_object(self.0);
    }
}

/// A device context in memory.
#[derive(Debug)]
struct MemoryDc(Handle);

impl MemoryDc {
    /// Creates one like the screen's.
    fn make() -> MemoryDc {
        // SAFETY: null is the screen.
        MemoryDc(objects::count_created(unsafe {
            CreateCompatibleDC(ptr::null_mut())
        }))
    }

    fn select(&self, object: Handle) -> Handle {
        // SAFETY: both are of this program.
        unsafe { SelectObject(self.0, object) }
    }
}

impl Drop for MemoryDc {
    fn drop(&mut self) {
        objects::delete_dc(self.0);
    }
}

/// The font of Windows' messages, with a device context to measure it.
#[derive(Debug)]
pub(crate) struct MessageFont {
    // Dropped in this order: a selected font can't be deleted.
    dc: MemoryDc,
    font: GdiObject,
}

impl MessageFont {
    /// The font that the user has chosen.
    pub(crate) fn load() -> MessageFont {
        let mut metrics = [0_u32; METRICS_WORDS];
        if let Some(size) = metrics.first_mut() {
            *size = length(METRICS_WORDS * 4);
        }
        // SAFETY: the structure states its own size, and is written.
        unsafe {
            SystemParametersInfoW(
                METRICS,
                length(METRICS_WORDS * 4),
                metrics.as_mut_ptr().cast::<c_void>(),
                0,
            )
        };
        let font = metrics.get(MESSAGE_FONT..).unwrap_or_default();
        let font = font.first_chunk().copied().unwrap_or([0; 23]);
        // SAFETY: it is a LOGFONTW; one of zeros is any font.
        let font = GdiObject(objects::count_created(unsafe {
            CreateFontIndirectW(&font)
        }));
        let dc = MemoryDc::make();
        dc.select(font.0);
        MessageFont { dc, font }
    }

    /// Its handle, for controls.
    pub(crate) fn handle(&self) -> usize {
        self.font.0.addr()
    }
}

impl Font for MessageFont {
    fn width(&self, text: &str) -> i32 {
        let [width, _] = extent(self.dc.0, text);
        width
    }

    fn height(&self) -> i32 {
        let [_, height] = extent(self.dc.0, "X");
        height
    }
}

fn extent(dc: Handle, text: &str) -> [i32; 2] {
    let units: Vec<u16> = text.encode_utf16().collect();
    let count = i32::try_from(units.len()).unwrap_or(0);
    let mut size = [0; 2];
    // SAFETY: the buffer holds that many units; `size` is written.
    unsafe { GetTextExtentPoint32W(dc, units.as_ptr(), count, &mut size) };
    size
}

/// The system's present colours.
pub(crate) fn system_colors() -> SystemColors {
    let color = |index| {
        // SAFETY: no preconditions.
        let color = unsafe { GetSysColor(index) };
        let [red, green, blue, _] = color.to_le_bytes();
        Rgb(red, green, blue)
    };
    let mut contrast = HighContrast {
        size: length(size_of::<HighContrast>()),
        flags: 0,
        scheme: ptr::null(),
    };
    // SAFETY: the structure states its own size, and is written.
    unsafe {
        SystemParametersInfoW(
            HIGH_CONTRAST,
            contrast.size,
            (&raw mut contrast).cast::<c_void>(),
            0,
        )
    };
    SystemColors {
        window: color(WINDOW),
        text: color(WINDOW_TEXT),
        gray: color(GRAY_TEXT),
        highlight: color(HIGHLIGHT),
        high_contrast: contrast.flags & IS_ON != 0,
    }
}

/// The contents of a picture.
pub(crate) struct Picture<'a> {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) font: &'a MessageFont,
    pub(crate) colors: SystemColors,
}

/// Converts a colour to a COLORREF.
fn number(Rgb(red, green, blue): Rgb) -> u32 {
    u32::from_le_bytes([red, green, blue, 0])
}

fn fill(dc: Handle, area: &Rect, color: Rgb) {
    let area = [area.left, area.top, area.right, area.bottom];
    // SAFETY: no preconditions.
    unsafe { SetBkColor(dc, number(color)) };
    // SAFETY: the rectangle is valid; there is no text.
    unsafe { ExtTextOutW(dc, 0, 0, OPAQUE, &area, ptr::null(), 0, ptr::null()) };
}

fn text(dc: Handle, area: &Rect, text: &str, color: Rgb) {
    let units: Vec<u16> = text.encode_utf16().collect();
    // SAFETY: no preconditions.
    unsafe { SetTextColor(dc, number(color)) };
    // SAFETY: the buffer holds that many units; null is no rectangle and the usual distances.
    unsafe {
        ExtTextOutW(
            dc,
            area.left,
            area.top,
            0,
            ptr::null(),
            units.as_ptr(),
            length(units.len()),
            ptr::null(),
        )
    };
}

fn line(dc: Handle, points: &[[i32; 2]], width: i32, color: Rgb) {
    // SAFETY: no preconditions; PS_SOLID.
    let pen = GdiObject(objects::count_created(unsafe {
        CreatePen(0, width, number(color))
    }));
    // SAFETY: both are of this program.
    let before = unsafe { SelectObject(dc, pen.0) };
    let count = i32::try_from(points.len()).unwrap_or(0);
    // SAFETY: the buffer holds that many points.
    unsafe { Polyline(dc, points.as_ptr(), count) };
    // SAFETY: it is the one that was selected before.
    unsafe { SelectObject(dc, before) };
}

/// Draws all shapes.
fn draw(dc: &MemoryDc, picture: &Picture<'_>) {
    let before = dc.select(picture.font.font.0);
    // SAFETY: no preconditions.
    unsafe { SetBkMode(dc.0, TRANSPARENT) };
    for shape in &picture.shapes {
        match shape {
            Shape::Fill(area, ink) => fill(dc.0, area, picture.colors.color(*ink)),
            Shape::Text { area, text: label } => {
                text(dc.0, area, label, picture.colors.color(Ink::Text));
            }
            Shape::Line { points, ink, width } => {
                let points: Vec<[i32; 2]> = points.iter().map(|at| [at.x, at.y]).collect();
                line(dc.0, &points, *width, picture.colors.color(*ink));
            }
        }
    }
    dc.select(before);
}

/// Paints a window in memory and then on the screen at once, to avoid flicker. `show` gets the size
/// and a function that draws.
pub(crate) fn paint(window: Window, show: fn((i32, i32), bool, &mut dyn FnMut(&Picture<'_>))) {
    let mut paint = Paint {
        dc: ptr::null_mut(),
        erase: 0,
        area: [0; 4],
        rest: [0; 10],
    };
    // SAFETY: `paint` is written; the window is this thread's, and has a WM_PAINT.
    let dc = unsafe { BeginPaint(window.0, &mut paint) };
    let (width, height) = window.size();
    show((width, height), window.has_focus(), &mut |picture| {
        let memory = MemoryDc::make();
        // SAFETY: the device context is the window's.
        let bitmap = GdiObject(objects::count_created(unsafe {
            CreateCompatibleBitmap(dc, width, height)
        }));
        let before = memory.select(bitmap.0);
        draw(&memory, picture);
        // SAFETY: both exist, and hold that many pixels.
        unsafe { BitBlt(dc, 0, 0, width, height, memory.0, 0, 0, COPY) };
        memory.select(before);
    });
    // SAFETY: `paint` is what BeginPaint has written.
    unsafe { EndPaint(window.0, &paint) };
}

/// The rows of a picture with 24 bits a pixel, bottom up; `None` if memory is short.
pub(crate) fn rows(width: i32, height: i32, picture: &Picture<'_>) -> Option<Vec<u8>> {
    let info = BitmapInfo {
        size: length(size_of::<BitmapInfo>()),
        width,
        height,
        planes: 1,
        bits: 24,
        rest: [0; 6],
    };
    let stride = usize::try_from(width).ok()?.checked_mul(3)?;
    let stride = stride.checked_next_multiple_of(4)?;
    let bytes = stride.checked_mul(usize::try_from(height).ok()?)?;
    let mut bits = ptr::null_mut();
    // SAFETY: `info` is initialized; `bits` is written; null is memory of Windows' choice.
    let bitmap =
        unsafe { CreateDIBSection(ptr::null_mut(), &info, 0, &mut bits, ptr::null_mut(), 0) };
    if bitmap.is_null() || bits.is_null() {
        return None;
    }
    let bitmap = GdiObject(objects::count_created(bitmap));
    let memory = MemoryDc::make();
    let before = memory.select(bitmap.0);
    draw(&memory, picture);
    // SAFETY: no preconditions; what was drawn is then in memory.
    unsafe { GdiFlush() };
    // SAFETY: the bitmap has that many bytes while it exists, and nobody draws now.
    let rows = unsafe { core::slice::from_raw_parts(bits.cast_const(), bytes) }.to_vec();
    memory.select(before);
    Some(rows)
}
