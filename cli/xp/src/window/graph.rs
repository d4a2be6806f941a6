//! The graph: two plots over one time axis, as drawing commands.
//!
//! Upper: half-open and queued connections against the limit, with the peak and event 4226. Lower:
//! attempts and failures per second, and established connections. Each line has its own marker, to
//! be distinguished without colour.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::drawing::{Font, Ink, Point, Rect, Shape};
use super::history::{History, HistoryEntry, SPAN, Sample};
use super::legend::{self, LegendEntry, Marker};
use super::scale::Scale;
use crate::language::Text;
use crate::time;

/// Seconds between the markers of a line.
const MARK_EVERY: u64 = 30;
/// Maximum seconds between samples that a line connects.
const GAP: u64 = 5;
/// A limit more than this many times the highest value is not drawn: the lines would be flat.
const FAR: u64 = 20;
/// The minimum value at the top of a plot.
const LOWEST_TOP: u64 = 10;
/// Minimum height of a picture with two plots, in lines of text.
const LOWEST_OF_TWO: i32 = 12;
/// Minimum size of a plot, in pixels.
const SMALLEST: i32 = 24;

/// One line of a plot.
struct Series {
    name: Text,
    ink: Ink,
    marker: Marker,
    value: fn(&Sample) -> Option<u32>,
}

const CONNECTIONS: [Series; 2] = [
    Series {
        name: Text::new("half-open"),
        ink: Ink::HalfOpen,
        marker: Marker::Thick,
        value: |sample| Some(sample.counts?.half_open),
    },
    Series {
        name: Text::new("queued"),
        ink: Ink::Queued,
        marker: Marker::Square,
        value: |sample| Some(sample.counts?.queued),
    },
];

const RATES: [Series; 3] = [
    Series {
        name: Text::new("attempts/s"),
        ink: Ink::Attempts,
        marker: Marker::Triangle,
        value: |sample| Some(sample.rates?.attempts),
    },
    Series {
        name: Text::new("failures/s"),
        ink: Ink::Failures,
        marker: Marker::Cross,
        value: |sample| Some(sample.rates?.failures),
    },
    Series {
        name: Text::new("established"),
        ink: Ink::Established,
        marker: Marker::Diamond,
        value: |sample| Some(sample.rates?.established),
    },
];

/// Draws a history into a picture of that size. The picture shows whether it is paused.
#[must_use]
pub fn draw(
    history: &History,
    width: i32,
    height: i32,
    paused: bool,
    font: &dyn Font,
) -> Vec<Shape> {
    let whole = Rect::at(0, 0, width, height);
    let mut shapes = Vec::new();
    if whole.is_empty() {
        return shapes;
    }
    shapes.push(Shape::Fill(whole, Ink::Background));
    let line = font.height().max(1);
    let margin = line / 2;
    let inner = Rect {
        left: margin,
        top: margin,
        right: width - margin,
        // The last line is the time axis.
        bottom: height - margin - line - line / 4,
    };
    // A picture too low for both plots shows only the upper one.
    let share = if inner.height() < line * LOWEST_OF_TWO {
        5
    } else {
        3
    };
    let above = Rect {
        bottom: inner.top + inner.height() * share / 5,
        ..inner
    };
    let below = Rect {
        top: above.bottom + margin,
        ..inner
    };
    let upper = legend_above(history, paused);
    let lower: Vec<LegendEntry> = RATES.iter().map(|series| item(series, history)).collect();
    let limit = history.latest().and_then(|entry| entry.sample.counts);
    let limit = limit.map(|counts| counts.limit);
    let marks: Vec<u32> = axis_marks(history, &CONNECTIONS);
    let plots = [
        (above, upper, &CONNECTIONS[..], marks, limit),
        (below, lower, &RATES[..], axis_marks(history, &RATES), None),
    ];
    // Both plots share the time axis, and so their left edge.
    let scales = plots.map(|(area, items, series, values, limit)| {
        let (markers, used) = legend::draw(&items, area, font);
        let top = area.top + used + line / 4;
        let plot = Rect { top, ..area };
        let scale = Scale::fit(
            &values,
            limit.filter(|&limit| is_near(limit, &values)),
            plot.height(),
            line,
        );
        (markers, plot, series, scale, limit)
    });
    let label = |(_, _, _, scale, _): &(_, _, _, Scale, _)| scale.label_width(font);
    let labels = scales.iter().map(label).max().unwrap_or(0);
    let mut axis = None;
    for (markers, mut plot, series, scale, limit) in scales {
        plot.left += labels + line / 2;
        // It must have room for two labels.
        if plot.height() < SMALLEST.max(line * 2 + 2) || plot.width() < SMALLEST {
            continue;
        }
        shapes.extend(markers);
        Plot {
            area: plot,
            scale,
            line,
            history,
        }
        .draw(series, limit, font, &mut shapes);
        axis = Some(plot);
    }
    if let Some(plot) = axis {
        time_axis(plot, inner.bottom + line / 4, whole, font, &mut shapes);
    }
    shapes
}

