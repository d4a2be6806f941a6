//! `tcplimitw.exe`: the window for Windows, built by `cargo xtask driver`.
//!
//! All decisions are in the library; this adds only the calls of Windows.

#![cfg_attr(target_os = "uefi", no_std, no_main)]

#[cfg(target_os = "uefi")]
extern crate alloc;

#[cfg(target_os = "uefi")]
#[macro_use]
mod raw_dylib;

#[cfg(target_os = "uefi")]
mod app;
#[cfg(target_os = "uefi")]
#[expect(unsafe_code, reason = "it calls Windows, and Windows calls it")]
mod gui;
#[cfg(target_os = "uefi")]
#[expect(unsafe_code, reason = "it calls Windows, and Windows calls it")]
mod os_win32;

/// The window takes a language and ignores all other words.
#[cfg(target_os = "uefi")]
fn program(words: &[alloc::string::String]) -> tcplimit_xp::Exit {
    app::run(words)
}

/// Shows a fatal error without allocating memory.
#[cfg(target_os = "uefi")]
fn print_fault(text: &core::ffi::CStr) {
    gui::shell::message_box_without_heap(text);
}

#[cfg(not(target_os = "uefi"))]
fn main() {
    println!("This is a placeholder. To build the window for Windows XP: cargo xtask driver");
}
