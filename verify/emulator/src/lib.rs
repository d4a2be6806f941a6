//! Runs the shipped driver, byte for byte, in an emulated processor under a model
//! of NT's kernel that checks every call.
//!
//! Read in this order: [`world`] (the system that the driver sees), [`target`] (a
//! module in it), [`machine`] (a processor and its memory), [`system`] (the
//! driver in it), [`model`] (each call of NT), [`differential`] (the shipped file beside
//! its source), [`run`] (the checks of a run), [`scenario`] and [`campaign`] (many
//! runs), [`cost`] (instructions per byte). Separately, [`start_up`] runs the store
//! by which a patched module sets its limit.
//!
//! Assertions on every run:
//! - The driver executes only its own `.text` and the system's functions, on x86
//!   with a Pentium's instructions.
//! - It writes only to its own data and stack, its allocations, its request's
//!   status and buffer, and the dword of the limit: once per request, over a value
//!   that it may replace, in a writable page; at start the limit of the service
//!   key, at unload the original limit if configured, once per module.
//! - It reads no absent page, no page that it has no reason to read, and no module
//!   whose driver object it does not reference. Beside each kind of specimen, and
//!   beside files given by path, it reads only the headers, live code and the three
//!   variables (checking this in the campaign would take too long).
//! - It calls the system as documented: arguments, handles, tags, references,
//!   critical regions; and it releases all resources.
//! - It uses at most 2048 bytes of stack, and preserves registers.
//! - Its answers, output and log match those of its source over the same world,
//!   until a change in the middle of a request; and it locates the same variables
//!   as the locator and `probe --as-loaded` on the host. Comparisons that are not
//!   possible are counted by reason.
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
