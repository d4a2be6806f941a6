//! Labels beside a drawing, moved apart where they would cover each other.

use super::html::Html;

/// Between two.
const APART: f64 = 3.0;

/// A label, or a box of that height.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    /// The height in the drawing that it is about.
    anchor: f64,
    pub(super) top: f64,
    height: f64,
    /// For the style sheet.
    pub(super) class: &'static str,
    text: String,
}

impl Label {
    pub(super) fn new(anchor: f64, height: f64, class: &'static str, text: String) -> Self {
        Self {
            anchor,
            top: anchor - height / 2.0,
            height,
            class,
            text,
        }
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Its line, from what it is about, and its words.
    pub(super) fn write(&self, html: &mut Html, from: f64, to: f64) {
        let middle = self.top + self.height / 2.0;
        let bend = to - 10.0;
        let points = format!(
            "{:.1},{:.1} {:.1},{:.1} {bend:.1},{middle:.1} {:.1},{middle:.1}",
            from + 2.0,
            self.anchor,
            from + 6.0,
            self.anchor,
            to - 4.0
        );
        let class = format!("leader {}", self.class);
        html.element(
            "polyline",
            &[("points", &points), ("class", &class)],
            |_| {},
        );
        let (x, y) = (format!("{to:.1}"), format!("{:.1}", middle + 4.0));
        html.leaf(
            "text",
            &[("x", &x), ("y", &y), ("class", "label")],
            &self.text,
        );
    }
}

/// Puts them one below the other, in the order of what they are about, each as
/// near to that as the others let it: groups that touch share what they must
/// give way.
pub(super) fn spread(labels: &mut [Label], top: f64) {
    labels.sort_by(|one, other| one.anchor.total_cmp(&other.anchor));
    // Each group: its labels' range, and where it begins.
    let mut groups: Vec<(usize, usize, f64)> = Vec::new();
    for at in 0..labels.len() {
        groups.push((at, at + 1, labels[at].wish().max(top)));
        while let [.., (first, middle, above), (_, last, below)] = groups[..] {
            let end = above + height(&labels[first..middle]) + APART;
            if below >= end {
                break;
            }
            groups.truncate(groups.len() - 2);
            let place = best(&labels[first..last]).max(top);
            groups.push((first, last, place));
        }
    }
    for (first, last, mut place) in groups {
        for label in &mut labels[first..last] {
            label.top = place;
            place = label.bottom() + APART;
        }
    }
}

impl Label {
    /// Where it would begin were it alone.
    fn wish(&self) -> f64 {
        self.anchor - self.height / 2.0
    }
}

/// The height of labels that touch.
fn height(labels: &[Label]) -> f64 {
    labels.iter().map(|label| label.height + APART).sum::<f64>() - APART
}

/// Where labels that touch begin so that they are, on average, where they wish.
fn best(labels: &[Label]) -> f64 {
    let (mut sum, mut below) = (0.0, 0.0);
    for label in labels {
        sum += label.wish() - below;
        below += label.height + APART;
    }
    // There are few.
    sum / f64::from(u32::try_from(labels.len()).unwrap_or(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tops(anchors: &[f64]) -> Vec<f64> {
        let label = |&anchor: &f64| Label::new(anchor, 10.0, "gate", String::new());
        let mut labels: Vec<Label> = anchors.iter().map(label).collect();
        spread(&mut labels, 0.0);
        labels.iter().map(|label| label.top).collect()
    }

    #[test]
    fn labels_that_are_far_apart_stay_where_they_are() {
        assert_eq!(tops(&[100.0, 50.0]), [45.0, 95.0]);
    }

    #[test]
    fn labels_at_one_place_share_what_they_give_way() {
        assert_eq!(tops(&[50.0, 50.0, 50.0]), [32.0, 45.0, 58.0]);
    }

    #[test]
    fn none_is_above_the_top_and_none_covers_another() {
        let tops = tops(&[1.0, 2.0, 3.0, 40.0, 41.0, 90.0]);
        assert!(tops[0] >= 0.0);
        assert!(
            tops.windows(2).all(|pair| pair[0] + 13.0 <= pair[1]),
            "{tops:?}"
        );
    }
}
