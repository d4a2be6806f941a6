//! The report on one image, for both programs: `tcplimit` for the workbench, and
//! `tcplimit.exe` for the Windows XP machine itself.
//!
//! The latter runs on Windows XP, so this crate does without the standard library. Start at
//! [`image()`], which makes a [`Report`] from the bytes of a file.

#![no_std]
#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
// Tests may panic.
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

extern crate alloc;

mod cause;
mod exit;
mod file_kind;
mod hash;
mod image;
mod json;
mod limiter_history;
mod names;
mod report;
mod state;
mod text;

pub use cause::Cause;
pub use exit::Exit;
pub use file_kind::{is_cabinet, is_compressed, is_driver_size, is_program};
pub use hash::{Hash, hash, hex, sha256};
pub use image::{Describe, image};
pub use json::{JsonReport, SCHEMA};
pub use names::{Conflict, Name, Names, is_module};
pub use report::{FileFacts, ImageFacts, Origin, Report, Search, limit_text};
pub use state::State;
pub use text::{FRESH_COPY, TEXTS, Translate, english, fill};
