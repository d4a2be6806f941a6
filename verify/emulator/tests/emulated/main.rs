//! The shipped driver in an emulated processor, one test after the other.

#![cfg(feature = "unicorn")]

mod broken;
mod given;
mod memory;
mod shipped;
mod start_up;
mod written;
