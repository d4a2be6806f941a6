//! The driver's rules, each in a file named after it, and random sessions, in a
//! simulated system.

mod session;

mod device;
mod exclusion;
mod expected_value;
mod fault;
mod history;
mod in_force;
mod inspect;
mod legacy;
mod lock;
mod module_list;
mod page;
mod peak;
mod reason;
mod request;
mod resources;
mod restore;
mod start;
mod write;
