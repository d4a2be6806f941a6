//! `tcplimit.exe`: the program over Windows. `cargo xtask driver` builds it.
//!
//! All decisions are in the library; here is only what Windows is called with.

#![cfg_attr(target_os = "uefi", no_std, no_main)]

#[cfg(target_os = "uefi")]
extern crate alloc;

#[cfg(target_os = "uefi")]
#[expect(unsafe_code, reason = "it calls Windows, and Windows calls it")]
mod win;

#[cfg(not(target_os = "uefi"))]
fn main() {
    println!("This is the place of the program for Windows XP. To build it: cargo xtask driver");
}
