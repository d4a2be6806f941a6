//! The properties of all that ships, and of several crates at once: the rules of
//! each are tested in its own `tests/`.

mod brittle;
mod cabinet;
mod clean;
mod damage;
mod disc;
mod document;
mod locator;
mod moved;
mod naive;
mod patch;
mod reading;
mod regressions;
mod runs;