/// Whether to draw a limit: not if it would make all values flat.
fn is_near(limit: u32, values: &[u32]) -> bool {
    let highest = values.iter().copied().max().unwrap_or(0);
    u64::from(limit) <= u64::from(highest).max(LOWEST_TOP) * FAR
}

fn axis_marks(history: &History, series: &[Series]) -> Vec<u32> {
    let samples = history.entries().map(|entry| &entry.sample);
    samples
        .flat_map(|sample| series.iter().filter_map(|series| (series.value)(sample)))
        .collect()
}

fn item(series: &Series, history: &History) -> LegendEntry {
    let value = history
        .latest()
        .and_then(|entry| (series.value)(&entry.sample));
    LegendEntry {
        marker: series.marker,
        ink: series.ink,
        text: match value {
            Some(value) => format!("{} {value}", series.name.get()),
            None => format!("{} ?", series.name.get()),
        },
    }
}

fn legend_above(history: &History, paused: bool) -> Vec<LegendEntry> {
    let mut items: Vec<LegendEntry> = CONNECTIONS
        .iter()
        .map(|series| item(series, history))
        .collect();
    let values = axis_marks(history, &CONNECTIONS);
    let counts = history.latest().and_then(|entry| entry.sample.counts);
    if let Some(counts) = counts {
        let limit = counts.limit;
        items.push(LegendEntry {
            marker: Marker::Dashes,
            ink: Ink::Limit,
            text: match is_near(limit, &values) {
                true => text!("limit {limit}", limit),
                false => text!("limit {limit}, above the graph", limit),
            },
        });
    }
    if let Some((entry, peak)) = history.peak() {
        items.push(LegendEntry {
            marker: Marker::Peak,
            ink: Ink::HalfOpen,
            text: text!(
                "peak {peak} at {time}",
                peak,
                time = time::clock(entry.sample.time)
            ),
        });
    }
    items.push(LegendEntry {
        marker: Marker::Event,
        ink: Ink::Event,
        text: text!("event 4226: {events}", events = history.events()),
    });
    if paused {
        items.push(LegendEntry {
            marker: Marker::Bars,
            ink: Ink::Text,
            text: phrase!("paused").into(),
        });
    }
    items
}

/// One plot in its area.
struct Plot<'a> {
    area: Rect,
    scale: Scale,
    line: i32,
    history: &'a History,
}

