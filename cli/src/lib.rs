//! The workbench tool: finds, explains and changes the half-open TCP connection
//! limit in `tcpip.sys` and `tcpip6.sys`, on any system.
//!
//! The search itself is `scanner-core`, shared to the letter with the kernel
//! driver. Here is what surrounds it: reading files, folders and cabinets,
//! telling which module a file is, reports for people and for programs.
//!
//! Start at [`probe::bytes`], which is the whole path of `tcplimit probe` for
//! the content of one file, and at [`patch`], which alone writes to drivers.

mod archive;
mod arguments;
mod cabinet;
mod check;
pub mod command;
mod corpus;
mod disassembly;
mod exit;
mod explain;
mod file;
mod folder;
mod format;
pub mod guard;
mod head;
mod image_probe;
mod interrupt;
mod iso;
mod json;
mod loaded;
mod manifest;
mod manual;
mod output;
pub mod patch;
pub mod probe;
mod progress;
mod scan;
mod self_extractor;
mod source;
pub mod storage;
mod summary;
mod text;

pub use loaded::LoadBase;
pub use tcplimit_report as report;
