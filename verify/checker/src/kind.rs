//! The kinds of files.

/// The kind of a file, which determines its rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A kernel driver (`.sys`).
    Driver,
    /// A console program (`.exe`).
    Program,
    /// A program with a window (`.exe`).
    Window,
}
