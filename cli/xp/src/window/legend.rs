//! The legend of a plot, and the markers that distinguish its lines.

use alloc::string::String;
use alloc::vec::Vec;

use super::drawing::{Font, Ink, Point, Rect, Shape};

/// The style of a line or mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// A line of two pixels, without markers.
    Thick,
    /// A thin line with squares.
    Square,
    /// A thin line with triangles.
    Triangle,
    /// A thin line with crosses.
    Cross,
    /// A thin line with diamonds.
    Diamond,
    /// The limit.
    Dashes,
    /// The highest point.
    Peak,
    /// An event.
    Event,
    /// Two bars: paused.
    Bars,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub(super) struct LegendEntry {
    pub(super) marker: Marker,
    pub(super) ink: Ink,
    pub(super) text: String,
}

/// Draws the entries at the top of an area, in as many rows as needed; returns their height. Omits
/// entries wider than the area.
pub(super) fn draw(items: &[LegendEntry], area: Rect, font: &dyn Font) -> (Vec<Shape>, i32) {
    let line = font.height().max(1);
    let sample = line * 2;
    let (mut x, mut y) = (area.left, area.top);
    let mut shapes = Vec::new();
    let mut bottom = area.top;
    for item in items {
        let text = font.width(&item.text);
        let width = sample + line / 4 + text;
        if width > area.width() {
            continue;
        }
        if x + width > area.right {
            x = area.left;
            y += line + line / 4;
        }
        if y + line > area.bottom {
            break;
        }
        shapes.extend(draw_sample(item, Rect::at(x, y, sample, line)));
        shapes.push(Shape::Text {
            area: Rect::at(x + sample + line / 4, y, text, line),
            text: item.text.clone(),
        });
        x += width + line;
        bottom = y + line;
    }
    (shapes, bottom - area.top)
}

/// Draws a piece of the line with its marker.
fn draw_sample(item: &LegendEntry, area: Rect) -> Vec<Shape> {
    let middle = Point {
        x: (area.left + area.right) / 2,
        y: (area.top + area.bottom) / 2,
    };
    let fill = |left: i32, width: i32, height: i32| {
        Shape::Fill(Rect::at(left, middle.y, width, height), item.ink)
    };
    let reach = (area.height() / 4).max(2);
    let mut shapes = Vec::new();
    match item.marker {
        Marker::Thick => shapes.push(fill(area.left, area.width(), 2)),
        Marker::Dashes => {
            let dash = area.width() / 3;
            shapes.push(fill(area.left, dash, 2));
            shapes.push(fill(area.right - dash, dash, 2));
        }
        Marker::Square | Marker::Triangle | Marker::Cross | Marker::Diamond => {
            shapes.push(fill(area.left, area.width(), 1));
        }
        Marker::Event => {
            let line = Rect::at(middle.x, area.top, 1, area.height());
            shapes.push(Shape::Fill(line, item.ink));
        }
        Marker::Peak | Marker::Bars => {}
    }
    shapes.extend(marker(item.marker, middle, reach, item.ink, &area));
    shapes
}

/// Draws a marker at a point, moved to lie within the area.
pub(super) fn marker(marker: Marker, at: Point, reach: i32, ink: Ink, area: &Rect) -> Vec<Shape> {
    // A line of one pixel may cover the pixel after its end.
    let within = |value: i32, low: i32, high: i32| value.min(high - reach - 2).max(low + reach + 1);
    let x = within(at.x, area.left, area.right);
    let y = within(at.y, area.top, area.bottom);
    let points = |offsets: &[(i32, i32)]| {
        let point = |&(right, down): &(i32, i32)| Point {
            x: x + right * reach,
            y: y + down * reach,
        };
        Shape::Line {
            points: offsets.iter().map(point).collect(),
            ink,
            width: 1,
        }
    };
    match marker {
        Marker::Thick | Marker::Dashes => Vec::new(),
        Marker::Square => Vec::from([points(&[(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])]),
        Marker::Triangle => Vec::from([points(&[(-1, 1), (0, -1), (1, 1), (-1, 1)])]),
        Marker::Diamond => Vec::from([points(&[(-1, 0), (0, -1), (1, 0), (0, 1), (-1, 0)])]),
        Marker::Cross => Vec::from([points(&[(-1, -1), (1, 1)]), points(&[(-1, 1), (1, -1)])]),
        Marker::Peak => Vec::from([points(&[(-1, -1), (1, -1), (0, 1), (-1, -1)])]),
        Marker::Event => Vec::from([Shape::Fill(
            Rect::at(x - reach / 2, y - reach / 2, reach, reach),
            ink,
        )]),
        Marker::Bars => [-1, 1]
            .map(|side| {
                let left = x + side * (reach - 1) - 1;
                Shape::Fill(Rect::at(left, y - reach, 2, reach * 2), ink)
            })
            .into(),
    }
}
