//! A history as a chart of characters that every console has.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Lines of the bars.
const HEIGHT: u32 = 6;
/// Columns of the scale.
const MARGIN: usize = 10;

/// The history as bars, the latest at the right, with a scale and a title.
pub(crate) fn lines(history: &VecDeque<u32>, width: usize) -> Vec<String> {
    let room = width.saturating_sub(MARGIN);
    let skipped = history.len().saturating_sub(room);
    let shown = || history.iter().skip(skipped).copied();
    let highest = shown().max().unwrap_or(0);
    // One line of a bar is at least one connection.
    let scale = highest.max(HEIGHT);
    let mut lines = Vec::from([phrase!("half-open, sample by sample").into()]);
    for line in (1..=HEIGHT).rev() {
        let bars: String = shown()
            .map(|value| {
                if reaches(value, line, scale) {
                    '#'
                } else {
                    ' '
                }
            })
            .collect();
        lines.push(format!("{:>8} |{bars}", least(line, scale)));
    }
    lines
}

/// The smallest value whose bar reaches this line.
fn least(line: u32, scale: u32) -> u32 {
    let product = u64::from(line) * u64::from(scale);
    u32::try_from(product.div_ceil(u64::from(HEIGHT))).unwrap_or(u32::MAX)
}

fn reaches(value: u32, line: u32, scale: u32) -> bool {
    value >= least(line, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(history: &[u32], width: usize) -> Vec<String> {
        lines(&history.iter().copied().collect(), width)
    }

    #[test]
    fn few_connections_have_a_line_each() {
        let lines = drawn(&[0, 1, 3, 6], 40);
        assert_eq!(lines[1], "       6 |   #");
        assert_eq!(lines[4], "       3 |  ##");
        assert_eq!(lines[6], "       1 | ###");
    }

    #[test]
    fn the_highest_bar_reaches_the_top_and_no_bar_exceeds_its_value() {
        for highest in [6, 7, 10, 100, 1_000_000, u32::MAX] {
            let lines = drawn(&[highest, highest - 1, 0], 40);
            assert_eq!(lines[1], format!("{highest:>8} |#  "), "{highest}");
            assert!(lines.iter().all(|line| !line.ends_with("###")), "{highest}");
        }
    }

    #[test]
    fn only_the_latest_are_shown_where_there_is_no_room() {
        let history: Vec<u32> = (0..60).map(|look| u32::from(look == 0) * 6).collect();
        assert!(drawn(&history, 80)[1].contains('#'));
        assert!(!drawn(&history, 40)[1].contains('#'));
        assert!(drawn(&history, 40).iter().all(|line| line.len() <= 40));
    }
}
