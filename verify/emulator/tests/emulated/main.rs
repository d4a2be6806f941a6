//! Tests of the shipped driver in an emulated processor.

#![cfg(feature = "unicorn")]

mod history;
mod module_files;
mod mutants;
mod shipped;
mod start_up;
mod write_rules;
