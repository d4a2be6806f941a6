//! The proof, never shipped: the properties of the locator, the patcher and the
//! shipped files.
//!
//! The crates below this one are its tools: `specimen` (drivers with known
//! contents), `oracle` (a slow second locator, and published ways to find the
//! limit), `simulation` (the system that the driver runs in) and `checker`
//! (static checks of the shipped files). The properties of the locator are in
//! [`property`] and [`agreement`], those of the patcher in [`patching`] and
//! [`rewriting`].

pub mod agreement;
pub mod faulty_disk;
pub mod injected_code;
pub mod memory;
pub mod moved_code;
pub mod patching;
pub mod probing;
pub mod property;
pub mod rewriting;
pub mod verdict;
