//! A specimen, drawn: its sections in the file and in memory, all evidence in
//! its place, and what the driver may read.
//!
//! One scale for both columns; sections too small to be seen get a least height,
//! and the caption says so.

use super::html::Html;
use super::label::{Label, spread};
use super::layout::{Layout, Section, What};

/// All in units of the drawing, which are pixels on a wide screen.
const WIDTH: f64 = 496.0;
const COLUMN: f64 = 114.0;
const FILE: f64 = 0.5;
const MEMORY: f64 = 140.0;
const LABELS: f64 = 286.0;
/// What stands above the columns.
const TOP: f64 = 26.0;
const GAP: f64 = 2.0;
const LEAST: f64 = 20.0;
/// The largest section is as high.
const MOST: f64 = 250.0;
const LINE: f64 = 16.0;
/// Three variables.
const BOX: f64 = 66.0;
const ROW: f64 = 22.0;

/// A section, or the headers, in one of the columns.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where it begins: an offset in the file, or an RVA.
    start: u32,
    size: u32,
    top: f64,
    height: f64,
}

impl Place {
    /// Where an address in it is drawn.
    fn y(&self, address: u32) -> f64 {
        let inside = f64::from(address - self.start) / f64::from(self.size.max(1));
        self.top + inside * self.height
    }

    fn holds(&self, address: u32) -> bool {
        address
            .checked_sub(self.start)
            .is_some_and(|inside| inside < self.size)
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Both columns, headers first, in the order of the section table.
struct Drawing<'a> {
    layout: &'a Layout,
    file: Vec<Place>,
    memory: Vec<Place>,
}

/// Draws a specimen.
pub(super) fn draw(html: &mut Html, layout: &Layout) {
    let headers = (0, layout.headers);
    let sections = &layout.sections;
    let in_file = sections.iter().map(|it| (it.offset, it.raw_size));
    let in_memory = sections.iter().map(|it| (it.rva, it.size));
    let most = sections
        .iter()
        .map(|section| section.size.max(section.raw_size));
    let most = f64::from(most.max().unwrap_or(1));
    let column = |places: Vec<(u32, u32)>| {
        let mut top = TOP;
        let stack = |(start, size): (u32, u32)| {
            let height = (f64::from(size) / most * MOST).max(LEAST);
            let place = Place {
                start,
                size,
                top,
                height,
            };
            top += height + GAP;
            place
        };
        places.into_iter().map(stack).collect()
    };
    let drawing = Drawing {
        layout,
        file: column(std::iter::once(headers).chain(in_file).collect()),
        memory: column(std::iter::once(headers).chain(in_memory).collect()),
    };
    drawing.write(html);
}

impl Drawing<'_> {
    fn write(&self, html: &mut Html) {
        let (labels, variables) = self.labels();
        let ends =
            [&self.file, &self.memory].map(|column| column.last().map_or(0.0, Place::bottom));
        let lowest = labels
            .iter()
            .map(Label::bottom)
            .fold(ends[0].max(ends[1]), f64::max);
        let view = format!("0 0 {WIDTH} {:.0}", lowest + 4.0);
        let title = format!(
            "{}: {} sections in the file and in memory, with gates, variables, atomic updates, queue \
             tests, event and start-up store",
            self.layout.kind,
            self.layout.sections.len()
        );
        html.element(
            "svg",
            &[("viewBox", &view), ("role", "img"), ("aria-label", &title)],
            |html| {
                self.pattern(html);
                text(html, FILE, TOP - 9.0, "head", "in the file");
                text(html, MEMORY, TOP - 9.0, "head", "in memory");
                text(html, LABELS, TOP - 9.0, "head", "what is there");
                self.connections(html);
                self.columns(html);
                self.marks(html);
                for label in &labels {
                    label.write(html, MEMORY + COLUMN, LABELS);
                }
                if let Some(label) = labels.get(variables) {
                    self.variables(html, label);
                }
            },
        );
    }

