//! The driver's edge: NT's entry points in, NT's calls out.
//!
//! Every `unsafe` block names the rule of NT that it relies on. Rules without a
//! source are those of the call's page in Microsoft's documentation of the
//! driver interface.

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
// With the WDK the same names come from wdk-sys; nothing else differs.
#[cfg_attr(windows, path = "nt/objects_wdk.rs")]
mod objects;
mod panic;
mod processor;
mod registry;
mod requests;
mod system;
#[cfg_attr(windows, path = "nt/types_wdk.rs")]
mod types;
