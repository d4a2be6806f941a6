//! Compares drawings with golden SVG files, which any browser shows.
//!
//! `TCPLIMIT_GOLDEN=write cargo test -p tcplimit-xp --test program golden` rewrites them.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use tcplimit_xp::Language;
use tcplimit_xp::window::{Counts, History, Ink, Rates, Rgb, Sample, Shape, SystemColors, draw};

use super::samples::{Fixed, USUAL_FONTS, with_language};

const LIGHT: SystemColors = SystemColors {
    window: Rgb(255, 255, 255),
    text: Rgb(0, 0, 0),
    gray: Rgb(128, 128, 128),
    highlight: Rgb(0, 0, 128),
    high_contrast: false,
};
const BLACK: SystemColors = SystemColors {
    window: Rgb(0, 0, 0),
    text: Rgb(255, 255, 255),
    gray: Rgb(0, 255, 0),
    highlight: Rgb(255, 255, 0),
    high_contrast: true,
};

/// A burst of connections that reaches the limit and fades.
fn burst(limit: u32) -> History {
    let mut history = History::default();
    for second in 0..260_u32 {
        let wave = match second {
            0..60 => second % 4,
            60..90 => (second - 60) * limit / 30,
            90..150 => limit,
            150..200 => (200 - second) * limit / 50,
            _ => second % 3,
        };
        let silent = (210..222).contains(&second);
        history.push(Sample {
            time: 1_200_000_000 + second,
            counts: (!silent).then_some(Counts {
                limit,
                half_open: wave,
                queued: if wave == limit { (second - 89) / 3 } else { 0 },
            }),
            rates: Some(Rates {
                attempts: wave / 2 + 1,
                failures: wave / 4,
                established: 12 + second / 20,
            }),
            events: u32::from(second == 92 || second == 130),
        });
    }
    history
}

fn color(colors: &SystemColors, ink: Ink) -> String {
    let Rgb(red, green, blue) = colors.color(ink);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn svg(shapes: &[Shape], size: (i32, i32), font: &Fixed, colors: &SystemColors) -> String {
    let (width, height) = size;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         shape-rendering=\"crispEdges\" font-family=\"monospace\" font-size=\"{}\">\n",
        font.height * 10 / 13
    );
    for shape in shapes {
        let line = match shape {
            Shape::Fill(area, ink) => format!(
                "<path d=\"M{} {}h{}v{}h-{}z\" fill=\"{}\"/>",
                area.left,
                area.top,
                area.width(),
                area.height(),
                area.width(),
                color(colors, *ink)
            ),
            Shape::Line { points, ink, width } => {
                let points: Vec<String> = points
                    .iter()
                    .map(|at| format!("{},{}", at.x, at.y))
                    .collect();
                format!(
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"/>",
                    points.join(" "),
                    color(colors, *ink)
                )
            }
            Shape::Text { area, text } => format!(
                "<text x=\"{}\" y=\"{}\" textLength=\"{}\" fill=\"{}\">{text}</text>",
                area.left,
                area.bottom - area.height() / 5,
                area.width(),
                color(colors, Ink::Text)
            ),
        };
        writeln!(svg, "{line}").expect("a string");
    }
    svg + "</svg>\n"
}

#[test]
fn drawings_are_the_golden_ones() {
    let [small, large] = USUAL_FONTS;
    let lone = {
        let mut history = History::default();
        history.push(Sample {
            time: 1_200_000_000,
            counts: Some(Counts {
                limit: 0xFF_FFFF,
                half_open: 3,
                queued: 0,
            }),
            ..Sample::default()
        });
        history
    };
    for (name, history, size, paused, font, colors) in [
        ("burst", burst(100), (640, 300), false, small, LIGHT),
        (
            "burst-120-dpi-high-contrast",
            burst(10),
            (800, 400),
            true,
            large,
            BLACK,
        ),
        ("burst-german", burst(100), (640, 300), false, small, LIGHT),
        ("first-sample", lone, (640, 240), false, small, LIGHT),
        (
            "nothing",
            History::default(),
            (320, 160),
            false,
            small,
            LIGHT,
        ),
    ] {
        let language = match name {
            "burst-german" => Language::German,
            _ => Language::English,
        };
        let shapes = with_language(language, || draw(&history, size.0, size.1, paused, &font));
        let drawn = svg(&shapes, size, &font, &colors);
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/window")
            .join(format!("{name}.svg"));
        if env::var("TCPLIMIT_GOLDEN").is_ok_and(|what| what == "write") {
            fs::write(&file, &drawn).expect("a golden drawing is written");
        }
        let golden = fs::read_to_string(&file).unwrap_or_default();
        assert!(golden == drawn, "{name} is drawn otherwise:\n{drawn}");
    }
}
