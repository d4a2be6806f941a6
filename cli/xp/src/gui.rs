//! The window's edge: user32, gdi32, comctl32, shell32.
//!
//! Handles of windows are checked by Windows at each call, so a stale one makes a call fail and no
//! more. Every `unsafe` block names the rule that it relies on.
//!
//! Why own bindings: native-windows-gui and winsafe are built on std, which no longer runs on
//! Windows XP; the former also links Direct2D and DirectWrite, which XP has not. Neither filters
//! messages of controls. windows-sys is no_std, but names the files of its imports only where the
//! target is Windows (`windows_link::link!`); the programs are built for UEFI's target, whose code
//! has no SSE. What would be left of it are types, and the window needs a dozen of those.

pub(crate) mod canvas;
pub(crate) mod control;
pub(crate) mod icon;
mod imports;
pub(crate) mod menu;
mod objects;
pub(crate) mod procedure;
pub(crate) mod shell;
pub(crate) mod state;
pub(crate) mod window;
