//! The proof, never shipped: the properties that locator, patcher and what ships
//! are held to.
//!
//! Crates below this one have what they are proven with: `specimen` (what is
//! searched, and the truth about it), `oracle` (a slow second opinion, and how
//! others did it), `simulation` (the system that the driver runs in) and `checker`
//! (static checks of the files that users get). Read then [`property`] and
//! [`agreement`] (what must hold of the locator), [`patching`] and [`rewriting`]
//! (of the patcher).

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
