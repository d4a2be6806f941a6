//! The workbench tool: finds, explains and changes the half-open TCP connection
//! limit in `tcpip.sys` and `tcpip6.sys`, on any system.
//!
//! The search itself is `scanner-core`, which the kernel driver uses unchanged. This crate reads
//! files, folders and cabinets, identifies modules, and writes reports for people and programs.
//!
//! Start at [`probe::bytes`], the whole path of `tcplimit probe` for the content of one file, and
//! at [`patch`], the only module that writes to drivers.

mod archive;
mod arguments;
mod cabinet;
pub mod command;
mod corpus_add;
mod corpus_check;
mod default_inputs;
mod disassembly;
mod exit_codes;
mod explain;
mod foreign_format;
mod image_probe;
mod input;
mod interrupt;
mod iso;
mod json;
mod manifest;
mod manual;
pub mod panic_guard;
mod parallel;
pub mod patch;
pub mod probe;
mod progress;
mod self_extractor;
mod simulated_load;
pub mod storage;
mod summary;
mod terminal;
mod text;
mod triage;
mod walk;

pub use simulated_load::LoadBase;
pub use tcplimit_report as report;
