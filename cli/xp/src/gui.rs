//! The window's edge: user32, gdi32, comctl32, shell32.
//!
//! Handles of windows are checked by Windows at each call, so a stale one makes a call fail and no
//! more. Every `unsafe` block names the rule that it relies on.

mod calls;
pub(crate) mod canvas;
pub(crate) mod control;
pub(crate) mod icon;
pub(crate) mod menu;
pub(crate) mod procedure;
pub(crate) mod shell;
pub(crate) mod state;
pub(crate) mod window;
