//! The shipped driver in an emulated processor: the very bytes that users load,
//! under a kernel that checks every call.
//!
//! Read in this order: [`world`] (what the driver is to see), [`target`] (a
//! module in it), [`machine`] (a processor and its memory), [`system`] (the
//! driver in it), [`model`] (each call of NT), [`differential`] (the shipped file beside
//! its source), [`run`] (what must hold), [`scenario`] and [`campaign`] (many
//! runs), [`cost`] (instructions for each byte). Apart from all that, [`start_up`]
//! runs the store by which a patched module sets its limit.
//!
//! What is asserted on every run:
//! - The driver executes nothing but its own `.text` and the system's functions,
//!   with the instructions that a Pentium has (x86).
//! - It writes nothing but its own data and stack, what it has allocated, its
//!   request's status and buffer, and the one dword that is the limit: once for
//!   a request, over a value that it may replace, in a page that may be written;
//!   at start what the service key asks for, at unload what was found first where
//!   that is to be put back, once for each module.
//! - It reads no page that is not there, or that is none of its business, nor any
//!   of a module to whose driver object it holds no reference. Beside each kind of
//!   module, and beside files that are given, no byte but those of headers, live
//!   code and the three variables (the campaign would take longer).
//! - It calls the system as the documentation says: arguments, handles, tags,
//!   references, critical regions; and leaves nothing behind.
//! - It takes no more than 2048 bytes of stack, and leaves registers as it must.
//! - It does, says and logs what its source does over the same world, until
//!   something happens in the middle of a request; and locates what the locator
//!   and `probe --as-loaded` locate on the host. What can't be compared is counted
//!   by its reason.
//!
//! The emulator is unicorn, which is under the GPL: this crate is never shipped,
//! and is empty without the feature `unicorn`.

#![cfg(feature = "unicorn")]

pub mod address;
mod agreement;
pub mod call;
pub mod campaign;
pub mod change;
pub mod code;
pub mod command;
pub mod cost;
pub mod differential;
pub mod happy_path;
pub mod image;
pub mod irp;
pub mod machine;
pub mod model;
pub mod module_file;
mod module_under_test;
pub mod mutants;
pub mod offset;
pub mod page_tables;
mod placement;
pub mod random;
pub mod reference_driver;
pub mod registry;
pub mod requests;
pub mod resource_audit;
pub mod run;
pub mod scenario;
pub mod shipped;
pub mod start_up;
pub mod system;
pub mod target;
pub mod violation;
pub mod watch;
pub mod world;
mod write_rules;
