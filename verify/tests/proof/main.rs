//! The properties of all that ships, and of several crates at once: the rules of
//! each are tested in its own `tests/`.

mod cabinet;
mod clean;
mod concurrent_runs;
mod damage;
mod disc;
mod document;
mod faulty_disk;
mod locator;
mod moved_code;
mod naive;
mod patch;
mod reading;
mod regressions;
