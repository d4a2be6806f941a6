//! The window's bindings: user32, gdi32, comctl32, shell32.
//!
//! Windows checks window handles at each call, so a stale one only makes the call fail. Every
//! `unsafe` block names the rule that it relies on.
//!
//! Why own bindings: native-windows-gui and winsafe need std, which no longer runs on Windows XP;
//! the former also links Direct2D and DirectWrite, which XP lacks. Neither filters messages of
//! controls. windows-sys is no_std, but names its import libraries only where the target is Windows
//! (`windows_link::link!`); these programs are built for the UEFI target, whose code has no SSE.
//! Only types would remain, and the window needs a dozen of those.

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
