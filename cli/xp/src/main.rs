//! `tcplimit.exe`: the program for Windows, built by `cargo xtask driver`.
//!
//! All decisions are in the library; this adds only the calls of Windows.

#![cfg_attr(target_os = "uefi", no_std, no_main)]

#[cfg(target_os = "uefi")]
extern crate alloc;

#[cfg(target_os = "uefi")]
#[macro_use]
mod raw_dylib;

#[cfg(target_os = "uefi")]
#[expect(unsafe_code, reason = "it calls Windows, and Windows calls it")]
mod os_win32;

/// Runs the command line's words.
#[cfg(target_os = "uefi")]
fn program(words: &[alloc::string::String]) -> tcplimit_xp::Exit {
    tcplimit_xp::run(&os_win32::Win32Os, words)
}

/// Prints a fatal error without allocating memory.
#[cfg(target_os = "uefi")]
fn print_fault(text: &core::ffi::CStr) {
    os_win32::console::print_plain(tcplimit_xp::Stream::Error, text.to_bytes());
}

#[cfg(not(target_os = "uefi"))]
fn main() {
    println!("This is a placeholder. To build the program for Windows XP: cargo xtask driver");
}
