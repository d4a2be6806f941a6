//! Properties of the graph and of the history.

use proptest::prelude::*;
use tcplimit_xp::Language;
use tcplimit_xp::window::{Ink, Rect, SPAN, Shape, draw};

use super::samples::{Fixed, font, history, samples, with_language};

/// The area that a shape may touch.
fn extent(shape: &Shape) -> Rect {
    match shape {
        Shape::Fill(area, _) | Shape::Text { area, .. } => *area,
        Shape::Line { points, width, .. } => {
            let xs = points.iter().map(|point| point.x);
            let ys = points.iter().map(|point| point.y);
            Rect {
                left: xs.clone().min().expect("points") - (width - 1),
                top: ys.clone().min().expect("points") - (width - 1),
                right: xs.max().expect("points") + width,
                bottom: ys.max().expect("points") + width,
            }
        }
    }
}

fn texts(shapes: &[Shape]) -> Vec<(&str, Rect)> {
    let texts = shapes.iter().filter_map(|shape| match shape {
        Shape::Text { area, text } => Some((text.as_str(), *area)),
        _ => None,
    });
    texts.collect()
}

/// The grid rows of the upper plot, which is drawn first, each with its value.
fn upper_scale(shapes: &[Shape]) -> Vec<(i32, f64)> {
    let mut scale = Vec::new();
    let mut row = None;
    for shape in shapes {
        match shape {
            Shape::Fill(area, Ink::Grid) => row = Some(area.top),
            Shape::Text { text, .. } => {
                if let (Some(y), Ok(value)) = (row.take(), text.parse::<f64>()) {
                    if value == 0.0 && !scale.is_empty() {
                        break;
                    }
                    scale.push((y, value));
                }
            }
            _ => {}
        }
    }
    scale
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_drawn_outside_and_no_texts_overlap(
        samples in samples(),
        width in 0..1600_i32,
        height in 0..1200_i32,
        font in font(),
        paused in any::<bool>(),
        language in prop::sample::select(&Language::ALL[..]),
    ) {
        let shapes = with_language(language, || draw(&history(&samples), width, height, paused, &font));
        let whole = Rect::at(0, 0, width, height);
        for shape in &shapes {
            prop_assert!(whole.holds(&extent(shape)), "{width} x {height}: {shape:?}");
        }
        let texts = texts(&shapes);
        for (index, (text, area)) in texts.iter().enumerate() {
            for (other, its) in &texts[..index] {
                prop_assert!(!area.overlaps(its), "{text:?} {area:?} and {other:?} {its:?}");
            }
        }
    }

    #[test]
    fn the_limit_line_is_where_the_scale_has_the_limit(
        samples in samples(),
        width in 300..1600_i32,
        height in 200..1200_i32,
        font in (3..9_i32, 8..20_i32),
    ) {
        let font = Fixed { width: font.0, height: font.1 };
        let history = history(&samples);
        let shapes = draw(&history, width, height, false, &font);
        let limit = history.latest().and_then(|entry| entry.sample.counts);
        let scale = upper_scale(&shapes);
        // The legend has fewer dashes than a plot.
        let mut rows: Vec<i32> = shapes.iter().filter_map(|shape| match shape {
            Shape::Fill(area, Ink::Limit) => Some(area.top),
            _ => None,
        }).skip(2).collect();
        rows.dedup();
        match (limit, rows.as_slice()) {
            (None, rows) => prop_assert!(rows.is_empty()),
            (Some(_), []) => {
                let far = texts(&shapes).iter().any(|(text, _)| text.contains("above the graph"));
                let no_plot = scale.is_empty();
                prop_assert!(far || no_plot, "no line of the limit");
            }
            (Some(counts), [row]) => {
                let (low, high) = (scale[0], scale[scale.len() - 1]);
                let share = (f64::from(counts.limit) - low.1) / (high.1 - low.1);
                let wanted = f64::from(low.0) + share * f64::from(high.0 - low.0);
                prop_assert!((wanted - f64::from(*row)).abs() <= 1.5, "{wanted} and {row}");
            }
            (_, rows) => prop_assert!(false, "several rows: {rows:?}"),
        }
    }

    #[test]
    fn the_history_is_bounded_and_never_goes_back(samples in samples()) {
        let history = history(&samples);
        prop_assert!(history.len() <= SPAN as usize + 1);
        prop_assert_eq!(history.is_empty(), samples.is_empty());
        let positions: Vec<u64> = history.entries().map(|entry| entry.position).collect();
        prop_assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
        if let (Some(first), Some(last)) = (positions.first(), positions.last()) {
            prop_assert!(last - first <= u64::from(SPAN));
        }
        let highest = history.entries().filter_map(|entry| entry.sample.counts);
        let highest = highest.map(|counts| counts.half_open).max();
        prop_assert_eq!(history.peak().map(|(_, peak)| peak), highest);
    }
}
