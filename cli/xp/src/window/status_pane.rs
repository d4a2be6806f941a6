//! The status pane: the rows of `status` in two columns, and advice.

use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;

use super::Model;
use crate::diagnosis;
use crate::os::Os;
use crate::status::{self, Row};
use crate::system;

/// Maximum number of lines: one for the driver, three for each module, one for the events.
pub(super) const LINES: usize = 8;

/// The title of the window: the versions of tcplimit and Windows.
#[must_use]
pub fn title(os: &dyn Os) -> String {
    let system = system::name(os.version());
    text!(
        "tcplimit {version} on {system}",
        version = crate::VERSION,
        system
    )
}

/// The text of "About".
#[must_use]
pub fn about(os: &dyn Os) -> String {
    text!(
        "{title}\n\nThe limit of half-open TCP connections. MIT OR Apache-2.0.",
        title = title(os)
    )
}

/// The texts at the top of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusPane {
    /// The label of each line.
    pub labels: Vec<String>,
    /// The text of each line.
    pub texts: Vec<String>,
    /// The advice, or nothing.
    pub advice: String,
}

/// Joins lines to one text.
#[must_use]
pub fn lines(lines: &[String], end: &str) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index != 0 {
            text.push_str(end);
        }
        text.push_str(line);
    }
    text
}

/// The longest form of each label.
pub(super) fn labels() -> Vec<String> {
    let of_module = [phrase!("in memory"), phrase!("on disk"), phrase!("stored")];
    let of_ipv6 = of_module.map(|label| text!("IPv6 {label}", label));
    let others = [phrase!("driver"), phrase!("event 4226")];
    of_ipv6
        .into_iter()
        .chain(others.map(String::from))
        .collect()
}

impl Model {
    /// The present texts.
    #[must_use]
    pub fn status_pane(&self) -> StatusPane {
        if let Some(failure) = &self.unsupported {
            return StatusPane {
                advice: failure.text(),
                ..StatusPane::default()
            };
        }
        let facts = match &self.facts {
            None => return StatusPane::default(),
            Some(Err(failure)) => {
                return StatusPane {
                    advice: failure.text(),
                    ..StatusPane::default()
                };
            }
            Some(Ok(facts)) => facts,
        };
        let mut status_pane = StatusPane::default();
        let of_file = |row: &Row| row.module.map(Module::file_name) == Some(row.label);
        for row in status::rows(facts).iter().filter(|row| !of_file(row)) {
            status_pane.labels.push(match row.module {
                Some(Module::Tcpip6) => text!("IPv6 {label}", label = row.label),
                _ => row.label.into(),
            });
            status_pane.texts.push(row.text.clone());
        }
        let notes = diagnosis::notes(facts);
        status_pane.advice = match notes.as_slice() {
            [] => phrase!("No problems found.").into(),
            [only] => only.clone(),
            [first, rest @ ..] => text!("{first} ({more} more: Details)", first, more = rest.len()),
        };
        status_pane
    }

    /// The whole output of `status`.
    #[must_use]
    pub fn details(&self, os: &dyn Os) -> String {
        let Some(facts) = self.facts() else {
            return self.status_pane().advice;
        };
        let mut text = lines(&status::lines(os, facts), "\n");
        for note in diagnosis::notes(facts) {
            text.push_str("\n\n");
            text.push_str(&note);
        }
        text
    }
}
