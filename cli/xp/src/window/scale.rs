//! The scale of a plot: round numbers at equal distances.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::drawing::Font;

/// The minimum value at the top.
const LOWEST_TOP: u64 = 10;
/// Maximum number of lines.
const MOST_LINES: u64 = 5;

/// Round numbers from 0 to the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    step: u64,
    lines: u64,
}

impl Scale {
    /// The scale for these values, and the limit if it is drawn, in a height of pixels.
    pub(super) fn fit(values: &[u32], limit: Option<u32>, height: i32, line: i32) -> Scale {
        let highest = values.iter().copied().chain(limit).max().unwrap_or(0);
        let highest = u64::from(highest).max(LOWEST_TOP);
        // Labels are one line high, and half a line apart.
        let fits = height.checked_div(line.max(1) * 3 / 2).unwrap_or(0);
        let fits = u64::try_from(fits).unwrap_or(0);
        let most = fits.saturating_sub(1).clamp(1, MOST_LINES);
        let mut step = 1_u64;
        // 1, 2, 5, 10, 20, 50 and so on.
        let factors = [2, 5, 10];
        'found: loop {
            let unit = step;
            if ceil(highest, unit) <= most {
                break;
            }
            for factor in factors {
                step = unit.saturating_mul(factor);
                if ceil(highest, step) <= most {
                    break 'found;
                }
            }
        }
        Scale {
            step,
            lines: ceil(highest, step),
        }
    }

    /// The value at the top.
    pub(super) fn top(&self) -> u64 {
        self.step.saturating_mul(self.lines)
    }

    /// Values and their labels, from 0.
    pub(super) fn labels(&self) -> Vec<(u64, String)> {
        let value = |line: u64| self.step.saturating_mul(line);
        (0..=self.lines)
            .map(|line| (value(line), value(line).to_string()))
            .collect()
    }

    /// The width of the widest label.
    pub(super) fn label_width(&self, font: &dyn Font) -> i32 {
        let labels = self.labels();
        let widths = labels.iter().map(|(_, label)| font.width(label));
        widths.max().unwrap_or(0)
    }
}

/// The number of steps to reach a value. (A plain division by a possible 0 would link a panic.)
fn ceil(value: u64, step: u64) -> u64 {
    let most = value.saturating_add(step.saturating_sub(1));
    most.checked_div(step).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_the_highest_value_is_on_the_scale() {
        for (highest, step, top) in [
            (0, 2, 10),
            (10, 2, 10),
            (11, 5, 15),
            (100, 20, 100),
            (101, 50, 150),
            (0xFF_FFFF, 5_000_000, 20_000_000),
            (u32::MAX, 1_000_000_000, 5_000_000_000),
        ] {
            let scale = Scale::fit(&[highest], None, 1000, 10);
            assert_eq!((scale.step, scale.top()), (step, top), "{highest}");
        }
    }

    #[test]
    fn little_room_has_few_lines() {
        assert_eq!(Scale::fit(&[100], None, 30, 10).lines, 1);
        assert_eq!(Scale::fit(&[3], Some(70), 50, 10).labels().len(), 3);
    }
}
