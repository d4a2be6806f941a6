//! Drawing commands, in pixels.

use alloc::string::String;
use alloc::vec::Vec;

/// A point; y grows downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Pixels from the left.
    pub x: i32,
    /// Pixels from the top.
    pub y: i32,
}

/// A rectangle, without its right column and its bottom row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// The first column.
    pub left: i32,
    /// The first row.
    pub top: i32,
    /// The column after the last.
    pub right: i32,
    /// The row after the last.
    pub bottom: i32,
}

impl Rect {
    /// A rectangle of that size at that place.
    #[must_use]
    pub fn at(left: i32, top: i32, width: i32, height: i32) -> Rect {
        Rect {
            left,
            top,
            right: left.saturating_add(width),
            bottom: top.saturating_add(height),
        }
    }

    /// Its width in pixels.
    #[must_use]
    pub fn width(&self) -> i32 {
        self.right.saturating_sub(self.left)
    }

    /// Its height in pixels.
    #[must_use]
    pub fn height(&self) -> i32 {
        self.bottom.saturating_sub(self.top)
    }

    /// Whether it contains no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.right <= self.left || self.bottom <= self.top
    }

    /// Whether it contains the other one wholly.
    #[must_use]
    pub fn holds(&self, other: &Rect) -> bool {
        other.left >= self.left
            && other.top >= self.top
            && other.right <= self.right
            && other.bottom <= self.bottom
    }

    /// Whether they share a pixel.
    #[must_use]
    pub fn overlaps(&self, other: &Rect) -> bool {
        !self.is_empty()
            && !other.is_empty()
            && self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// The purpose of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The background.
    Background,
    /// Lines of the scale.
    Grid,
    /// Texts, and the frame of a plot.
    Text,
    /// The limit.
    Limit,
    /// Half-open connections.
    HalfOpen,
    /// Queued connections.
    Queued,
    /// Attempts per second.
    Attempts,
    /// Failures per second.
    Failures,
    /// Established connections.
    Established,
    /// Event 4226.
    Event,
}

/// A drawing command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A filled rectangle.
    Fill(Rect, Ink),
    /// A line through points, one or two pixels wide.
    Line {
        /// At least two.
        points: Vec<Point>,
        /// Its colour.
        ink: Ink,
        /// In pixels.
        width: i32,
    },
    /// Text in a rectangle that has room for it.
    Text {
        /// As wide as the text and as high as the font.
        area: Rect,
        /// A single line.
        text: String,
    },
}

/// The measures of a font.
pub trait Font {
    /// The width of a line of text in pixels.
    fn width(&self, text: &str) -> i32;

    /// The height of a line in pixels.
    fn height(&self) -> i32;
}

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// System colours that a drawing must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemColors {
    /// COLOR_WINDOW.
    pub window: Rgb,
    /// COLOR_WINDOWTEXT.
    pub text: Rgb,
    /// COLOR_GRAYTEXT.
    pub gray: Rgb,
    /// COLOR_HIGHLIGHT.
    pub highlight: Rgb,
    /// Whether the user has chosen High Contrast.
    pub high_contrast: bool,
}

impl SystemColors {
    /// The colour of an ink. High Contrast has only system colours: markers distinguish the lines.
    #[must_use]
    pub fn color(&self, ink: Ink) -> Rgb {
        let is_dark = luminance(self.window) < luminance(self.text);
        let either = |on_light, on_dark| if is_dark { on_dark } else { on_light };
        match ink {
            Ink::Background => self.window,
            Ink::Text => self.text,
            Ink::Grid if self.high_contrast => self.gray,
            Ink::HalfOpen if self.high_contrast => self.highlight,
            _ if self.high_contrast => self.text,
            Ink::Grid => either(Rgb(0xD8, 0xD8, 0xD8), Rgb(0x50, 0x50, 0x50)),
            Ink::Limit => either(Rgb(0xC0, 0, 0), Rgb(0xFF, 0x80, 0x80)),
            Ink::HalfOpen => either(Rgb(0, 0x50, 0xB0), Rgb(0x80, 0xC0, 0xFF)),
            Ink::Queued => either(Rgb(0x80, 0x50, 0), Rgb(0xFF, 0xC0, 0x60)),
            Ink::Attempts => either(Rgb(0, 0x70, 0x40), Rgb(0x80, 0xE0, 0xA0)),
            Ink::Failures => either(Rgb(0xA0, 0, 0x60), Rgb(0xFF, 0x90, 0xD0)),
            Ink::Established => either(Rgb(0x50, 0x50, 0x90), Rgb(0xB0, 0xB0, 0xFF)),
            Ink::Event => either(Rgb(0xB0, 0x40, 0), Rgb(0xFF, 0xB0, 0x40)),
        }
    }
}

/// The brightness of a colour, in thousandths of white's 255.
fn luminance(Rgb(red, green, blue): Rgb) -> u32 {
    299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INKS: [Ink; 10] = [
        Ink::Background,
        Ink::Grid,
        Ink::Text,
        Ink::Limit,
        Ink::HalfOpen,
        Ink::Queued,
        Ink::Attempts,
        Ink::Failures,
        Ink::Established,
        Ink::Event,
    ];
    const LIGHT: SystemColors = SystemColors {
        window: Rgb(255, 255, 255),
        text: Rgb(0, 0, 0),
        gray: Rgb(128, 128, 128),
        highlight: Rgb(0, 0, 128),
        high_contrast: false,
    };

    #[test]
    fn lines_stand_out_from_the_background_on_light_and_dark_themes() {
        let dark = SystemColors {
            window: Rgb(0, 0, 0),
            text: Rgb(255, 255, 255),
            ..LIGHT
        };
        for colors in [LIGHT, dark] {
            for ink in INKS {
                if matches!(ink, Ink::Background | Ink::Grid) {
                    continue;
                }
                let difference = luminance(colors.color(ink)).abs_diff(luminance(colors.window));
                assert!(difference > 255_000 * 4 / 10, "{ink:?}: {difference}");
            }
        }
    }

    #[test]
    fn high_contrast_has_the_systems_colours_alone() {
        let colors = SystemColors {
            high_contrast: true,
            ..LIGHT
        };
        let systems = [colors.window, colors.text, colors.gray, colors.highlight];
        for ink in INKS {
            assert!(systems.contains(&colors.color(ink)), "{ink:?}");
        }
    }

    #[test]
    fn rectangles_that_touch_do_not_overlap() {
        let one = Rect::at(0, 0, 10, 10);
        assert!(!one.overlaps(&Rect::at(10, 0, 5, 5)));
        assert!(!one.overlaps(&Rect::at(2, 2, 0, 5)));
        assert!(one.overlaps(&Rect::at(9, 9, 5, 5)));
        assert!(one.holds(&Rect::at(0, 0, 10, 10)));
        assert!(!one.holds(&Rect::at(1, 0, 10, 10)));
    }
}
