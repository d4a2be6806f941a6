//! The interface between the driver and its clients.
//!
//! There are two devices. [`DEVICE`] is ours: a client sends a [`Query`], a
//! [`Set`] or a [`Reset`], and gets an [`Answer`]. [`legacy`] is the device of
//! the driver of 2005, for programs written then.
//!
//! Records are little-endian, without padding, and begin with a [`Header`]
//! that states size and version. All requests use METHOD_BUFFERED. No address
//! ever crosses, in either direction: only RVAs, limits, counts and reasons.
//!
//! A well-formed request completes with success even if it is refused, for NT
//! copies nothing out on an error; [`Answer::reason`] states the refusal. Only a
//! malformed request ends in an error status.

#![no_std]
#![forbid(unsafe_code)]
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

mod answer;
mod code;
pub mod legacy;
mod reason;
mod request;
pub mod setting;
mod status;

pub use answer::{Answer, Flags, Identity, Start, State};
pub use code::{QUERY, RESET, SET, control_code};
pub use reason::Reason;
pub use request::{Header, ModuleId, Query, Request, Reset, Set};
pub use status::Status;

/// The name of the driver, its service and its device.
pub const NAME: &str = "TcpLimit";
/// The name that a client opens.
pub const DEVICE: &str = r"\\.\TcpLimit";
/// The version of the records. Another version is another layout.
pub const VERSION: u32 = 1;
