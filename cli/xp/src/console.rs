//! What is said: lines for people as things happen, or one JSON object at the
//! end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt::Write;

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::windows::{Stream, Windows};

/// As in docs/json.md.
pub(crate) const SCHEMA: u32 = 2;

/// Where a verb says what it does.
pub(crate) struct Console<'a> {
    windows: &'a dyn Windows,
    verb: &'static str,
    pub(crate) json: bool,
    /// What was done, one sentence a step.
    steps: Vec<String>,
    is_read: Cell<bool>,
}

/// What all objects begin with.
#[derive(Serialize)]
struct Outcome<'a, T> {
    schema: u32,
    verb: &'a str,
    exit_code: u32,
    error: Option<Error<'a>>,
    steps: &'a [String],
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    advice: Option<&'a str>,
    code: Option<u32>,
}

/// No fields of a verb's own.
#[derive(Serialize)]
pub(crate) struct Nothing {}

impl<'a> Console<'a> {
    pub(crate) fn new(windows: &'a dyn Windows, verb: &'static str, json: bool) -> Console<'a> {
        Console {
            windows,
            verb,
            json,
            steps: Vec::new(),
            is_read: Cell::new(true),
        }
    }

    /// Text for people.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            self.print(text);
            self.print("\n");
        }
    }

    fn print(&self, text: &str) {
        if !self.windows.print(Stream::Out, text) {
            self.is_read.set(false);
        }
    }

    /// Whether all was taken so far. Windows does not end a program whose
    /// reader went away.
    pub(crate) fn is_read(&self) -> bool {
        self.is_read.get()
    }

    /// A step that was done: it is said at once, for the next may not come.
    pub(crate) fn did(&mut self, step: impl Into<String>) {
        let step = step.into();
        self.say(&step);
        self.steps.push(step);
    }

    /// The end: the failure, if there is one, and the object.
    pub(crate) fn finish(&self, failure: Option<&Failure>, rest: impl Serialize) -> Exit {
        let exit = failure.map_or(Exit::Done, |failure| failure.exit);
        self.end(exit, failure, rest)
    }

    /// As [`Console::finish`], where the exit code is about more than failures.
    pub(crate) fn end(&self, exit: Exit, failure: Option<&Failure>, rest: impl Serialize) -> Exit {
        if self.json {
            self.object(&Outcome {
                schema: SCHEMA,
                verb: self.verb,
                exit_code: exit.code(),
                error: failure.map(|failure| Error {
                    message: &failure.message,
                    advice: Some(failure.advice.as_str()).filter(|advice| !advice.is_empty()),
                    code: failure.error.map(|error| error.0),
                }),
                steps: &self.steps,
                rest,
            });
        } else if let Some(failure) = failure {
            let advice = wrapped(&failure.advice, "  ");
            let message = wrapped(&format!("tcplimit: {}", failure.message), "  ");
            let message = message.trim_start();
            self.windows
                .print(Stream::Error, &format!("{message}{advice}"));
        }
        exit
    }

    /// A line of JSON, all of it ASCII.
    pub(crate) fn object(&self, value: &impl Serialize) {
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
        self.print(&text);
    }
}

/// The columns that text for people has, so that a console of 80 does not break
/// its lines.
const WIDTH: usize = 78;

/// Text in lines, each behind a margin; nothing for nothing.
pub(crate) fn wrapped(text: &str, margin: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = margin.len() + line.chars().count() + word.chars().count();
        if !line.is_empty() && length >= WIDTH {
            let _ = writeln!(lines, "{margin}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(lines, "{margin}{line}");
    }
    lines
}
