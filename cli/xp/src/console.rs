//! What is said: lines for people as things happen, or one JSON object at the
//! end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt::Write;

use serde::Serialize;
use tcplimit_report::{Exit, SCHEMA};

use crate::failure::Failure;
use crate::os::{Os, Stream};

/// Where a verb says what it does.
pub(crate) struct Console<'a> {
    os: &'a dyn Os,
    verb: &'static str,
    pub(crate) json: bool,
    /// What was done, one sentence a step.
    steps: Vec<String>,
    is_open: Cell<bool>,
    /// Where text goes instead of to the streams: a window has none.
    record: Option<RefCell<String>>,
}

/// What all objects begin with.
#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: u32,
    verb: &'a str,
    exit_code: u8,
    error: Option<ErrorJson<'a>>,
    steps: &'a [String],
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    message: &'a str,
    advice: Option<&'a str>,
    code: Option<u32>,
}

/// No fields of a verb's own.
#[derive(Serialize)]
pub(crate) struct NoFields {}

impl<'a> Console<'a> {
    pub(crate) fn new(os: &'a dyn Os, verb: &'static str, json: bool) -> Console<'a> {
        Console {
            os,
            verb,
            json,
            steps: Vec::new(),
            is_open: Cell::new(true),
            record: None,
        }
    }

    /// A console that keeps what is said, unbroken, for a window.
    pub(crate) fn recording(os: &'a dyn Os, verb: &'static str) -> Console<'a> {
        Console {
            record: Some(RefCell::default()),
            ..Console::new(os, verb, false)
        }
    }

    /// What was said, with the failure behind it. (Without the objects of JSON, which a window
    /// has no use for.)
    pub(crate) fn into_recorded(self, failure: Option<&Failure>) -> String {
        let mut text = self.record.unwrap_or_default().into_inner();
        if let Some(failure) = failure {
            text.push_str(&failure.text());
        }
        text
    }

    /// Text for people; on a console broken at words.
    pub(crate) fn print(&self, text: &str) {
        if let Some(record) = &self.record {
            let mut record = record.borrow_mut();
            record.push_str(text);
            record.push('\n');
            return;
        }
        match self.os.columns(Stream::Out) {
            Some(columns) => self.print_unwrapped(&wrap(text, columns)),
            None => self.print_unwrapped(text),
        }
    }

    /// Text for people whose lines are as they must be.
    pub(crate) fn print_unwrapped(&self, text: &str) {
        if !self.json {
            self.write(text);
            self.write("\n");
        }
    }

    fn write(&self, text: &str) {
        if !self.os.print(Stream::Out, text) {
            self.is_open.set(false);
        }
    }

    /// Whether all was taken so far. Windows does not end a program whose
    /// reader went away.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// A step that was done: it is said at once, for the next may not come.
    pub(crate) fn step(&mut self, step: impl Into<String>) {
        let step = step.into();
        self.print(&step);
        self.steps.push(step);
    }

    /// The end: the failure, if there is one, and the object.
    pub(crate) fn finish(&self, failure: Option<&Failure>, rest: impl Serialize) -> Exit {
        let exit = failure.map_or(Exit::Done, |failure| failure.exit);
        self.finish_with(exit, failure, rest)
    }

    /// As [`Console::finish`], where the exit code is about more than failures.
    pub(crate) fn finish_with(
        &self,
        exit: Exit,
        failure: Option<&Failure>,
        rest: impl Serialize,
    ) -> Exit {
        if self.json {
            self.print_json(&Envelope {
                schema: SCHEMA,
                verb: self.verb,
                exit_code: exit.code(),
                error: failure.map(|failure| ErrorJson {
                    message: &failure.message,
                    advice: Some(failure.advice.as_str()).filter(|advice| !advice.is_empty()),
                    code: failure.error.map(|error| error.0),
                }),
                steps: &self.steps,
                rest,
            });
        } else if let Some(failure) = failure {
            let mut text = format!("tcplimit: {}\n", failure.message);
            if !failure.advice.is_empty() {
                let _ = writeln!(text, "  {}", failure.advice);
            }
            if let Some(columns) = self.os.columns(Stream::Error) {
                text = wrap(&text, columns);
            }
            self.os.print(Stream::Error, &text);
        }
        exit
    }

    /// A line of JSON, all of it ASCII.
    pub(crate) fn print_json(&self, value: &impl Serialize) {
        // It fails only where a map's key is no text.
        let line = serde_json::to_string(value).unwrap_or_default();
        let mut text = String::with_capacity(line.len());
        for character in line.chars() {
            if character.is_ascii() {
                text.push(character);
            } else {
                // Outside of texts all is ASCII, so this is inside of one.
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
        text.push('\n');
        self.write(&text);
    }
}

/// Text for a console of so many columns: longer lines are broken at words, and go on
/// below their own beginning. A word that is longer than a line is left to the console.
fn wrap(text: &str, columns: usize) -> String {
    // A line that fills the last column moves the cursor to the next.
    let width = columns.saturating_sub(1);
    let mut wrapped = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index != 0 {
            wrapped.push('\n');
        }
        let words = line.trim_start_matches(' ');
        let margin = line.len() - words.len();
        let mut length = 0;
        for word in words.split(' ') {
            let more = word.chars().count();
            if length != 0 && length + 1 + more > width {
                let _ = write!(wrapped, "\n{:margin$}{word}", "");
                length = margin + more;
            } else if length == 0 {
                let _ = write!(wrapped, "{:margin$}{word}", "");
                length = margin + more;
            } else {
                let _ = write!(wrapped, " {word}");
                length += 1 + more;
            }
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_at_words_and_continue_below_their_start() {
        let text = "one two three\n  four five six\n\nseven";
        assert_eq!(
            wrap(text, 12),
            "one two\nthree\n  four five\n  six\n\nseven"
        );
        // The last column stays free.
        assert_eq!(wrap("one two", 8), "one two");
        assert_eq!(wrap("one two", 7), "one\ntwo");
    }

    #[test]
    fn lines_that_fit_and_unbreakable_words_stay_unchanged() {
        for text in [
            "a  b   c",
            "",
            "\n",
            "  ",
            "C:\\a-very-long-name",
            "tail \n",
        ] {
            assert_eq!(wrap(text, 12), text);
        }
    }
}
