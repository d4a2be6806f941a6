//! Output: lines for people as things happen, or one JSON object at the end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt::Write;

use serde::Serialize;
use tcplimit_report::{Exit, SCHEMA};

use crate::failure::Failure;
use crate::os::{Os, Stream};

/// The output of a verb.
pub(crate) struct Console<'a> {
    os: &'a dyn Os,
    verb: &'static str,
    pub(crate) json: bool,
    /// Completed steps, one sentence each.
    steps: Vec<String>,
    is_open: Cell<bool>,
    /// Buffer that replaces the streams for a window.
    record: Option<RefCell<String>>,
}

/// The start of every object.
#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: u32,
    verb: &'a str,
    exit_code: u8,
    error: Option<JsonError<'a>>,
    steps: &'a [String],
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct JsonError<'a> {
    message: &'a str,
    advice: Option<&'a str>,
    code: Option<u32>,
}

/// For verbs without fields of their own.
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

    /// A console that records its output unwrapped, for a window.
    pub(crate) fn recording(os: &'a dyn Os, verb: &'static str) -> Console<'a> {
        Console {
            record: Some(RefCell::default()),
            ..Console::new(os, verb, false)
        }
    }

    /// The recorded output, followed by the failure. (It has no JSON, which a window does not use.)
    pub(crate) fn into_recorded(self, failure: Option<&Failure>) -> String {
        let mut text = self.record.unwrap_or_default().into_inner();
        if let Some(failure) = failure {
            text.push_str(&failure.text());
        }
        text
    }

    /// Prints text for people, wrapped on a console.
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

    /// Prints text whose lines must not be wrapped.
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

    /// Whether the stream has accepted everything so far. Windows does not end a program whose
    /// reader has gone.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Records a completed step and prints it at once, because the next may never come.
    pub(crate) fn step(&mut self, step: impl Into<String>) {
        let step = step.into();
        self.print(&step);
        self.steps.push(step);
    }

    /// Prints the failure, if any, and the object.
    pub(crate) fn finish(&self, failure: Option<&Failure>, rest: impl Serialize) -> Exit {
        let exit = failure.map_or(Exit::Done, |failure| failure.exit);
        self.finish_with(exit, failure, rest)
    }

    /// Like [`Console::finish`], with an exit code that depends on more than the failure.
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
                error: failure.map(|failure| JsonError {
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

    /// Prints a line of JSON, all ASCII.
    pub(crate) fn print_json(&self, value: &impl Serialize) {
        // Fails only if a map's key is not a string.
        let line = serde_json::to_string(value).unwrap_or_default();
        let mut text = String::with_capacity(line.len());
        for character in line.chars() {
            if character.is_ascii() {
                text.push(character);
            } else {
                // Everything outside strings is ASCII, so this is inside one.
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
        text.push('\n');
        self.write(&text);
    }
}

/// Wraps text to the columns of a console: longer lines break at words and keep their indentation.
/// The console breaks words longer than a line.
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