    /// Hatching, under a name of its own in each drawing of a page.
    fn pattern(&self, html: &mut Html) {
        html.element("defs", &[], |html| {
            html.element(
                "pattern",
                &[
                    ("id", &self.hatching()),
                    ("width", "6"),
                    ("height", "6"),
                    ("patternUnits", "userSpaceOnUse"),
                    ("patternTransform", "rotate(45)"),
                ],
                |html| {
                    let line = [("x1", "0"), ("y1", "0"), ("x2", "0"), ("y2", "6")];
                    html.element("line", &[&line[..], &[("class", "hatch")]].concat(), |_| {});
                },
            );
        });
    }

    fn hatching(&self) -> String {
        format!("hatching-{}", self.layout.kind)
    }

    /// From each section's place in the file to that in memory.
    fn connections(&self, html: &mut Html) {
        for (file, memory) in self.file.iter().zip(&self.memory) {
            let (left, right) = (FILE + COLUMN, MEMORY);
            let points = format!(
                "{left},{:.1} {right},{:.1} {right},{:.1} {left},{:.1}",
                file.top,
                memory.top,
                memory.bottom(),
                file.bottom()
            );
            html.element("polygon", &[("points", &points), ("class", "same")], |_| {});
        }
    }

    fn columns(&self, html: &mut Html) {
        for (at, place) in self.file.iter().enumerate() {
            rectangle(html, FILE, COLUMN, place, "section");
            self.inscribe(html, FILE, at, place);
        }
        for (at, place) in self.memory.iter().enumerate() {
            let section = self.section(at);
            let class = match section {
                None => "section read",
                Some(section) if section.read => "section read",
                Some(section) if section.discardable => "section freed",
                Some(_) => "section",
            };
            rectangle(html, MEMORY, COLUMN, place, class);
            if section.is_some_and(|section| section.pageable && !section.discardable) {
                let fill = format!("url(#{})", self.hatching());
                shape(
                    html,
                    MEMORY,
                    COLUMN,
                    place.top,
                    place.height,
                    &[("fill", &fill)],
                );
            }
            self.inscribe(html, MEMORY, at, place);
        }
    }

    /// `None` for the headers.
    fn section(&self, at: usize) -> Option<&Section> {
        self.layout.sections.get(at.checked_sub(1)?)
    }

    /// Name, and where it begins.
    fn inscribe(&self, html: &mut Html, left: f64, at: usize, place: &Place) {
        let name = self.section(at).map_or("headers", |it| &it.name);
        let class = match self.section(at) {
            Some(section) if section.discardable && left == MEMORY => "name faint",
            _ => "name",
        };
        text(html, left + 6.0, place.top + 14.0, class, name);
        let address = format!("{:X}", place.start);
        text(
            html,
            left + COLUMN - 18.0,
            place.top + 14.0,
            "address start",
            &address,
        );
    }

    fn marks(&self, html: &mut Html) {
        let mut marks: Vec<_> = self.layout.marks.iter().collect();
        marks.sort_by_key(|mark| mark.what);
        for mark in marks {
            let class = format!("mark {}", mark.what.class());
            // What lies close together is told apart by its length.
            let width = match mark.what {
                What::Atomic => 5.0,
                What::Gate => 13.0,
                _ => 9.0,
            };
            for (column, left, address) in [
                (&self.file, FILE, mark.offset),
                (&self.memory, MEMORY, mark.rva),
            ] {
                if let Some(place) = column.iter().find(|place| place.holds(address)) {
                    let (x, y) = (left + COLUMN - width, place.y(address) - 1.0);
                    shape(html, x, width, y, 2.0, &[("class", &class)]);
                }
            }
        }
        let variables = &self.layout.variables;
        let limit = self.layout.limit_in_file();
        for (column, left, address) in [
            (&self.file, FILE, limit),
            (&self.memory, MEMORY, Some(variables.threshold)),
        ] {
            let place = address.and_then(|it| column.iter().find(|place| place.holds(it)));
            if let (Some(place), Some(address)) = (place, address) {
                let y = place.y(address) - 1.5;
                shape(
                    html,
                    left + COLUMN - 14.0,
                    14.0,
                    y,
                    3.0,
                    &[("class", "mark limit")],
                );
            }
        }
    }

