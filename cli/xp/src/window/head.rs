//! The head: what `status` tells, in two columns, and what it advises.

use alloc::string::String;
use alloc::vec::Vec;

use scanner_core::Module;

use super::Model;
use crate::advice;
use crate::status::{self, Row};
use crate::system;
use crate::windows::Windows;

/// Lines that the head has room for: one of the driver, three of each module, one of the events.
pub(super) const LINES: usize = 8;

/// What the window is called: with the version, and Windows' own.
#[must_use]
pub fn title(windows: &dyn Windows) -> String {
    let system = system::name(windows.version());
    text!(
        "tcplimit {version} on {system}",
        version = crate::VERSION,
        system
    )
}

/// What the program says of itself.
#[must_use]
pub fn about(windows: &dyn Windows) -> String {
    text!(
        "{title}\n\nThe limit of half-open TCP connections. MIT OR Apache-2.0.",
        title = title(windows)
    )
}

/// The texts at the top of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What each line is about.
    pub labels: Vec<String>,
    /// As many.
    pub texts: Vec<String>,
    /// What to do, or nothing.
    pub advice: String,
}

/// Lines as one text.
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

/// What lines of the head may be about, each where it is longest.
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
    /// The texts of the head as they are now.
    #[must_use]
    pub fn head(&self) -> Head {
        if let Some(failure) = &self.unsupported {
            return Head {
                advice: failure.sentences(),
                ..Head::default()
            };
        }
        let facts = match &self.facts {
            None => return Head::default(),
            Some(Err(failure)) => {
                return Head {
                    advice: failure.sentences(),
                    ..Head::default()
                };
            }
            Some(Ok(facts)) => facts,
        };
        let mut head = Head::default();
        let of_file = |row: &Row| row.module.map(Module::file_name) == Some(row.label);
        for row in status::rows(facts).iter().filter(|row| !of_file(row)) {
            head.labels.push(match row.module {
                Some(Module::Tcpip6) => text!("IPv6 {label}", label = row.label),
                _ => row.label.into(),
            });
            head.texts.push(row.text.clone());
        }
        let notes = advice::notes(facts);
        head.advice = match notes.as_slice() {
            [] => phrase!("All is well.").into(),
            [only] => only.clone(),
            [first, rest @ ..] => text!("{first} ({more} more: Details)", first, more = rest.len()),
        };
        head
    }

    /// All that `status` prints.
    #[must_use]
    pub fn details(&self, windows: &dyn Windows) -> String {
        let Some(facts) = self.facts() else {
            return self.head().advice;
        };
        let mut text = lines(&status::lines(windows, facts), "\n");
        for note in advice::notes(facts) {
            text.push_str("\n\n");
            text.push_str(&note);
        }
        text
    }
}
