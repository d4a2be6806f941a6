//! The proof, never shipped: specimens with known answers, an independent
//! oracle, and the properties that the locator is held to.
//!
//! Read in this order: [`specimen`] (what is searched, and the truth about
//! it), [`oracle`] (a slow second opinion), [`naive`] (how others did it),
//! [`property`] and [`agreement`] (what must hold). Of the driver, [`kernel`] is
//! the system that it runs in and [`session`] what must hold there; [`shipped`]
//! checks the files that users get.

pub mod agreement;
pub mod brittle;
pub mod cabinet;
pub mod disc;
pub mod kernel;
pub mod memory;
pub mod moved;
pub mod naive;
pub mod oracle;
pub mod patching;
pub mod planted;
pub mod probing;
pub mod property;
pub mod rewriting;
pub mod session;
pub mod shipped;
pub mod specimen;
