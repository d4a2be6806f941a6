//! The shipped driver in an emulated processor, one test after the other.

#![cfg(feature = "unicorn")]

mod history;
mod module_files;
mod mutants;
mod shipped;
mod start_up;
mod write_rules;
