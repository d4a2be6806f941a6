//! Standard output and error: colour only if wanted. Output that is not read or can't be written
//! never ends a run half-way.

use std::borrow::Cow;
use std::io::{self, BufWriter, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use tcplimit_report::Exit;

/// Good news.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Notices.
pub(crate) const NOTICE: Style = AnsiColor::Yellow.on_default().bold();
/// Bad news.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Labels.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Headlines.
pub(crate) const STRONG: Style = Style::new().bold();

/// Standard output, with styles only if wanted. It is buffered until flushed, since a progress bar
/// must make room for it.
pub(crate) fn stdout() -> Output {
    Output::to(Box::new(anstream::stdout()))
}

/// Standard output that remembers its first error until the end. Writing never fails, so that no
/// command stops because of lost output.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    /// The first error; nothing is written after it.
    lost: Option<io::Error>,
}

impl Output {
    pub(crate) fn to(writer: Box<dyn Write>) -> Output {
        Output {
            writer: BufWriter::with_capacity(1 << 20, writer),
            lost: None,
        }
    }

    /// Whether there is nothing to flush.
    pub(crate) fn is_flushed(&self) -> bool {
        self.lost.is_some() || self.writer.buffer().is_empty()
    }

    /// Lets a command that only reads stop once its output is lost.
    ///
    /// # Errors
    /// If output was lost.
    pub(crate) fn is_wanted(&self) -> io::Result<()> {
        match &self.lost {
            Some(error) => Err(error.kind().into()),
            None => Ok(()),
        }
    }

    /// Flushes the output and returns the exit code. A closed pipe does not change it; any other
    /// loss is an error.
    pub(crate) fn finish(&mut self, exit: Exit) -> Exit {
        self.keep(BufWriter::flush);
        match &self.lost {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                print_error(&format!(
                    "the output can't be written: {}",
                    os_error_text(error)
                ));
                exit.max(Exit::Unreadable)
            }
            _ => exit,
        }
    }

    fn keep(&mut self, write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>) {
        if self.lost.is_none() {
            self.lost = write(&mut self.writer).err();
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.keep(|writer| writer.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.keep(BufWriter::flush);
        Ok(())
    }
}

/// Prints an error on standard error: what happened, why, and what to do.
pub(crate) fn print_error(text: &str) {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{BAD}tcplimit:{BAD:#}");
    for line in text.lines() {
        let _ = writeln!(stderr, " {}", printable(line));
    }
}

/// The text of a system error, without its number.
pub(crate) fn os_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let around = text
        .split_once(" (os error ")
        .and_then(|(cause, rest)| Some((cause, rest.split_once(')')?.1)));
    match around {
        Some((cause, rest)) => format!("{cause}{rest}"),
        None => text,
    }
}

/// A text from a file or a path, safe for a terminal: control characters are escaped.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().flat_map(|char| {
        let escape = is_control(char).then(|| char.escape_unicode());
        let plain = escape.is_none().then_some(char);
        escape.into_iter().flatten().chain(plain)
    });
    Cow::Owned(shown.collect())
}

/// A path quoted for a shell.
pub(crate) fn quoted(path: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "/\\._-+:,@%".contains(char);
    let escapes = cfg!(unix) && path.contains('\\');
    match path.chars().all(plain) && !escapes && !path.is_empty() {
        true => path.to_owned(),
        // Windows paths contain no quotation marks.
        false if cfg!(windows) => format!("\"{path}\""),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// The command line of this run.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    words.fold("tcplimit".to_owned(), |line, word| {
        line + " " + &quoted(&word.to_string_lossy())
    })
}

/// Control characters, and those that change the writing direction.
fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A standard output that fails.
    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_changes_no_exit_code_and_a_full_disk_does() {
        for (kind, exit, then) in [
            (ErrorKind::BrokenPipe, Exit::Done, Exit::Done),
            (ErrorKind::BrokenPipe, Exit::Refused, Exit::Refused),
            (ErrorKind::StorageFull, Exit::Done, Exit::Unreadable),
            (ErrorKind::StorageFull, Exit::Refused, Exit::Unreadable),
            (ErrorKind::StorageFull, Exit::Interrupted, Exit::Interrupted),
        ] {
            let mut output = Output::to(Box::new(Broken(kind)));
            writeln!(output, "a line").unwrap();
            assert!(output.is_wanted().is_ok(), "it waits");
            output.flush().unwrap();
            assert_eq!(output.is_wanted().unwrap_err().kind(), kind);
            writeln!(output, "another").unwrap();
            assert_eq!(output.finish(exit), then, "{kind}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("C:\\tcpip.sys é"), "C:\\tcpip.sys é");
        assert_eq!(printable("a\u{1b}[31m\n"), "a\\u{1b}[31m\\u{a}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn the_number_of_an_error_is_left_out_and_nothing_else() {
        let denied = io::Error::from_raw_os_error(1);
        let text = denied.to_string();
        let words = text.split_once(" (os").unwrap().0;
        assert_eq!(os_error_text(&denied), words);
        let within = io::Error::other(format!("no ({denied}): try"));
        assert_eq!(os_error_text(&within), format!("no ({words}): try"));
        assert_eq!(os_error_text(&io::Error::other("plain")), "plain");
    }

    #[test]
    fn a_path_with_spaces_is_quoted() {
        assert_eq!(quoted("a/tcpip-1.sys"), "a/tcpip-1.sys");
        if cfg!(unix) {
            assert_eq!(quoted("my files/it's"), r"'my files/it'\''s'");
        } else {
            assert_eq!(quoted(r"C:\my files"), "\"C:\\my files\"");
        }
    }
}
