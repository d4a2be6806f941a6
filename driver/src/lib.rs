//! All that `tcplimit.sys` decides, over a [`Kernel`] that does what it is told.

#![no_std]
#![deny(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[cfg(test)]
extern crate std;

pub mod access;
mod cause;
mod dispatch;
mod driver;
mod event;
mod kernel;
mod known;
mod life;
mod listing;
mod lock;
mod message;
mod page_table;
mod target;
mod text;

pub use dispatch::Completion;
pub use driver::Driver;
pub use event::{Event, is_event_source};
pub use kernel::{Device, Entry, Exchange, FORMER_RECORD, Held, Kernel, RECORD, Setting};
pub use lock::{Exclusion, Lock, Place};
pub use message::Message;
pub use page_table::Paging;
pub use text::Text;
