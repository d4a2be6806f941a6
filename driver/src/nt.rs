//! The driver's edge: NT's entry points in, NT's calls out.
//!
//! Every `unsafe` block names the rule of NT that it relies on. Rules without a
//! source are those of the call's page in Microsoft's documentation of the
//! driver interface.

// With the WDK the same names come from wdk-sys; nothing else differs.
#[cfg_attr(windows, path = "nt/bindings_wdk.rs")]
mod bindings;
mod boot;
mod calls;
mod device;
mod entry;
mod event_log;
mod layout;
mod list;
mod module;
mod mutex;
mod name;
mod panic;
mod processor;
mod registry;
mod request;
mod system;
#[cfg(not(windows))]
mod types;
