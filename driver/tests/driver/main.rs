//! What of the driver is tested without its sessions: those are in `verify`.

mod lock;
mod resources;
