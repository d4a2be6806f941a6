//! The driver's bindings to NT: entry points and calls.
//!
//! Every `unsafe` block names the rule of NT that it relies on. Rules without a
//! source are from the call's page in Microsoft's documentation of the driver
//! interface.

mod boot;
mod callbacks;
mod device;
mod entry;
mod event_log;
mod imports;
mod layout;
mod module;
mod module_list;
mod mutex;
mod name;
// With the WDK, wdk-sys defines the same names; nothing else differs.
#[cfg_attr(windows, path = "nt/objects_wdk.rs")]
mod objects;
mod panic;
mod processor;
mod registry;
mod requests;
mod system;
#[cfg_attr(windows, path = "nt/types_wdk.rs")]
mod types;
