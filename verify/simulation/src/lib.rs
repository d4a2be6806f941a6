//! The driver in a simulated system: [`kernel`] is the system, [`session`] is
//! what happens in it and what must hold there.

pub mod kernel;
pub mod session;
