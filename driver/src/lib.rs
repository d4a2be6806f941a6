//! All decisions of `tcplimit.sys`, over the [`Kernel`] trait.

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
mod dispatch;
mod driver;
mod event;
mod inspect;
mod kernel;
mod lifecycle;
mod lock;
mod message;
mod module_history;
mod module_list_check;
mod outcome;
mod page_table;
mod text;

pub use dispatch::Completion;
pub use driver::Driver;
pub use event::{Event, is_event_source};
pub use kernel::{
    Device, ExchangeError, Kernel, ModuleEntry, ModuleRef, RECORD_SIZE, Setting, V0_1_RECORD_SIZE,
};
pub use lock::{Exclusion, Lock, RawCell};
pub use message::Message;
pub use page_table::Paging;
pub use text::Text;
