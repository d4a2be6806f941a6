//! Finds the half-open connection limit in `tcpip.sys` and `tcpip6.sys`.
//!
//! Windows XP Service Pack 2 and later, XP x64 and Server 2003 Service Pack 1
//! and later let only ten outgoing TCP connections be half-open. The ten is a
//! variable of the driver, `ActiveOpenProgressThreshold`, which no setting
//! changes. This crate finds that variable by the behaviour of the code around
//! it, never by a version, a hash, a fixed address or its value. In doubt it
//! locates nothing rather than the wrong place.
//!
//! The kernel driver and the userland tools use the same source, so it is
//! `no_std`, allocates nothing, has no `unsafe`, and cannot panic: the lints
//! below forbid every construct that could, and `verify/panic-free` is a program
//! that links only if no panic is reachable.
//!
//! ```
//! use scanner_core::{Image, Module, locate};
//!
//! # let file = include_bytes!("../../corpus/specimens/tcpip-xp-sp3-x86.sys");
//! let image = Image::from_file(file)?;
//! match locate(&image, Module::Tcpip) {
//!     Ok(located) => println!("the limit is at RVA {}", located.threshold()),
//!     Err(refusal) => println!("{refusal}"),
//! }
//! # Ok::<(), scanner_core::ImageError>(())
//! ```
//!
//! Read in this order: [`Image`] (the input), [`Gate`] (the code that identifies
//! the variable), [`Evidence`] (the other requirements), [`locate`] (the rule),
//! [`policy`] (the conditions for a write).

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

mod arch;
mod base_check;
mod byte_scan;
mod candidate;
mod checksum;
mod displacement_window;
mod error;
mod evidence;
mod exception;
mod file_facts;
mod gate;
mod gate_scan;
mod headers;
mod image;
mod locate;
mod located;
mod module;
mod nearby_calls;
mod operand;
mod pair_scan;
pub mod policy;
mod raw;
mod read;
mod references;
mod relocation;
mod rva;
mod section;
mod step_count;
mod version;

pub use arch::Arch;
pub use candidate::{Findings, MAX_GATES};
pub use checksum::Checksum;
pub use error::ImageError;
pub use evidence::{Evidence, EvidenceSet};
pub use file_facts::{
    FileFacts, RelocationCoverage, StartUpStore, export_name, file_version, likely_module,
    original_name,
};
pub use gate::Gate;
pub use headers::{Directory, ExceptionTable, Headers};
pub use image::{Image, Layout, MappedSection};
pub use locate::{Workspace, locate};
pub use located::{Located, NotLocated, NotLocatedReason};
pub use module::Module;
pub use nearby_calls::{NearbyCalls, Tally};
pub use relocation::{Kind as RelocationKind, Relocations};
pub use rva::Rva;
pub use section::{Section, SectionFlags};
pub use version::{FileVersion, Text};