    /// All labels in their places, and which of them is the variables' box.
    fn labels(&self) -> (Vec<Label>, usize) {
        let mut labels = Vec::new();
        let y = |rva| {
            let place = self.memory.iter().find(|place| place.holds(rva));
            place.map_or(TOP, |place| place.y(rva))
        };
        let mut label = |y, height, class, text| {
            labels.push(Label::new(y, height, class, text));
        };
        for mark in &self.layout.marks {
            if mark.what != What::Atomic {
                let text = format!("{} at {:X}", mark.what.words(), mark.rva);
                label(y(mark.rva), LINE, mark.what.class(), text);
            }
        }
        let atomics = self.layout.marks.iter();
        let atomics: Vec<u32> = atomics
            .filter(|mark| mark.what == What::Atomic)
            .map(|mark| mark.rva)
            .collect();
        if let Some(&first) = atomics.iter().min() {
            let text = format!("{} atomic updates of the count", atomics.len());
            label(y(first), LINE, What::Atomic.class(), text);
        }
        for (wanted, text) in [
            (false, "may be paged out: never read"),
            (true, "freed after start-up: never read"),
        ] {
            let run: Vec<&Place> = (0..)
                .zip(&self.memory)
                .filter(|(at, _)| {
                    self.section(*at)
                        .is_some_and(|it| it.pageable && it.discardable == wanted)
                })
                .map(|(_, place)| place)
                .collect();
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                let middle = (first.top + last.bottom()) / 2.0;
                label(middle, LINE, "rule", text.to_owned());
            }
        }
        let threshold = self.layout.variables.threshold;
        label(y(threshold), BOX, "variables", String::new());
        spread(&mut labels, TOP);
        let variables = labels.iter().position(|it| it.class == "variables");
        (labels, variables.unwrap_or(usize::MAX))
    }

    /// The three, one below the other, as they lie in memory.
    fn variables(&self, html: &mut Html, label: &Label) {
        let variables = &self.layout.variables;
        let width = WIDTH - LABELS - 1.0;
        let limit = format!("limit, {}", variables.limit);
        let rows = [
            ("T − 4", variables.queue, "queue length", "cell"),
            ("T", variables.threshold, limit.as_str(), "cell limit"),
            ("T + 4", variables.count, "half-open now", "cell"),
        ];
        let mut top = label.top;
        for (name, rva, what, class) in rows {
            shape(html, LABELS, width, top, ROW, &[("class", class)]);
            let line = top + 15.0;
            text(html, LABELS + 8.0, line, "name", name);
            text(html, LABELS + 50.0, line, "address", &format!("{rva:X}"));
            text(html, LABELS + 96.0, line, "label", what);
            top += ROW;
        }
    }
}

fn rectangle(html: &mut Html, left: f64, width: f64, place: &Place, class: &str) {
    shape(
        html,
        left,
        width,
        place.top,
        place.height,
        &[("class", class)],
    );
}

fn shape(
    html: &mut Html,
    left: f64,
    width: f64,
    top: f64,
    height: f64,
    more: &[(&'static str, &str)],
) {
    let [x, y, width, height] = [left, top, width, height].map(|number| format!("{number:.1}"));
    let place = [
        ("x", x.as_str()),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    html.element("rect", &[&place[..], more].concat(), |_| {});
}

fn text(html: &mut Html, left: f64, line: f64, class: &str, words: &str) {
    let [x, y] = [left, line].map(|number| format!("{number:.1}"));
    html.leaf("text", &[("x", &x), ("y", &y), ("class", class)], words);
}