impl Plot<'_> {
    fn draw(
        &self,
        series: &[Series],
        limit: Option<u32>,
        font: &dyn Font,
        shapes: &mut Vec<Shape>,
    ) {
        let area = self.area;
        for (value, label) in self.scale.labels() {
            let y = self.y(value);
            shapes.push(Shape::Fill(
                Rect::at(area.left, y, area.width(), 1),
                Ink::Grid,
            ));
            let width = font.width(&label);
            let left = area.left - self.line / 4 - width;
            // At the edges of the plot, the label stays beside it.
            let top = (y - self.line / 2).clamp(area.top, area.bottom - self.line);
            text(Rect::at(left, top, width, self.line), label, shapes);
        }
        shapes.push(Shape::Fill(
            Rect::at(area.left, area.top, 1, area.height()),
            Ink::Text,
        ));
        shapes.push(Shape::Fill(
            Rect::at(area.left, area.bottom - 1, area.width(), 1),
            Ink::Text,
        ));
        if series.len() == CONNECTIONS.len() {
            self.events(shapes);
        }
        if let Some(limit) = limit.filter(|&limit| u64::from(limit) <= self.scale.top()) {
            self.limit(limit, shapes);
        }
        for one in series.iter().rev() {
            self.series(one, shapes);
        }
        if series.len() == CONNECTIONS.len()
            && let Some((entry, peak)) = self.history.peak()
        {
            let at = self.point(entry, peak);
            shapes.extend(legend::marker(
                Marker::Peak,
                at,
                self.reach(),
                Ink::HalfOpen,
                &area,
            ));
        }
    }

    /// The distance from a marker's edge to its point.
    fn reach(&self) -> i32 {
        (self.line / 4).max(2)
    }

    /// The row of a value, counted from the top.
    fn y(&self, value: u64) -> i32 {
        // Room for a line of two pixels, and a marker, at both ends.
        let room = i64::from(self.area.height() - 3);
        let value = i64::try_from(value.min(self.scale.top())).unwrap_or(i64::MAX);
        let top = i64::try_from(self.scale.top().max(1)).unwrap_or(i64::MAX);
        let up = (room * value).checked_div(top).unwrap_or(0);
        let up = i32::try_from(up).unwrap_or(0);
        self.area.bottom - 2 - up
    }

    /// The column of an entry, counted from the left.
    fn x(&self, entry: &HistoryEntry) -> i32 {
        let latest = self.history.latest().map_or(0, |latest| latest.position);
        let age = i64::try_from(latest - entry.position).unwrap_or(0);
        let room = i64::from(self.area.width() - 4);
        let left = i32::try_from(room * age / i64::from(SPAN)).unwrap_or(0);
        self.area.right - 2 - left
    }

    fn point(&self, entry: &HistoryEntry, value: u32) -> Point {
        Point {
            x: self.x(entry),
            y: self.y(value.into()),
        }
    }

    /// The limit, in dashes.
    fn limit(&self, limit: u32, shapes: &mut Vec<Shape>) {
        let y = self.y(limit.into());
        let dash = self.line.max(4);
        let mut left = self.area.left + 1;
        while left < self.area.right {
            let width = (dash * 2 / 3).min(self.area.right - left);
            shapes.push(Shape::Fill(Rect::at(left, y, width, 2), Ink::Limit));
            left += dash;
        }
    }

    fn events(&self, shapes: &mut Vec<Shape>) {
        let area = self.area;
        let logged = self
            .history
            .entries()
            .filter(|entry| entry.sample.events != 0);
        for entry in logged {
            let x = self.x(entry);
            shapes.push(Shape::Fill(
                Rect::at(x, area.top, 1, area.height()),
                Ink::Event,
            ));
            let at = Point {
                x,
                y: area.top + self.reach(),
            };
            shapes.extend(legend::marker(
                Marker::Event,
                at,
                self.reach(),
                Ink::Event,
                &area,
            ));
        }
    }

    fn series(&self, series: &Series, shapes: &mut Vec<Shape>) {
        let mut points: Vec<Point> = Vec::new();
        let mut before: Option<u64> = None;
        let width = match series.marker {
            Marker::Thick => 2,
            _ => 1,
        };
        let flush = |points: &mut Vec<Point>| {
            // A sample without neighbours is a short line.
            if let [only] = points[..] {
                points.insert(
                    0,
                    Point {
                        x: only.x - 1,
                        ..only
                    },
                );
            }
            let points = core::mem::take(points);
            (points.len() > 1).then_some(Shape::Line {
                points,
                ink: series.ink,
                width,
            })
        };
        let mut marks = Vec::new();
        for entry in self.history.entries() {
            let value = (series.value)(&entry.sample);
            let goes_on = before.is_some_and(|before| entry.position - before <= GAP);
            if value.is_none() || !goes_on {
                shapes.extend(flush(&mut points));
            }
            before = value.map(|_| entry.position);
            let Some(value) = value else { continue };
            let point = self.point(entry, value);
            points.push(point);
            if entry.position % MARK_EVERY == MARK_EVERY / 2 && series.marker != Marker::Thick {
                marks.extend(legend::marker(
                    series.marker,
                    point,
                    self.reach(),
                    series.ink,
                    &self.area,
                ));
            }
        }
        shapes.extend(flush(&mut points));
        shapes.extend(marks);
    }
}

/// "now" at the right, and minutes before it where they have room.
fn time_axis(plot: Rect, top: i32, whole: Rect, font: &dyn Font, shapes: &mut Vec<Shape>) {
    let line = font.height().max(1);
    let mut free = plot.right.min(whole.right);
    for minute in 0..=SPAN / 60 {
        let room = i64::from(plot.width() - 4) * i64::from(minute * 60) / i64::from(SPAN);
        let x = plot.right - 2 - i32::try_from(room).unwrap_or(0);
        let label = match minute {
            0 => String::from(phrase!("now")),
            _ => text!("-{minute} min", minute),
        };
        let width = font.width(&label);
        let left = (x - width / 2).min(free - width);
        // The oldest stays within the picture.
        let left = if minute == SPAN / 60 {
            left.max(whole.left)
        } else {
            left
        };
        let area = Rect::at(left, top, width, line);
        if left < whole.left || area.right > free || area.bottom > whole.bottom {
            continue;
        }
        shapes.push(Shape::Fill(
            Rect::at(x, plot.bottom, 1, (top - plot.bottom).max(1)),
            Ink::Text,
        ));
        text(area, label, shapes);
        free = left - line / 2;
    }
}

/// Adds a text, unless its place is outside the picture.
fn text(area: Rect, text: String, shapes: &mut Vec<Shape>) {
    if area.left >= 0 && area.top >= 0 {
        shapes.push(Shape::Text { area, text });
    }
}
