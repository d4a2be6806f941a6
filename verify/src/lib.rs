//! The proof, never shipped: specimens with known answers, an independent
//! oracle, and the properties that the locator is held to.
//!
//! Read in this order: [`specimen`] (what is searched, and the truth about
//! it), [`oracle`] (a slow second opinion), [`naive`] (how others did it),
//! [`property`] and [`agreement`] (what must hold).

pub mod agreement;
pub mod memory;
pub mod naive;
pub mod oracle;
pub mod planted;
pub mod probing;
pub mod property;
pub mod specimen;
