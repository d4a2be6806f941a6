//! Properties of several crates together, and of the documents. The rules of
//! each crate are tested in its own `tests/`.

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
