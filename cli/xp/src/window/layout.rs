//! The layout of the controls, for any size and font.

use alloc::vec::Vec;

use super::drawing::{Font, Rect};
use super::{Remedy, status_pane};

/// A control of the window. Its number is its ID in Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Control {
    /// Labels of the status.
    StatusLabels = 1001,
    /// Texts of the status.
    StatusTexts,
    /// The advice.
    Advice,
    /// Applies the first remedy.
    FirstRemedy,
    /// Applies the second remedy.
    SecondRemedy,
    /// Starts the program as another user.
    RunAs,
    /// Shows everything that `status` prints.
    Details,
    /// "Limit" before the number.
    NumberLabel,
    /// The limit to set.
    Number,
    /// Common limits to choose from.
    CommonLimits,
    /// Whether the limit is kept after a restart.
    Keep,
    /// Whether to set the limit of IPv6 too.
    Ipv6,
    /// Sets the limit.
    Apply,
    /// Sets it back to 10.
    Reset,
    /// The graph.
    Graph,
    /// Sorts by connections.
    ByConnections,
    /// Sorts by program names.
    ByName,
    /// Sorts by PIDs.
    ByProcess,
    /// The processes.
    Table,
}

impl Control {
    /// All controls, in the order of the Tab key.
    pub const ALL: [Control; 19] = [
        Control::StatusLabels,
        Control::StatusTexts,
        Control::Advice,
        Control::FirstRemedy,
        Control::SecondRemedy,
        Control::RunAs,
        Control::Details,
        Control::NumberLabel,
        Control::Number,
        Control::CommonLimits,
        Control::Keep,
        Control::Ipv6,
        Control::Apply,
        Control::Reset,
        Control::Graph,
        Control::ByConnections,
        Control::ByName,
        Control::ByProcess,
        Control::Table,
    ];

    /// Its ID.
    #[must_use]
    pub fn id(self) -> u16 {
        self as u16
    }

    /// The control of that ID.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Control> {
        Control::ALL.into_iter().find(|control| control.id() == id)
    }

    /// Its fixed text; buttons of remedies have variable ones.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Control::RunAs => phrase!("Run &as..."),
            Control::Details => phrase!("&Details..."),
            Control::NumberLabel => phrase!("Li&mit:"),
            Control::Keep => phrase!("&Keep after restart"),
            Control::Ipv6 => phrase!("IPv&6 too"),
            Control::Apply => phrase!("&Set..."),
            Control::Reset => phrase!("&Reset..."),
            Control::ByConnections => phrase!("&Connections"),
            Control::ByName => phrase!("&Program"),
            Control::ByProcess => phrase!("Pr&ocess"),
            _ => "",
        }
    }
}

/// Lines of advice.
const ADVICE_LINES: i32 = 2;
/// Minimum width of the advice, in line heights.
const ADVICE_WIDTH: i32 = 11;
/// Minimum lines of the graph and of the table.
const GRAPH_LINES: i32 = 10;
const TABLE_LINES: i32 = 3;

/// Parameters of the layout besides size and font.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Lines of the status.
    pub lines: usize,
    /// Remedies with a button: 0 to 2.
    pub remedies: usize,
    /// Whether to offer "Run as".
    pub run_as: bool,
    /// Whether the limit of IPv6 can be set.
    pub ipv6: bool,
}

/// Measures of a font.
struct Measures<'a> {
    font: &'a dyn Font,
    line: i32,
    margin: i32,
    /// The height of a button.
    button: i32,
}

impl Measures<'_> {
    fn new(font: &dyn Font) -> Measures<'_> {
        let line = font.height().max(1);
        Measures {
            font,
            line,
            margin: line / 2,
            button: line * 7 / 4,
        }
    }

    /// The width of a button, or of a check box with its text.
    fn width(&self, label: &str) -> i32 {
        // The `&` before a key's letter is not shown.
        self.font.width(&label.replace('&', "")) + self.line * 2
    }

    /// The width of a remedy's button, for its longest text.
    fn remedy(&self, button: Control) -> i32 {
        let remedies = match button {
            Control::SecondRemedy => &[Remedy::Repair][..],
            _ => &[Remedy::Install, Remedy::Load],
        };
        let widths = remedies.iter().map(|remedy| self.width(remedy.label()));
        widths.max().unwrap_or(0)
    }

    fn labels(&self) -> i32 {
        let labels = status_pane::labels();
        let widths = labels.iter().map(|label| self.font.width(label));
        widths.max().unwrap_or(0) + self.line
    }

    fn number(&self) -> i32 {
        self.font.width("16777215") + self.line * 3 / 2
    }

    /// The width of the drop-down list, with its arrow.
    fn common_limits(&self) -> i32 {
        self.font.width("500") + self.line * 3
    }

    /// The widest row, which sets the limit.
    fn set_row(&self) -> i32 {
        let controls = [Control::Keep, Control::Ipv6, Control::Apply, Control::Reset];
        let widths = controls.map(|control| self.width(control.label()) + self.margin);
        let label = self.font.width(Control::NumberLabel.label()) + self.margin;
        widths.iter().sum::<i32>() + label + self.number() + self.common_limits() + 3 * self.margin
    }

    /// The height of all rows except graph and table, with margins.
    fn fixed(&self, lines: usize) -> i32 {
        let lines = i32::try_from(lines.min(status_pane::LINES)).unwrap_or(0);
        self.line * (lines + ADVICE_LINES) + 2 * self.button + 7 * self.margin
    }
}

