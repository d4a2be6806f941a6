//! The kinds of files.

/// What a file is, and so what it may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A kernel driver (`.sys`).
    Driver,
    /// A console program (`.exe`).
    Program,
    /// A program with a window (`.exe`).
    Window,
}
