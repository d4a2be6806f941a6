//! What both programs say of an image: the workbench's `tcplimit`, and
//! `tcplimit.exe` of the machine itself.
//!
//! The latter runs on Windows XP, so this is built without the standard library.

#![no_std]
#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
// Tests may fail by them.
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

mod exit;
mod limiter_history;

pub use exit::Exit;
pub use limiter_history::Era;