/// The minimum size of the window's inside, for any contents.
#[must_use]
pub fn minimum(font: &dyn Font) -> (i32, i32) {
    let measures = Measures::new(font);
    let details = measures.width(Control::Details.label());
    let buttons = measures.remedy(Control::FirstRemedy)
        + measures.remedy(Control::SecondRemedy)
        + measures.width(Control::RunAs.label())
        + details
        + 5 * measures.margin;
    let advice = buttons + measures.line * ADVICE_WIDTH;
    let height = measures.fixed(status_pane::LINES) + measures.line * (GRAPH_LINES + TABLE_LINES);
    (measures.set_row().max(advice), height)
}

impl Layout {
    /// The places of the controls; missing ones are hidden.
    #[must_use]
    pub fn place(&self, width: i32, height: i32, font: &dyn Font) -> Vec<(Control, Rect)> {
        let measures = Measures::new(font);
        let Measures {
            line,
            margin,
            button,
            ..
        } = measures;
        let mut places = Vec::new();
        let right = width - margin;
        let mut top = margin;

        let lines = i32::try_from(self.lines.min(status_pane::LINES)).unwrap_or(0);
        if lines > 0 {
            let labels = measures.labels();
            let texts = margin + labels;
            places.push((
                Control::StatusLabels,
                Rect::at(margin, top, labels, line * lines),
            ));
            places.push((
                Control::StatusTexts,
                Rect::at(texts, top, right - texts, line * lines),
            ));
            top += line * lines + margin;
        }

        // Buttons from the right; the advice gets the rest.
        let mut end = right;
        let mut buttons = Vec::from([(Control::Details, measures.width(Control::Details.label()))]);
        if self.run_as {
            buttons.push((Control::RunAs, measures.width(Control::RunAs.label())));
        }
        let remedies = [Control::SecondRemedy, Control::FirstRemedy];
        let shown = remedies.len().saturating_sub(self.remedies);
        for &remedy in remedies.iter().skip(shown) {
            buttons.push((remedy, measures.remedy(remedy)));
        }
        for (control, wide) in buttons {
            places.push((control, Rect::at(end - wide, top, wide, button)));
            end -= wide + margin;
        }
        let advice = line * ADVICE_LINES;
        places.push((Control::Advice, Rect::at(margin, top, end - margin, advice)));
        top += advice.max(button) + margin;

        let mut left = margin;
        let mut row = |control: Control, wide: i32, high: i32| {
            places.push((
                control,
                Rect::at(left, top + (button - high) / 2, wide, high),
            ));
            left += wide + margin;
        };
        let label = Control::NumberLabel.label();
        row(Control::NumberLabel, measures.font.width(label), line);
        row(Control::Number, measures.number(), button);
        row(Control::CommonLimits, measures.common_limits(), button);
        row(Control::Keep, measures.width(Control::Keep.label()), line);
        if self.ipv6 {
            row(Control::Ipv6, measures.width(Control::Ipv6.label()), line);
        }
        for control in [Control::Apply, Control::Reset] {
            row(control, measures.width(control.label()), button);
        }
        top += button + margin;

        // The graph gets seven tenths of the rest.
        let rest = height - top - button - 3 * margin;
        let graph = rest * 7 / 10;
        places.push((Control::Graph, Rect::at(margin, top, right - margin, graph)));
        top += graph + margin;
        let mut left = margin;
        for control in [Control::ByConnections, Control::ByName, Control::ByProcess] {
            let wide = measures.width(control.label());
            places.push((control, Rect::at(left, top, wide, button)));
            left += wide + margin / 2;
        }
        top += button;
        let table = height - margin - top;
        places.push((Control::Table, Rect::at(margin, top, right - margin, table)));
        places
    }
}
