//! The driver in a simulated system: [`kernel`] is the system, [`session`] runs
//! and checks the driver in it.

pub mod kernel;
pub mod session;
